"""Routes lead every spine of a stream to all cores that read it, once.

The routes of a stream with one tree number form a multicast tree, rooted at the stream's place; a
flit passes each of its links once, and parts where they part. A spine takes one of the trees, by a
round robin in which each has its weight.
"""

from elsac.dialects import token
from elsac.passes.verify_mapping.model import Mapping, Node, core_of, name, place_of, refuse
from elsac.passes.verify_mapping.places import on_mesh

AGAIN = "'route-streams'"

MOST_WEIGHT = 16
"""The most that the weights of a stream's trees add up to: the period of its round robin."""

Trees = dict[int, list[token.RouteAttr]]


def check_routes(mapping: Mapping) -> None:
    """Check the routes of every stream."""
    cores = {place_of(node): core_of(node) for node in mapping.nodes}
    for node in mapping.nodes:
        trees = trees_of(node)
        check_trees(mapping, node, trees)
        for number, routes in trees.items():
            check_readers(mapping, node, number, routes, cores)
            check_paths(mapping, node, number, routes)


def trees_of(node: Node) -> Trees:
    """A stream's routes by the number of their tree, ascending."""
    if node.routes is None:
        refuse(name(node), "its stream has no routes", AGAIN)
    trees: Trees = {}
    for route in sorted(node.routes, key=lambda r: r.tree.data):
        trees.setdefault(route.tree.data, []).append(route)
    return trees


def check_trees(mapping: Mapping, node: Node, trees: Trees) -> None:
    """Trees are numbered from 0, and have a weight and a channel each."""
    if not trees and mapping.readers[node]:
        cores = ", ".join(map(str, mapping.readers[node]))
        refuse(name(node), f"no route leads its stream to the cores {cores} that read it", AGAIN)
    if list(trees) != list(range(len(trees))):
        numbers = ", ".join(map(str, trees))
        refuse(
            name(node), f"its trees have the numbers {numbers}, not 0 to {len(trees) - 1}", AGAIN
        )
    total = 0
    for number, routes in trees.items():
        first, tree = routes[0], f"tree {number}"
        for route in routes:
            for what in ("weight", "channel"):
                a, b = getattr(first, what).data, getattr(route, what).data
                if a != b:
                    refuse(name(node), f"{tree} has {what} {a} and {what} {b}", AGAIN)
        if first.channel.data >= mapping.target.virtual_channels:
            refuse(
                name(node),
                f"{tree} is on virtual channel {first.channel.data}, a link has "
                f"{mapping.target.virtual_channels}",
                AGAIN,
            )
        total += first.weight.data
    if total > MOST_WEIGHT:
        refuse(name(node), f"its trees have a weight of {total}, at most {MOST_WEIGHT}", AGAIN)


def check_readers(
    mapping: Mapping,
    node: Node,
    number: int,
    routes: list[token.RouteAttr],
    cores: dict[token.Place, int],
) -> None:
    """A tree leads to each core that reads the stream by one route, with the spines that it needs,
    and to no other.
    """
    readers, tree = mapping.readers[node], f"tree {number} of its stream"
    spines = token.stream(node.output).spines.data
    reached: dict[int, tuple[int, int]] = {}
    for route in routes:
        end = route.path[-1]
        core = cores.get(end)
        if core is None or core not in readers:
            refuse(name(node), f"{tree} leads to {end}, where nothing reads it", AGAIN)
        if core in reached:
            refuse(name(node), f"{tree} leads to core {core} twice", AGAIN)
        reached[core] = first, stop = route.reach(spines)
        needed = readers[core]
        if first > needed[0] or stop < needed[1] or stop > spines:
            refuse(
                name(node),
                f"{tree} takes the spines {first} to {stop} to core {core}, which needs "
                f"{needed[0]} to {needed[1]} of {spines}",
                AGAIN,
            )
    for core in readers:
        if core not in reached:
            refuse(name(node), f"{tree} does not lead to core {core}, which reads it", AGAIN)


def check_paths(mapping: Mapping, node: Node, number: int, routes: list[token.RouteAttr]) -> None:
    """Paths go from the stream's place over the mesh, and where two of them meet they have come the
    same way: every place of a tree has one parent, and its root has none. That steps lead to
    neighbours, routes see to themselves.
    """
    here, tree = place_of(node), f"tree {number} of its stream"
    parent: dict[token.Place, token.Place | None] = {here: None}
    for route in routes:
        if route.path[0] != here:
            refuse(name(node), f"{tree} starts at {route.path[0]}, and the stream at {here}", AGAIN)
        for place in route.path:
            if not on_mesh(mapping.target, place):
                refuse(name(node), f"{tree} leaves the mesh at {place}", AGAIN)
        for before, place in route.links:
            if parent.setdefault(place, before) != before:
                other = parent[place] or "the stream itself"
                refuse(name(node), f"{tree} comes to {place} from {before} and {other}", AGAIN)
