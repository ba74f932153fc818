"""A question made ready for search, and what plans are measured by."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from elsac.mapping.partition.model import (
    BUSY_CYCLES_PER_FLIT,
    COPIED_BITS_PER_FLIT,
    Flow,
    Layer,
    Machine,
    Option,
    Partition,
    share,
)

EVEN = 16
"""What a tile costs that reads as many flits as layers do on average (`Problem.effort`)."""


class Plan(NamedTuple):
    """An option (an index into the fitting ones) for each layer, and a core for each tile."""

    chosen: tuple[int, ...]
    cores: tuple[tuple[int, ...], ...]


class Problem:
    """Layers with those of their options that fit an empty core, and what plans are measured by.

    Raises ValueError where the question makes no sense. Every layer must have a fitting option,
    and every group a number of row tiles that such options of all its layers share.
    """

    def __init__(self, layers: Sequence[Layer], flows: Sequence[Flow], machine: Machine) -> None:
        check(layers, flows, machine)
        self.layers, self.machine = tuple(layers), machine
        self.flows = merged(flows)
        self.members = members(layers)
        fit = [fitting(layer, machine) for layer in layers]
        self.options = [
            tuple(o for o in fit[i] if len(m) == 1 or o.row_tiles in common(fit, m))
            for i, m in enumerate(self.members)
        ]
        assert all(self.options)
        self.leanest = [min(o.held for o in options) for options in self.options]
        self.idlest = [min(o.busy for o in options) for options in self.options]
        self.inflow = [0] * len(layers)
        self.halo = [0] * len(layers)
        self.incident: list[list[int]] = [[] for _ in layers]
        for index, flow in enumerate(self.flows):
            self.inflow[flow.sink] += flow.flits
            self.halo[flow.sink] += flow.halo
            self.incident[flow.source].append(index)
            self.incident[flow.sink].append(index)

    @property
    def timed(self) -> bool:
        """Whether cycles of one core add up."""
        return self.machine.sharing == "time"

    @cached_property
    def no_limit(self) -> int:
        """A bottleneck that every plan keeps."""
        return max(1, sum(max(o.tiles * o.cycles for o in options) for options in self.options))

    def demand(self, option: Option) -> tuple[int, ...]:
        """What one tile takes of a core's limits."""
        return (*option.need, option.cycles if self.timed else option.circuits)

    def limits(self, bottleneck: int) -> tuple[int, ...]:
        """What tiles of one core may demand together if none is to exceed a bottleneck."""
        return (*self.machine.room, bottleneck if self.timed else self.machine.circuits)

    def allowed(self, bottleneck: int) -> list[list[int]] | None:
        """Options of each layer that keep a bottleneck; None if some layer or group has none."""
        kept = [
            [n for n, o in enumerate(options) if o.cycles <= bottleneck] for options in self.options
        ]
        if not all(kept):
            return None
        chosen = [[self.options[i][n] for n in numbers] for i, numbers in enumerate(kept)]
        for i, m in enumerate(self.members):
            if len(m) > 1:
                rows = common(chosen, m)
                kept[i] = [n for n in kept[i] if self.options[i][n].row_tiles in rows]
        return kept if all(kept) else None

    def picked(self, plan: Plan) -> list[Option]:
        """The option of each layer."""
        return [self.options[i][n] for i, n in enumerate(plan.chosen)]

    def copies(self, layer: int, option: Option) -> int:
        """Bits held and cycles spent beyond the leanest options, and halos, in flits."""
        bits = option.held - self.leanest[layer]
        cycles = option.busy - self.idlest[layer]
        more = -(-bits // COPIED_BITS_PER_FLIT) - (-cycles // BUSY_CYCLES_PER_FLIT)
        return more + (option.row_tiles - 1) * self.halo[layer]

    def effort(self, layer: int, option: Option) -> int:
        """What tiles cost where flits are not looked at one by one, in parts of `EVEN`: half of it
        is their number, half the flits that column tiles read, each all that the layer does.
        """
        mean = max(sum(self.inflow) // len(self.layers), 1)
        read = EVEN * option.column_tiles * self.inflow[layer] // mean
        return (EVEN * option.tiles + read) // 2

    def fits(self, plan: Plan) -> bool:
        """Whether no core holds more than it has."""
        used = self._used(plan)
        room = self.limits(self.no_limit)
        return all(u <= r for row in used.values() for u, r in zip(row, room, strict=True))

    def bottleneck(self, plan: Plan) -> int:
        """Cycles of the busiest core or, where circuits are shared in space, tile."""
        if self.timed:
            return max(row[-1] for row in self._used(plan).values())
        return max(option.cycles for option in self.picked(plan))

    def crossing(self, plan: Plan) -> int:
        """Flits between cores."""
        shape = [(option.column_tiles, option.row_tiles) for option in self.picked(plan)]
        return sum(
            share(flow.flits, *shape[flow.source], i, *shape[flow.sink], j)
            for flow in self.flows
            for i, here in enumerate(plan.cores[flow.source])
            for j, there in enumerate(plan.cores[flow.sink])
            if here != there
        )

    def cost(self, plan: Plan) -> int:
        """Flits between cores, and those that copies are worth."""
        return self.crossing(plan) + self.copied(plan)

    def copied(self, plan: Plan) -> int:
        """Copies of all layers, in flits."""
        return sum(self.copies(i, option) for i, option in enumerate(self.picked(plan)))

    def _used(self, plan: Plan) -> dict[int, list[int]]:
        used: dict[int, list[int]] = {}
        for option, cores in zip(self.picked(plan), plan.cores, strict=True):
            demand = self.demand(option)
            for core in cores:
                row = used.setdefault(core, [0] * len(demand))
                for index, amount in enumerate(demand):
                    row[index] += amount
        return used

    def answer(self, plan: Plan, bound: int, proved: bool) -> Partition:
        """A plan in full, measured."""
        tiles = tuple((i, j) for i, cores in enumerate(plan.cores) for j in range(len(cores)))
        numbers: dict[int, int] = {}
        core = tuple(numbers.setdefault(plan.cores[i][j], len(numbers)) for i, j in tiles)
        return Partition(
            tuple(self.picked(plan)),
            tiles,
            core,
            self.bottleneck(plan),
            bound,
            self.crossing(plan),
            self.copied(plan),
            len(numbers),
            proved,
        )


def fitting(layer: Layer, machine: Machine) -> list[Option]:
    """Options of which a tile fits an empty core."""
    return [
        o
        for o in layer.options
        if all(n <= r for n, r in zip(o.need, machine.room, strict=True))
        and (machine.sharing == "time" or o.circuits <= machine.circuits)
    ]


def members(layers: Sequence[Layer]) -> list[tuple[int, ...]]:
    """For each layer all that are in its group, itself among them."""
    groups: dict[int, list[int]] = {}
    for i, layer in enumerate(layers):
        if layer.group is not None:
            groups.setdefault(layer.group, []).append(i)
    return [
        (i,) if layer.group is None else tuple(groups[layer.group])
        for i, layer in enumerate(layers)
    ]


def common(options: Sequence[Sequence[Option]], group: Sequence[int]) -> set[int]:
    """Numbers of row tiles that some option of every layer of the group has."""
    return set.intersection(*({o.row_tiles for o in options[i]} for i in group))


def merged(flows: Sequence[Flow]) -> tuple[Flow, ...]:
    """Flows between the same two layers added up, in ascending order; those of no flits dropped."""
    sums: dict[tuple[int, int], tuple[int, int]] = {}
    for flow in flows:
        flits, halo = sums.get((flow.source, flow.sink), (0, 0))
        sums[flow.source, flow.sink] = flits + flow.flits, halo + flow.halo
    return tuple(Flow(*ends, *amounts) for ends, amounts in sorted(sums.items()) if amounts[0])


def check(layers: Sequence[Layer], flows: Sequence[Flow], machine: Machine) -> None:
    """Raise ValueError unless the question makes sense and its sums stay below 2 ** 62."""
    if not layers:
        raise ValueError("no layers to partition")
    if machine.cores < 1 or machine.sharing not in ("time", "space"):
        raise ValueError(f"{machine}: expected at least one core, and sharing 'time' or 'space'")
    most = 0
    for layer in layers:
        if not layer.options:
            raise ValueError(f"layer '{layer.name}' has no options")
        for o in layer.options:
            if len(o.need) != len(machine.room):
                raise ValueError(
                    f"layer '{layer.name}' needs {len(o.need)} memories, a core has "
                    f"{len(machine.room)}"
                )
            amounts = (*o.need, o.cycles, o.circuits)
            if min(o.column_tiles, o.row_tiles, o.pe_columns, o.pe_rows) < 1 or min(amounts) < 0:
                raise ValueError(f"layer '{layer.name}': {o} has a number below its least value")
            most = max(most, o.held, o.tiles * max(amounts), o.tiles**2)
    flits = 0
    for flow in flows:
        ends = {flow.source, flow.sink}
        if len(ends) < 2 or not ends <= set(range(len(layers))) or not 0 <= flow.halo <= flow.flits:
            raise ValueError(f"{flow}: expected two of {len(layers)} layers, 0 <= halo <= flits")
        flits += flow.flits
    largest = max((o.tiles for layer in layers for o in layer.options), default=1)
    if max(most * len(layers) * machine.cores, (flits + 1) * largest**2) >= 1 << 62:
        raise ValueError("needs, cycles or flits are too large to be added up in 64 bits")
    for group in sorted(set(members(layers))):
        if not common([layer.options for layer in layers], group):
            names = ", ".join(f"'{layers[i].name}'" for i in group)
            raise ValueError(f"layers {names} are one group, but share no number of row tiles")
