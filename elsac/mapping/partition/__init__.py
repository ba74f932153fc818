"""Layers to tiles, and tiles to cores.

Two stages: integer programming chooses how each layer is laid out, from sums over all cores, and
bounds what any plan can reach (`tiling.py`); then tiles are packed. Packing is annealing that may
also change layouts (`anneal.py`), from greedy plans (`greedy.py`) or from the first stage's, and
constraint programming where the problem is small (`exact.py`). `descent.py` says which bottlenecks
are tried, in which order. Every step starts from the best plan
that is known and keeps it unless it finds a better one. The paper's own partition is in
`merging.py`.
"""

from elsac.mapping.partition.fit import DoesNotFit, Fit, LayerFit, explain
from elsac.mapping.partition.merging import Single, fill, merge_greedily
from elsac.mapping.partition.model import Flow, Layer, Machine, Option, Partition
from elsac.mapping.partition.solve import Objective, partition

__all__ = [
    "DoesNotFit",
    "Fit",
    "Flow",
    "Layer",
    "LayerFit",
    "Machine",
    "Objective",
    "Option",
    "Partition",
    "Single",
    "explain",
    "fill",
    "merge_greedily",
    "partition",
]
