"""The paper's greedy partition (Algorithm 2): the heaviest connections move into one core.

As printed the algorithm keeps the weights of the first graph after a merge, and never packs groups
without a connection. Here connections are those of the groups, added up again after each merge;
what is left is packed by `fill`. Load is not looked at, as in the paper: this is the baseline.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from elsac.mapping.partition.model import Flow, Machine, Option, share
from elsac.mapping.partition.problem import Plan, Problem

Needs = list[tuple[int, ...]]


@dataclass(frozen=True)
class Single:
    """A tile, or a layer that is one tile: what it asks of the core that it is on."""

    name: str
    need: tuple[int, ...]
    cycles: int
    circuits: int


def merge_greedily(singles: Sequence[Single], flows: Sequence[Flow], machine: Machine) -> list[int]:
    """The group of each single, numbered in the order of first members.

    Again and again the two groups with the most flits between them, in both directions, become
    one, if memories (and circuits, where they are shared in space) of one core suffice. There may
    be more groups than cores.
    """
    group = list(range(len(singles)))
    needs = [demand(single, machine) for single in singles]
    between: dict[tuple[int, int], int] = {}
    for flow in flows:
        if flow.source != flow.sink:
            pair = min(flow.source, flow.sink), max(flow.source, flow.sink)
            between[pair] = between.get(pair, 0) + flow.flits
    limits = room(machine)
    while between:
        pair = max(between, key=lambda p: (between[p], -p[0], -p[1]))
        del between[pair]  # either it merges, or it never will, since groups only grow
        keep, gone = pair
        both = tuple(a + b for a, b in zip(needs[keep], needs[gone], strict=True))
        if any(n > r for n, r in zip(both, limits, strict=True)):
            continue
        needs[keep] = both
        group = [keep if g == gone else g for g in group]
        for (a, b), flits in [item for item in between.items() if gone in item[0]]:
            del between[a, b]
            other = b if a == gone else a
            joined = min(keep, other), max(keep, other)
            between[joined] = between.get(joined, 0) + flits
    return renumbered(group)


def fill(group: Sequence[int], singles: Sequence[Single], machine: Machine) -> list[int]:
    """The core of each single: groups, the fullest first, into the first core where they fit.

    Cores are numbered in the order of first members; they may be more than the machine has.
    """
    limits = room(machine)
    needs = [(0,) * len(limits)] * (max(group, default=-1) + 1)
    for g, single in zip(group, singles, strict=True):
        needs[g] = tuple(a + b for a, b in zip(needs[g], demand(single, machine), strict=True))
    cores: Needs = []
    core_of: dict[int, int] = {}
    for g in sorted(range(len(needs)), key=lambda g: -fullness(needs[g], limits)):
        for core, used in enumerate(cores):
            both = tuple(a + b for a, b in zip(used, needs[g], strict=True))
            if all(n <= r for n, r in zip(both, limits, strict=True)):
                cores[core], core_of[g] = both, core
                break
        else:
            core_of[g] = len(cores)
            cores.append(needs[g])
    return renumbered([core_of[g] for g in group])


def demand(single: Single, machine: Machine) -> tuple[int, ...]:
    """What a single takes of a core; cycles do not count here."""
    return single.need if machine.sharing == "time" else (*single.need, single.circuits)


def room(machine: Machine) -> tuple[int, ...]:
    """What a core has."""
    return machine.room if machine.sharing == "time" else (*machine.room, machine.circuits)


def fullness(need: Sequence[int], limits: Sequence[int]) -> int:
    """How full the fullest memory is, in millionths."""
    return max(10**6 * n // max(r, 1) for n, r in zip(need, limits, strict=True))


def renumbered(labels: Sequence[int]) -> list[int]:
    """Labels by 0, 1, ... in the order in which they come up."""
    numbers: dict[int, int] = {}
    return [numbers.setdefault(label, len(numbers)) for label in labels]


def singles_of(
    problem: Problem, options: Sequence[Option]
) -> tuple[list[Single], list[Flow], list[list[int]]]:
    """Tiles as singles, the flows between them, and the singles of each layer."""
    singles: list[Single] = []
    of: list[list[int]] = []
    for layer, option in zip(problem.layers, options, strict=True):
        of.append([len(singles) + i for i in range(option.tiles)])
        singles += [
            Single(f"{layer.name}/{i}", option.need, option.cycles, option.circuits)
            for i in range(option.tiles)
        ]
    flows = []
    for flow in problem.flows:
        a, b = options[flow.source], options[flow.sink]
        for i, here in enumerate(of[flow.source]):
            for j, there in enumerate(of[flow.sink]):
                flits = share(
                    flow.flits, a.column_tiles, a.row_tiles, i, b.column_tiles, b.row_tiles, j
                )
                if flits:
                    flows.append(Flow(here, there, flits))
    return singles, flows, of


def merged_plan(problem: Problem, chosen: Sequence[int], merge: bool = True) -> Plan:
    """Algorithm 2 (unless nothing is to merge) and `fill` for given options.

    It may take more cores than there are.
    """
    options = [problem.options[i][n] for i, n in enumerate(chosen)]
    singles, flows, of = singles_of(problem, options)
    group = merge_greedily(singles, flows if merge else (), problem.machine)
    core = fill(group, singles, problem.machine)
    return Plan(tuple(chosen), tuple(tuple(core[s] for s in mine) for mine in of))
