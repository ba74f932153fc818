"""Routing: which links each stream takes, how often, and on which virtual channel.

`route` takes nets, which go from one core to several, to multicast trees. `minmax`, `xy_max_link`
and `node_cut` are about pairs of cores, which is what studies of routing compare.
"""

from elsac.mapping.routing.deadlock import DeadlockError, certificate
from elsac.mapping.routing.routes import Method, Routing, link_loads, route
from elsac.mapping.routing.trees import PlacedNet, Tree
from elsac.mapping.routing.unicast import Commodity, MinMax, minmax, node_cut, xy_max_link

__all__ = [
    "Commodity",
    "DeadlockError",
    "Method",
    "MinMax",
    "PlacedNet",
    "Routing",
    "Tree",
    "certificate",
    "link_loads",
    "minmax",
    "node_cut",
    "route",
    "xy_max_link",
]
