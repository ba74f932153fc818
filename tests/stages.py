"""Help for tests of the stages: programs that they run, how to compare, and how to force a way."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator import Fault, Image, Outcome, load_image, run_sample
from elsac.runtime.emulator.stages import fields as at
from elsac.runtime.emulator.stages import plan_of
from elsac.runtime.emulator.stages.layout import Plan
from elsac.runtime.packets import Bundle, Morphic, PacketFormat
from elsac.runtime.program import ALWAYS, NEVER, Program
from tests.programs import COUNT, FIVE, NEXT, SEND, Builder, Layer, Port, Word, window_pairs

Ints = NDArray[np.int64]
ALPHABETS = ("ternary", "floor", "nearest")
CODINGS = ("bitplane", "spikes")
PACKETS: tuple[PacketFormat, ...] = (
    FIVE,
    Bundle(flit_bits=48, destination=2, spine=8, position=7),
    Bundle(flit_bits=64, destination=2, spine=8, position=7, exponent=3, rice=1),
    Morphic(48, spine=8, position=8, sign=1, exponent=0, check=15, chip=4, core=2),
)
HUGE = 1 << 30
"""Runs of membranes that no spine feeds: every step with spikes then pays dense."""


# Comparison.


def facts(outcome: Outcome) -> dict[str, Any]:
    """All that an outcome says, by name, down to single numbers and arrays."""
    found: dict[str, Any] = {"tracers": outcome.tracers, "membranes": outcome.membranes}
    for entry in fields(outcome):
        if entry.name != "state":  # the two above
            found |= _flat(entry.name, getattr(outcome, entry.name))
    return found


def _flat(name: str, value: Any) -> dict[str, Any]:
    if is_dataclass(value):
        parts = {f"{name}.{f.name}": getattr(value, f.name) for f in fields(value)}
    elif isinstance(value, dict):
        parts = {f"{name}[{key}]": part for key, part in value.items()}
    else:
        return {name: value}
    return {key: leaf for part in parts for key, leaf in _flat(part, parts[part]).items()}


def unlike(one: Outcome | Fault, other: Outcome | Fault) -> list[str]:
    """Name everything in which two outcomes, or two faults, differ."""
    if isinstance(one, Fault) or isinstance(other, Fault):
        return [] if str(one) == str(other) else [f"{one!r} against {other!r}"]
    left, right = facts(one), facts(other)
    if left.keys() != right.keys():
        return sorted(left.keys() ^ right.keys())
    return [name for name in left if not np.array_equal(left[name], right[name])]


def same(one: Outcome | Fault, other: Outcome | Fault) -> None:
    """Two outcomes are the same to the last count, or two faults are."""
    assert not unlike(one, other)


def run(image: Image, inputs: Sequence[Any], engine: Any, **options: Any) -> Outcome | Fault:
    """Run a sample and keep all there is to know; or return the fault."""
    options = {"record": True, "activity": True} | options
    try:
        return run_sample(image, [np.asarray(a) for a in inputs], engine, **options)
    except Fault as fault:
        return fault


def check(
    program: Program, inputs: Sequence[Any], engine: Any = "machine", **options: Any
) -> Outcome:
    """The stages run a program as another engine does; return the outcome."""
    image = load_image(program)
    plan_of(image)  # or fail
    fast = run(image, inputs, "fast", **options)
    same(fast, run(load_image(program), inputs, engine, **options))
    assert isinstance(fast, Outcome)
    return fast


# Ways.


def links_in(plan: Plan) -> Iterator[int]:
    """Yield the address of each link in the tables of a plan."""
    tables = plan.tables
    for number in range(tables[at.GROUP_COUNT]):
        group = tables[at.GROUPS] + number * at.STAGE_WIDTH
        for link in range(tables[group + at.LINK_COUNT]):
            yield int(tables[group + at.FIRST_LINK] + link * at.LINK_WIDTH_OF_LINE)


def force(plan: Plan, dense: bool) -> int:
    """Let links run dense in every step with spikes, or never; return how many have the choice."""
    choices = 0
    for link in links_in(plan):
        place = int(plan.tables[link + at.DENSE])
        if place >= 0:
            choices += 1
            if dense:
                plan.tables[place + at.RUNS] = HUGE
            else:
                plan.tables[link + at.DENSE] = -1
    return choices


def forced(program: Program, dense: bool) -> Image:
    """An image of a program whose links run dense in every step, or never."""
    image = load_image(program)
    force(plan_of(image), dense)
    return image


# Programs.


def consumer(
    builder: Builder,
    source: Layer,
    work: list[Word],
    columns: int = 1,
    on_row: list[Word] | None = None,
    bits: int = 24,
    bounds: tuple[int, int] = (-8, 7),
) -> Layer:
    """Add a layer of one tile behind a layer of one, row to row; a readout without `on_row`."""
    shape = (source.height, source.width)
    layer = builder.layer(shape, columns, *bounds, lambda values: values[0])
    taps: Word = ("taps", {"window": builder.window(source, shape, 1, 1, 0, 1)})
    port = Port(source, [taps, *work, NEXT], [taps, COUNT, NEXT])
    builder.tile(layer, columns, on_row or [], [port], [1] * source.rows, bits)
    return layer


def acc(builder: Builder, weights: Any, shift: int = 0) -> Word:
    """A word that adds weights [taps][inputs][outputs], not in groups."""
    values = np.array(weights)
    return ("acc", {"weights": builder.weights(values, values.shape[1]), "shift": shift})


def joined(builder: Builder, sources: Sequence[Layer], columns: int, kernel: int = 3) -> Layer:
    """Add a convolution over the channels of several layers, with one weight segment for all."""
    first, pad = sources[0], kernel // 2
    shape, geometry = (first.height, first.width), (kernel, 1, pad, 1)
    inputs = sum(source.columns for source in sources)
    values = builder.rng.integers(-7, 8, (kernel * kernel, inputs, columns))
    work = acc(builder, values)
    taps: Word = ("taps", {"window": builder.window(first, shape, *geometry)})
    ports, base = [], 0
    for source in sources:
        ports.append(Port(source, [taps, work, NEXT], [taps, COUNT, NEXT], base))
        base += source.columns
    depends = np.zeros(first.rows, int)
    for row, _, _ in window_pairs(*shape, *shape, *geometry):
        depends[row] += len(sources)
    layer = builder.layer(shape, columns, 0, 7, lambda inputs_: inputs_[0])
    stairs = builder.staircase(builder._stairs(columns, 0, 7, 40, 1), 0)
    on_row: list[Word] = [("fire", {"stairs": stairs}), SEND]
    builder.tile(layer, columns, on_row, ports, depends.tolist(), 24)
    return layer


def scaled(program: Program, factor: int, rng: np.random.Generator) -> None:
    """Let all weights and thresholds of a program be larger, and some weights the extreme bytes."""
    program.weights *= factor
    if factor > 1:
        extremes = rng.random(len(program.weights)) < 0.1
        program.weights[extremes] = rng.choice([-128, 127], int(extremes.sum()))
    inside = (program.thresholds > ALWAYS) & (program.thresholds < NEVER)
    program.thresholds[inside] *= factor
    bits = program.threads["membrane_bits"]
    bits[bits > 0] = 48


def random_stages(seed: int, alphabet: str, coding: str, layers: int = 4) -> Builder:
    """Build a random graph of small layers of every kind that the stages run."""
    builder = Builder(alphabet, seed, packets=PACKETS[seed % len(PACKETS)])
    rng = np.random.default_rng([seed, 13])

    def pick(*options: int) -> int:
        return int(rng.choice(options))

    shape = (pick(3, 4, 5), pick(3, 4, 6))
    lo, tiles = pick(0, -8), pick(1, 1, 2)
    where: Any = {"tiles": tiles, "bands": pick(1, 1, 2, 3), "shuffled": bool(pick(0, 1))}
    builder.source(shape, pick(2, 3, 20, 67), lo, 7, coding, **where)
    if pick(0, 1):
        builder.source(shape, pick(1, 3), -3, 3, CODINGS[pick(0, 1)])
    for _ in range(layers):
        _any_layer(builder, pick)
    builder.conv(builder.layers[-1], 3, 1, 1, 0, fires=False)
    for layer in builder.layers:
        charged = builder.tables["threads"][layer.threads[0]]["membrane_bits"] > 0
        builder.read(layer, "charge" if charged else "tracer")
    return builder


def _any_layer(builder: Builder, pick: Any) -> None:
    last = builder.layers[-1]
    small = min(last.height, last.width)
    lo, hi, bands = pick(0, 0, -4), pick(3, 7, 15), pick(1, 1, 2, 3)
    tiles = min(pick(1, 1, 2), last.columns)
    like = [x for x in builder.layers if (x.height, x.width) == (last.height, last.width)]
    other = like[pick(*range(len(like)))]
    kind = pick(*range(10))
    if kind == 0 and small >= 2:
        builder.maxpool(last, 2, pick(1, 2), pick(0, 1), tiles, bands)
    elif kind == 1 and other.columns == last.columns:
        builder.total([last, other], lo, hi, 1, tiles, bands)
    elif kind == 2 and small >= 2:
        builder.total([last], lo, hi, 2)
    elif kind == 3 and last.columns + other.columns < 50:
        builder.concat([last, other])
    elif kind == 4:
        stride = pick(1, 2)
        builder.conv(last, last.columns, 3, stride, groups=last.columns, lo=lo, hi=hi, shift=stride)
    elif kind == 5 and last.columns % 2 == 0:
        builder.conv(last, pick(2, 4, 6), 3, groups=2, lo=lo, hi=hi)
    elif kind == 6 and last.height == last.width:  # fully connected
        builder.conv(last, pick(5, 70), small, 1, 0, lo=lo, hi=hi, tiles=tiles)
    elif kind == 7 and len(last.threads) == len(other.threads) == 1 and other is not last:
        joined(builder, [other, last], pick(3, 6))
    else:
        forms = [(3, 1, 1, 1), (3, 2, 1, 1), (1, 1, 0, 1), (3, 1, 2, 2), (2, 1, 1, 1), (3, 3, 2, 1)]
        kernel, stride, pad, dilation = forms[pick(*range(len(forms)))]
        builder.conv(
            *(last, pick(2, 5, 17, 66), kernel, stride, pad, dilation),
            **{"tiles": tiles, "bands": bands, "lo": lo, "hi": hi, "classes": pick(1, 3)},
        )
