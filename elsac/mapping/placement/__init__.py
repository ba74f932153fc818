"""Placement: cores on the places of a mesh, so that traffic takes few hops.

`place` does it; a `Placement` says what it costs and how far that is from the best at most. Methods
are in `solve.py`, their search in `search.py`; `bounds.py`, `parity.py` and `certificate.py` prove.
"""

from elsac.mapping.placement.curves import hilbert, snake
from elsac.mapping.placement.demand import Basis, objective
from elsac.mapping.placement.solve import Method, Placement, PlacementError, place

__all__ = [
    "Basis",
    "Method",
    "Placement",
    "PlacementError",
    "hilbert",
    "objective",
    "place",
    "snake",
]
