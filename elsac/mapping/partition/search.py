"""Local search over whole plans: a small bottleneck first, little traffic then."""

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from elsac.mapping.partition.problem import EVEN, Plan, Problem

Ints = NDArray[np.int64]

LEVELS = 256
"""Temperatures of one annealing, in geometric steps."""

PACK_HEAT = (0.02, 0.0005)
"""First and last temperature of a search for a plan that fits, in parts of a core."""

TILE_PRICE = 0.03
"""What a tile costs there: fewer ones leave fewer to search, and less traffic."""

SETTLE_HEAT = (0.005, 0.0002)
"""The same where tiles are packed already, and layouts are all that is to change."""

SETTLE_PRICE = 0.003
"""What a tile costs there: small ones fill what large ones leave."""

WARM_HEAT = (0.01, 0.0002)
"""The same where layouts may change more."""

WARM_PRICE = 0.01
"""What a tile costs then."""

TRIM_HEAT = (0.3, 0.003)
"""First and last temperature of a search for less traffic, in mean flows."""

OVERFLOW_PRICE = 100.0
"""What a core's worth of overflow costs there."""


class Search:
    """Annealing of one problem; each run has its own seed."""

    def __init__(self, problem: Problem, seed: int) -> None:
        self.problem, self.seed, self.runs = problem, seed, 0
        starts = np.cumsum([0, *(len(options) for options in problem.options)])
        self.starts: list[int] = starts.tolist()
        """The number of each layer's first option, where options are numbered through."""
        self.width = max(o.tiles for options in problem.options for o in options)

    def seek(self, start: Plan, limit: int, moves: int) -> tuple[Plan, float]:
        """The plan that exceeds the limits least, and by how many cores' worth.

        The plan to start from need not fit.
        """
        allowed = self.problem.allowed(limit)
        return self._fit(start, limit, moves, allowed, TILE_PRICE, PACK_HEAT)

    def pack(self, start: Plan, limit: int, moves: int) -> tuple[Plan, float]:
        """As `seek`, with the options of the start, which must be allowed."""
        options = [[n] for n in start.chosen]
        return self._fit(start, limit, moves, options, TILE_PRICE, PACK_HEAT)

    def settle(self, start: Plan, limit: int, moves: int, warm: bool) -> tuple[Plan, float]:
        """As `seek`, from tiles that are packed already: less of the start is lost."""
        allowed = self.problem.allowed(limit)
        price, heat = (WARM_PRICE, WARM_HEAT) if warm else (SETTLE_PRICE, SETTLE_HEAT)
        return self._fit(start, limit, moves, allowed, price, heat)

    def _fit(
        self,
        start: Plan,
        limit: int,
        moves: int,
        allowed: list[list[int]] | None,
        price: float,
        heat: tuple[float, float],
    ) -> tuple[Plan, float]:
        efforts = [
            self.problem.effort(layer, option)
            for layer, options in enumerate(self.problem.options)
            for option in options
        ]
        prices, flows = (1.0, price / EVEN), self._flows[:0]
        return self._run(start, limit, allowed, efforts, flows, prices, heat, moves, True)

    def trim(self, start: Plan, limit: int, moves: int) -> Plan:
        """A plan that keeps a bottleneck and costs no more flits than the one given, which fits."""
        flits = sum(flow.flits for flow in self.problem.flows)
        prices = OVERFLOW_PRICE, max(len(self.problem.flows), 1) / max(flits, 1)
        copies = [
            self.problem.copies(layer, option)
            for layer, options in enumerate(self.problem.options)
            for option in options
        ]
        allowed = self.problem.allowed(limit)
        plan, excess = self._run(
            start, limit, allowed, copies, self._flows, prices, TRIM_HEAT, moves, stop=False
        )
        return start if excess > 0 else plan

    def _run(
        self,
        start: Plan,
        limit: int,
        allowed: list[list[int]] | None,
        costs: Sequence[int],
        flows: Ints,
        prices: tuple[float, float],
        heat: tuple[float, float],
        moves: int,
        stop: bool,
    ) -> tuple[Plan, float]:
        """Anneal with these options, their costs and those of flows; as `seek`."""
        from elsac.mapping.partition.anneal import anneal

        if allowed is None:
            return start, math.inf
        plan = self._kept(start, allowed)
        core = np.zeros((len(plan.cores), self.width), dtype=np.int64)
        for layer, cores in enumerate(plan.cores):
            core[layer, : len(cores)] = cores
        self.runs += 1
        # The generator's state: any 64 bits but none.
        seed = (1 + self.seed * 1_000_003 + self.runs) * 0x9E3779B97F4A7C15 % (1 << 64) or 1
        options = np.insert(self._options, 3, np.array(costs, dtype=np.int64), axis=1)
        excess, chosen, core = anneal(
            options,
            flows,
            table([[self.starts[i] + n for n in numbers] for i, numbers in enumerate(allowed)]),
            table(self.problem.members),
            table(self.problem.incident if len(flows) else [()] * len(allowed)),
            np.array(self.problem.limits(limit), dtype=np.int64),
            np.array([self.starts[i] + n for i, n in enumerate(plan.chosen)], dtype=np.int64),
            core,
            self.problem.machine.cores,
            np.uint64(seed),
            *prices,
            np.round(np.geomspace(*heat, LEVELS), 9),
            thresholds(),
            -(-moves // LEVELS),
            stop,
        )
        numbers = [int(n) - self.starts[i] for i, n in enumerate(chosen)]
        tiles = [self.problem.options[i][n].tiles for i, n in enumerate(numbers)]
        places = tuple(tuple(core[i, :n].tolist()) for i, n in enumerate(tiles))
        return Plan(tuple(numbers), places), float(excess)

    def _kept(self, start: Plan, allowed: list[list[int]]) -> Plan:
        """The plan, with options that are allowed; tiles beyond the old ones go anywhere."""
        chosen = list(start.chosen)
        for layer, group in enumerate(self.problem.members):
            if layer == group[0] and any(chosen[m] not in allowed[m] for m in group):
                rows = min(self.problem.options[layer][n].row_tiles for n in allowed[layer])
                for member in group:
                    of = self.problem.options[member]
                    same = (len(group) == 1 or of[n].row_tiles == rows for n in allowed[member])
                    chosen[member] = min(
                        (n for n, fits in zip(allowed[member], same, strict=True) if fits),
                        key=lambda n, of=of: (of[n].tiles, of[n].held),  # type: ignore[misc]
                    )
        cores, spare = [], 0
        for layer, number in enumerate(chosen):
            tiles = self.problem.options[layer][number].tiles
            more = max(0, tiles - len(start.cores[layer]))
            extra = tuple((spare + i) % self.problem.machine.cores for i in range(more))
            cores.append(start.cores[layer][:tiles] + extra)
            spare += more
        return Plan(tuple(chosen), tuple(cores))

    @cached_property
    def _options(self) -> Ints:
        """[option, 3 + limit] tiles, column tiles, row tiles; demand."""
        return np.array(
            [
                (o.tiles, o.column_tiles, o.row_tiles, *self.problem.demand(o))
                for options in self.problem.options
                for o in options
            ],
            dtype=np.int64,
        )

    @cached_property
    def _flows(self) -> Ints:
        """[flow, 3] source, sink, flits."""
        flows = [(flow.source, flow.sink, flow.flits) for flow in self.problem.flows]
        return np.array(flows, dtype=np.int64).reshape(-1, 3)


def table(rows: Sequence[Sequence[int]]) -> Ints:
    """Lists as rows of one array: their lengths first, zeros behind."""
    array = np.zeros((len(rows), 1 + max(map(len, rows))), dtype=np.int64)
    for line, row in zip(array, rows, strict=True):
        line[: 1 + len(row)] = (len(row), *row)
    return array


def thresholds(count: int = 1024) -> NDArray[np.float64]:
    """-ln of evenly spread numbers in (0, 1)."""
    return np.array([round(-math.log((i + 0.5) / count), 6) for i in range(count)])
