"""Column tiles of one layer, put together again.

Tiles that hold the same rows of a layer and its neighbouring columns hear the same spikes. As one
group they keep their membranes in common rows, so that one long weight row serves them all. What
they send, and what is counted, stays each tile's own.
"""

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from elsac.runtime.emulator.stages.factors import Product, product_key, product_of, products_of
from elsac.runtime.emulator.stages.links import Link, links_of
from elsac.runtime.emulator.stages.shape import NONE, Stage
from elsac.runtime.program import Program


@dataclass(frozen=True)
class Heard:
    """A link of a group: that of one tile, or the same one of all tiles."""

    link: Link
    operands: tuple[int, ...]
    """Of the link's kind, tile by tile."""
    offset: int
    """The group's column that is column 0 of the first operand."""
    columns: int
    """Columns of all operands."""


@dataclass(frozen=True)
class Group:
    """Stages that run as one, their columns side by side."""

    stages: tuple[Stage, ...]
    offsets: tuple[int, ...]
    """Of the first membrane of each."""
    columns: int
    heard: tuple[Heard, ...]
    product: Product | None = None
    """Whose sums the stages hold, if they do; then they need not stand side by side."""


def groups_of(program: Program, stages: list[Stage]) -> list[Group]:
    """Put stages together and return the groups in an order in which they may run."""
    tiles: dict[tuple[object, ...], list[Stage]] = {}
    for stage in stages:
        tiles.setdefault(_key(program, stage), []).append(stage)
    runs = [run for same in tiles.values() for run in _runs(program, same)]
    try:
        return [_group(program, run) for run in _ordered(runs)]
    except CycleError:
        return [_group(program, [stage]) for stage in stages]


def _runs(program: Program, stages: list[Stage]) -> list[list[Stage]]:
    if stages[0].product != NONE:
        return products_of(program, stages)
    return _neighbours(program, stages)


def _key(program: Program, stage: Stage) -> tuple[object, ...]:
    thread = program.threads[stage.thread]
    if stage.product != NONE:
        return product_key(program, stage)
    copies = any(p.kind in ("trace", "scat") for p in stage.ports)
    if stage.kind not in ("fire", "curve", "") or copies:
        return (stage.thread,)
    return (stage.kind, *(int(thread[n]) for n in ("layer", "row_base", "rows")))


def _neighbours(program: Program, stages: list[Stage]) -> list[list[Stage]]:
    """Cut stages with the same rows into runs of neighbouring columns."""
    runs: list[list[Stage]] = []
    threads, end = program.threads, NONE
    for stage in sorted(stages, key=lambda s: int(threads["column_base"][s.thread])):
        first = int(threads["column_base"][stage.thread])
        if not runs or first != end:
            runs.append([stage])
        else:
            runs[-1].append(stage)
        end = first + int(threads["columns"][stage.thread])
    return runs


def _ordered(runs: list[list[Stage]]) -> list[list[Stage]]:
    """Sort runs so that each comes after those that it hears; raise `CycleError`."""
    run_of = {stage.thread: number for number, run in enumerate(runs) for stage in run}
    sorter: TopologicalSorter[int] = TopologicalSorter()
    for number, run in enumerate(runs):
        sorter.add(number, *(run_of[p.source] for stage in run for p in stage.ports))
    return [runs[number] for number in sorter.static_order()]


def _group(program: Program, stages: list[Stage]) -> Group:
    if stages[0].product != NONE:
        product = product_of(program, stages)
        firsts = tuple(row * product.shape[1] + column for row, column in product.corners)
        return Group(tuple(stages), firsts, product.shape[1], (), product)
    columns = [int(program.threads["columns"][stage.thread]) for stage in stages]
    offsets = [sum(columns[:i]) for i in range(len(columns))]
    common: dict[tuple[object, ...], list[tuple[int, Link]]] = {}
    for number, stage in enumerate(stages):
        for place, link in enumerate(links_of(program, stage)):
            common.setdefault(_sameness(program, link, (number, place)), []).append((number, link))
    heard = []
    for tiles in common.values():
        if [number for number, _ in tiles] == list(range(len(stages))):
            operands = tuple(link.operand for _, link in tiles)
            heard.append(Heard(tiles[0][1], operands, 0, sum(columns)))
        else:
            heard += [
                Heard(link, (link.operand,), offsets[number], columns[number])
                for number, link in tiles
            ]
    return Group(tuple(stages), tuple(offsets), sum(columns), tuple(heard))


def _sameness(program: Program, link: Link, else_where: tuple[int, int]) -> tuple[object, ...]:
    """Return what links of several tiles must share to be one: all but the weights."""
    if link.kind != "acc":
        return else_where
    entry = program.weight_segments[link.operand]
    inputs, per_group = int(entry["inputs"]), int(entry["inputs_per_group"])
    if per_group != inputs:
        return else_where
    bands = tuple(
        (b.top, b.lines, tuple((p.source, p.first, p.stop, p.column_base) for p in b.ports))
        for b in link.bands
    )
    low = int(entry["first_input"])
    return (link.shift, low, inputs, link.vertical, link.horizontal, bands)
