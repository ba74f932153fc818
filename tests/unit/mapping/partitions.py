"""Random questions about partitions, and answers measured without the package's own code."""

import random
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise, product
from math import floor

from elsac.mapping.partition import Flow, Layer, Machine, Option, Partition
from elsac.mapping.partition.model import BUSY_CYCLES_PER_FLIT, COPIED_BITS_PER_FLIT


def option(
    columns: int, rows: int, need: tuple[int, ...], cycles: int, circuits: int = 1
) -> Option:
    """An option on one PE per tile."""
    return Option(columns, rows, 1, 1, need, cycles, circuits)


def question(
    seed: int, layers: int, cores: int, most: int = 4, sharing: str = "time", groups: bool = False
) -> tuple[list[Layer], list[Flow], Machine]:
    """A chain of layers with some skips; each layer can be one tile, or more of smaller ones."""
    draw = random.Random(seed)
    every = []
    for i in range(layers):
        need = tuple(draw.randint(1000, 7000) for _ in range(3))
        cycles, circuits = draw.randint(100, 900), draw.randint(1, 6)
        options = [option(1, 1, need, cycles, circuits)]
        for _ in range(draw.randint(1, 3)):
            c, r = draw.choice([(2, 1), (1, 2), (2, 2), (1, 4), (4, 1)])
            if c * r <= most:
                weights, membranes, tracers = need
                small = (-(-weights // c), -(-membranes // (c * r)), -(-tracers // (c * r)))
                options.append(option(c, r, small, -(-cycles // r), -(-circuits // c)))
        every.append(Layer(f"layer{i}", tuple(options), 0 if groups and i % 2 else None))
    pairs = [(i, i + 1) for i in range(layers - 1)]
    pairs += [(i, i + 2) for i in range(layers - 2) if draw.random() < 0.5]
    flows = [Flow(a, b, draw.randint(1, 999), draw.randint(0, 1)) for a, b in pairs]
    machine = Machine(cores, (10000, 10000, 10000), 8, sharing)  # type: ignore[arg-type]
    return every, flows, machine


def pieces(flits: int, source: Option, sink: Option) -> dict[tuple[int, int], int]:
    """Flits by (tile of the source, tile of the sink): a row is cut at the borders of both, each
    cut into the source's columns; whole flits go to these pieces in turn.
    """
    cuts = sorted(
        {Fraction(i, source.row_tiles) for i in range(source.row_tiles + 1)}
        | {Fraction(i, sink.row_tiles) for i in range(sink.row_tiles + 1)}
    )
    got: dict[tuple[int, int], int] = {}
    done = Fraction(0)
    for low, high in pairwise(cuts):
        for column in range(source.column_tiles):
            piece = (high - low) / source.column_tiles * flits
            whole = floor(done + piece) - floor(done)
            done += piece
            i = floor(low * source.row_tiles) * source.column_tiles + column
            for to_column in range(sink.column_tiles):
                j = floor(low * sink.row_tiles) * sink.column_tiles + to_column
                got[i, j] = got.get((i, j), 0) + whole
    return got


class Answer:
    """Options and cores, measured."""

    def __init__(
        self,
        layers: Sequence[Layer],
        flows: Sequence[Flow],
        machine: Machine,
        options: Sequence[Option],
        cores: Sequence[Sequence[int]],
    ) -> None:
        used: dict[int, list[int]] = {}
        loads: dict[int, int] = {}
        circuits: dict[int, int] = {}
        for chosen, places in zip(options, cores, strict=True):
            for core in places:
                row = used.setdefault(core, [0] * len(machine.room))
                used[core] = [a + b for a, b in zip(row, chosen.need, strict=True)]
                loads[core] = loads.get(core, 0) + chosen.cycles
                circuits[core] = circuits.get(core, 0) + chosen.circuits
        space = machine.sharing == "space"
        self.fits = all(
            n <= r for row in used.values() for n, r in zip(row, machine.room, strict=True)
        ) and not (space and max(circuits.values()) > machine.circuits)
        self.bottleneck = max(o.cycles for o in options) if space else max(loads.values())
        self.crossing = sum(
            flits
            for flow in flows
            for (i, j), flits in pieces(
                flow.flits, options[flow.source], options[flow.sink]
            ).items()
            if cores[flow.source][i] != cores[flow.sink][j]
        )
        self.copies = sum((options[f.sink].row_tiles - 1) * f.halo for f in flows)
        for layer, chosen in zip(layers, options, strict=True):
            fitting = [
                o
                for o in layer.options
                if all(n <= r for n, r in zip(o.need, machine.room, strict=True))
            ]
            extra = held(chosen) - min(map(held, fitting))
            self.copies += -(-extra // COPIED_BITS_PER_FLIT)
            more = busy(chosen) - min(map(busy, fitting))
            self.copies += -(-more // BUSY_CYCLES_PER_FLIT)
        self.cores_used = len(used)
        groups: dict[int, set[int]] = {}
        for layer, chosen in zip(layers, options, strict=True):
            if layer.group is not None:
                groups.setdefault(layer.group, set()).add(chosen.row_tiles)
        self.groups_agree = all(len(rows) == 1 for rows in groups.values())

    @property
    def cost(self) -> int:
        """Flits between cores, of halos and of copies."""
        return self.crossing + self.copies


def busy(chosen: Option) -> int:
    """Cycles of all PEs with a part of a layer, each as busy as the busiest."""
    tiles = chosen.column_tiles * chosen.row_tiles
    return tiles * chosen.pe_columns * chosen.pe_rows * chosen.cycles


def held(chosen: Option) -> int:
    """Bits in all tiles of a layer."""
    tiles = chosen.column_tiles * chosen.row_tiles
    return tiles * chosen.pe_columns * chosen.pe_rows * sum(chosen.need)


def check(
    layers: Sequence[Layer], flows: Sequence[Flow], machine: Machine, result: Partition
) -> Answer:
    """Assert that an answer is one, and is what it says of itself."""
    assert len(result.options) == len(layers)
    assert all(o in layer.options for o, layer in zip(result.options, layers, strict=True))
    tiles = [(i, j) for i, o in enumerate(result.options) for j in range(o.tiles)]
    assert list(result.tiles) == tiles
    assert len(result.core) == len(tiles)
    first_uses = list(dict.fromkeys(result.core))
    assert first_uses == list(range(len(first_uses)))
    cores = [
        [core for (i, _), core in zip(tiles, result.core, strict=True) if i == layer]
        for layer in range(len(layers))
    ]
    answer = Answer(layers, flows, machine, result.options, cores)
    assert answer.fits
    assert answer.groups_agree
    assert len(first_uses) == result.cores_used == answer.cores_used <= machine.cores
    assert answer.bottleneck == result.bottleneck >= result.bound
    assert (answer.crossing, answer.copies) == (result.crossing, result.copies)
    return answer


def every_answer(layers: Sequence[Layer], flows: Sequence[Flow], machine: Machine) -> list[Answer]:
    """All answers to a tiny question, but for names of cores."""
    answers = []
    for options in product(*(layer.options for layer in layers)):
        counts = [o.column_tiles * o.row_tiles for o in options]
        for flat in product(range(machine.cores), repeat=sum(counts)):
            if flat[0]:
                break  # the first tile's core has a name: 0
            rest = list(flat)
            cores = [[rest.pop(0) for _ in range(count)] for count in counts]
            answer = Answer(layers, flows, machine, options, cores)
            if answer.fits and answer.groups_agree:
                answers.append(answer)
    return answers
