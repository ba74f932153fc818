"""The network on chip as the published artifact has it: formulas instead of queues.

A router takes `router_cycles` for a flit, times the number of streams that leave its core; a link
takes as long as flits are wide, times the number of layers that are expected to share it. So the
last of F flits has left its core after F turns of the router, and then passes links and routers.
Between cores in one line there are three routes, straight on and beside it on either side; others
turn at random. Source: NetworkOnChip/Router.py of the published artifact.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from artifact_layers import SEED, Ints
from artifact_trace import Core, Place, Trace
from numpy.typing import NDArray

from elsac.targets import Target

SIDES: tuple[Place, ...] = ((1, 0), (-1, 0), (0, 1), (0, -1))
"""The order of `Core.leave`."""


@dataclass(frozen=True)
class Ways:
    """The ways from one core to another: what each costs beyond the flits' own turns."""

    per_flit: int
    cycles: Ints
    hops: Ints
    chance: NDArray[np.float64]
    in_turn: bool
    """Flits of a spine are divided in this order, in proportion; else each draws its way."""


class Network:
    """Delays between the cores of a trace."""

    def __init__(self, trace: Trace, target: Target) -> None:
        self.trace = trace
        self.router = target.router_cycles
        self.link = target.flit_bits / target.link_bits
        self._known: dict[tuple[Place, Place], Ways] = {}

    def ways(self, source: Core, sink: Core) -> Ways:
        """All ways of a flit."""
        key = source.place, sink.place
        if key not in self._known:
            self._known[key] = self._ways(source, sink)
        return self._known[key]

    def _ways(self, source: Core, sink: Core) -> Ways:
        per_flit = self.router * source.occupancy
        (row, column), (to_row, to_column) = source.place, sink.place
        if source.place == sink.place:
            found, in_turn = {(0, 0): 1.0}, False
        elif row == to_row or column == to_column:
            return self._straight(source, sink, per_flit)
        else:
            found, in_turn = self._turning(source, sink), False
        cycles, hops = (np.array(side, np.int64) for side in zip(*found, strict=True))
        return Ways(per_flit, cycles, hops, np.array(list(found.values())), in_turn)

    def _straight(self, source: Core, sink: Core, per_flit: int) -> Ways:
        (row, column), (to_row, to_column) = source.place, sink.place
        step = (int(np.sign(to_row - row)), int(np.sign(to_column - column)))
        far = abs(to_row - row) + abs(to_column - column)
        ways: list[tuple[int, int, float]] = []
        for side, chance in zip(SIDES, source.leave, strict=True):
            if side == step:
                path = [(row + i * step[0], column + i * step[1]) for i in range(far + 1)]
            elif side == (-step[0], -step[1]):
                continue
            else:
                beside = (row + side[0], column + side[1])
                path = [
                    source.place,
                    *((beside[0] + i * step[0], beside[1] + i * step[1]) for i in range(far + 1)),
                    sink.place,
                ]
            if all(place in self.trace.cores for place in path):
                ways.append((self._cost(path), len(path) - 1, chance))
        total = sum(chance for *_, chance in ways)
        chances = [chance / total if total else 1 / len(ways) for *_, chance in ways]
        return Ways(
            per_flit,
            np.array([cost for cost, *_ in ways], np.int64),
            np.array([hops for _, hops, _ in ways], np.int64),
            np.array(chances),
            in_turn=True,
        )

    def _turning(self, source: Core, sink: Core) -> dict[tuple[int, int], float]:
        """(cycles, hops) of minimal paths, with how likely they are."""
        (row, column), (to_row, to_column) = source.place, sink.place
        down, right = int(np.sign(to_row - row)), int(np.sign(to_column - column))
        high, wide = abs(to_row - row), abs(to_column - column)
        at: dict[tuple[int, int], dict[int, float]] = {(0, 0): {0: 1.0}}
        for i in range(high + 1):
            for j in range(wide + 1):
                here = at.get((i, j), {})
                down_share = 0.5
                if i == j == 0:
                    first = source.leave[SIDES.index((down, 0))]
                    second = source.leave[SIDES.index((0, right))]
                    down_share = first / (first + second) if first + second else 0.5
                if i == high or j == wide:
                    down_share = float(j == wide)
                place = (row + i * down, column + j * right)
                for (a, b), share in (((1, 0), down_share), ((0, 1), 1 - down_share)):
                    if i + a > high or j + b > wide or not share:
                        continue
                    cost = self._cost([place, (place[0] + a * down, place[1] + b * right)])
                    there = at.setdefault((i + a, j + b), {})
                    for cycles, chance in here.items():
                        there[cycles + cost] = there.get(cycles + cost, 0.0) + chance * share
        return {(cycles, high + wide): chance for cycles, chance in at[high, wide].items()}

    def _cost(self, path: list[Place]) -> int:
        """Cycles over the links of a path, and in the routers at their ends."""
        cycles = 0
        for a, b in pairwise(path):
            cycles += math.ceil(self.link * self.trace.links.get((a, b), 1.0))
            there = self.trace.cores.get(b)
            cycles += self.router * (there.occupancy if there else 0)
        return cycles


def last_flit(ways: Ways, flits: Ints, seed: int) -> Ints:
    """Cycles until the last flit of each spine is there, beyond `per_flit` for each of its flits.

    `flits` [steps, visits]; 0 where there are none.
    """
    flat = flits.reshape(-1)
    total = int(flat.sum())
    first = np.cumsum(flat) - flat
    index = np.arange(total) - np.repeat(first, flat)  # of the flit in its spine
    count = np.repeat(flat, flat)
    if ways.in_turn:
        # Each way gets its share rounded up, until no flit is left.
        bounds = np.cumsum(np.ceil(count[:, None] * ways.chance[None, :] - 1e-12), 1)
        way = np.minimum((index[:, None] >= bounds).sum(1), len(ways.chance) - 1)
    else:
        rng = np.random.default_rng([SEED, seed])
        edges = np.cumsum(ways.chance)
        way = np.minimum(np.searchsorted(edges, rng.random(total)), len(edges) - 1)
    # Flit f leaves after f + 1 turns, so it has a start of count - 1 - f turns over the last one.
    late = ways.cycles[way] - (count - 1 - index) * ways.per_flit
    out = np.zeros(flat.shape, np.int64)
    some = flat > 0
    if total:
        out[some] = np.maximum.reduceat(late, first[some])
    return out.reshape(flits.shape)


def expected_hops(ways: Ways, flits: int) -> float:
    """Links that so many flits cross, if the trace does not say."""
    return float(flits * (ways.hops * ways.chance).sum())
