"""Programs that the stages leave to the virtual machine: why, and that they run all the same."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from elsac.runtime.emulator import Fault, fallback, load_image
from elsac.runtime.emulator.stages import NoStages, Stages, plan_of
from tests.programs import COUNT, NEXT, SEND, Builder, Layer, Port, Word
from tests.stages import acc, consumer, run, same

INJECT: Word = ("inject", {})


def source(builder: Builder, columns: int = 2, hi: int = 7) -> Layer:
    return builder.source((2, 2), columns, -8, hi, "spikes")


def taps(builder: Builder, layer: Layer, kernel: int = 1, pad: int = 0) -> Word:
    shape = (layer.height, layer.width)
    return ("taps", {"window": builder.window(layer, shape, kernel, 1, pad, 1)})


def eye(builder: Builder, columns: int = 2) -> Word:
    return acc(builder, [np.eye(columns, dtype=int)])


def stairs(builder: Builder, columns: int = 2) -> Word:
    values = np.tile(np.arange(-7, 8), (1, columns, 1))
    return ("fire", {"stairs": builder.staircase(values, -8)})


def reader(
    builder: Builder,
    on_row: list[Word],
    ports: list[Port],
    depends: int = 1,
    columns: int = 2,
    bits: int = 30,
    **options: Any,
) -> None:
    """Add a layer of one tile and of 2x2 rows, each of which waits for so many spines."""
    layer = builder.layer((2, 2), columns, -8, 7, lambda values: values[0])
    builder.tile(layer, columns, on_row, ports, [depends] * 4, bits, **options)


# What threads do.


def analog(b: Builder) -> None:
    b.source((2, 2), 2, -8, 7, "analog")


def silent_fire(b: Builder) -> None:
    consumer(b, source(b), [eye(b)], 2, [stairs(b)])


def send_before(b: Builder) -> None:
    b.inputs.append({"name": "x", "lo": -8, "hi": 7, "coding": "spikes"})
    layer = b.layer((2, 2), 2, -8, 7, lambda values: values[0])
    b.tile(layer, 2, [SEND, INJECT], source=0)


def fire_twice(b: Builder) -> None:
    consumer(b, source(b), [eye(b)], 2, [stairs(b), stairs(b), SEND])


def max_of_sums(b: Builder) -> None:
    x = source(b)
    window = taps(b, x)
    on_row: list[Word] = [("max", window[1]), SEND]
    ports = [
        Port(x, [("trace", {"base": 0})], [window, COUNT, NEXT]),
        Port(x, [window, eye(b), NEXT], [window, COUNT, NEXT]),
    ]
    reader(b, on_row, ports, 2, copy=(4, 2))


def two_words_in_a_loop(b: Builder) -> None:
    add: Word = ("add", {"constants": b.constants([3, 4], 0)})
    consumer(b, source(b), [eye(b), add], 2, [stairs(b), SEND])


def two_loops(b: Builder) -> None:
    x = source(b)
    window, work = taps(b, x), eye(b)
    on_spikes = [window, work, NEXT, window, work, NEXT]
    reader(b, [stairs(b), SEND], [Port(x, on_spikes, [window, COUNT, NEXT])])


def two_counts(b: Builder) -> None:
    x = source(b)
    window = taps(b, x)
    on_end = [window, COUNT, NEXT, window, COUNT, NEXT]
    reader(b, [stairs(b), SEND], [Port(x, [window, eye(b), NEXT], on_end)], 2)


# When rows run.


def too_few_counts(b: Builder) -> None:
    x = source(b)
    window = taps(b, x)
    reader(b, [stairs(b), SEND], [Port(x, [window, eye(b), NEXT], [window, COUNT, NEXT])], 2)


def too_many_counts(b: Builder) -> None:
    x = source(b)
    window = taps(b, x)
    ports = [Port(x, [window, eye(b), NEXT], [window, COUNT, NEXT]) for _ in range(2)]
    reader(b, [stairs(b), SEND], ports, 1)


def unused_copy(b: Builder) -> None:
    x = source(b)
    window = taps(b, x)
    ports = [
        Port(x, [("trace", {"base": 1})], [window, COUNT, NEXT]),
        Port(x, [window, eye(b), NEXT], [window, COUNT, NEXT]),
    ]
    reader(b, [stairs(b), SEND], ports, 2, copy=(4, 2))


def fed_too_late(b: Builder) -> None:
    """Rows that wait for nothing spike before what feeds them: a step later than others."""
    x = source(b)
    reader(b, [stairs(b), SEND], [Port(x, [taps(b, x), eye(b), NEXT], [])], 0)


def fed_by_others(b: Builder) -> None:
    """Rows wait for their own spine, and hear their neighbours' as well."""
    x = source(b)
    work = acc(b, b.rng.integers(-7, 8, (9, 2, 2)))
    on_spikes = [taps(b, x, 3, 1), work, NEXT]
    reader(b, [stairs(b), SEND], [Port(x, on_spikes, [taps(b, x), COUNT, NEXT])])


def copied_too_late(b: Builder) -> None:
    x = source(b)
    on_row: list[Word] = [("max", taps(b, x, 3, 1)[1]), SEND]
    ports = [Port(x, [("trace", {"base": 0})], [taps(b, x), COUNT, NEXT])]
    reader(b, on_row, ports, bits=0, copy=(4, 2))


# What they hear.


def copies_by_a_map(b: Builder) -> None:
    x = source(b)
    index = b.map(4, 2, {(s, 0): [(s, 0)] for s in range(4)})
    on_row: list[Word] = [("max", taps(b, x)[1]), SEND]
    ports = [Port(x, [("trace", {"base": 0})], [("scount", {"map": index})])]
    reader(b, on_row, ports, bits=0, copy=(4, 2))


def lines_twice(b: Builder) -> None:
    x = source(b)
    work = acc(b, b.rng.integers(-7, 8, (9, 2, 2)))
    shape, ports = (2, 2), []
    for lift in (0, 1):
        number = b.window(x, shape, 3, 1, 1, 1)
        window = list(b.tables["windows"][number])
        window[8] += lift
        b.tables["windows"][number] = tuple(window)
        loop: Word = ("taps", {"window": number})
        ports.append(Port(x, [loop, work, NEXT], [taps(b, x), COUNT, NEXT]))
        ports[-1].on_end = [loop, COUNT, NEXT]
    layer = b.layer(shape, 2, -8, 7, lambda values: values[0])
    # All four rows hear four spines at the upper place; at the lower one, those of line 1 two.
    b.tile(layer, 2, [stairs(b), SEND], ports, [6, 6, 8, 8], 30)


def channels_twice(b: Builder) -> None:
    x = source(b)
    window, work = taps(b, x), acc(b, b.rng.integers(-7, 8, (1, 3, 2)))
    ports = [Port(x, [window, work, NEXT], [window, COUNT, NEXT], base) for base in (0, 1)]
    reader(b, [stairs(b), SEND], ports, 2)


# What they hold.


def narrow_membranes(b: Builder) -> None:
    consumer(b, source(b), [acc(b, [[[1, 1], [1, 1]]])], 2, [stairs(b), SEND], bits=4)


def wide_membranes(b: Builder) -> None:
    consumer(b, source(b), [acc(b, [[[1, 0], [-1, 2]]], 29)], 2, [stairs(b), SEND], bits=40)


def far_shifts(b: Builder) -> None:
    consumer(b, source(b), [acc(b, [[[0, 0], [0, 0]]], 29)], 2, [stairs(b), SEND], bits=40)


def large_tracers(b: Builder) -> None:
    source(b, hi=1 << 15)


CASES: dict[Callable[[Builder], None], str] = {
    analog: "an input is sent in analog form",
    silent_fire: "thread 1: on row it does fire",
    send_before: "thread 0: on row it does send, inject",
    fire_twice: "thread 1: on row it does fire, fire, send",
    max_of_sums: "thread 1: 'max' beside sums",
    two_words_in_a_loop: "thread 1: port 0 does taps, acc, add, next on spikes",
    two_loops: "thread 1: port 0 does taps, acc, next, taps, acc, next on spikes",
    two_counts: "thread 1: port 0 does taps, count, next, taps, count, next at the end of a spine",
    too_few_counts: "thread 1: a row does not wait for all that counts it down",
    too_many_counts: "thread 1: a row does not wait for all that counts it down",
    unused_copy: "thread 1: it copies tracers that it does not use",
    fed_too_late: "thread 1: port 0 feeds rows without a count",
    fed_by_others: "thread 1: port 0 feeds rows without a count",
    copied_too_late: "thread 1: port 0 feeds rows without a count",
    copies_by_a_map: "thread 1: port 0 brings spikes that count no rows",
    lines_twice: "port 1 brings lines that another one brings",
    channels_twice: "port 1 brings channels that another one brings",
    narrow_membranes: "thread 1: charges are not proved to fit 4 bits",
    wide_membranes: "thread 1: charges of 3[45] bits",
    far_shifts: "thread 1: spikes are shifted by 32 bits",
    large_tracers: "thread 0: tracers of more than 16 bits",
}


@pytest.mark.parametrize("alphabet", ["ternary", "nearest"])
@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_other_programs_run_on_the_machine(make: Callable[[Builder], None], alphabet: str) -> None:
    builder = Builder(alphabet)
    make(builder)
    image = load_image(builder.program())
    with pytest.raises(NoStages, match=CASES[make]):
        plan_of(image)
    for seed in range(3):
        inputs = [np.clip(a, -8, 7) for a in builder.samples(np.random.default_rng(seed))]
        options = {"max_steps": 30}  # what is fed too late may go on beyond the rest of its sources
        outcome = run(image, inputs, "fast", **options)
        same(outcome, run(image, inputs, "interpreter", **options))
        same(outcome, run(image, inputs, "machine", **options))
    reason = fallback(image)
    assert reason is not None and re.search(CASES[make].partition(": ")[2] or CASES[make], reason)
    # Threads and ports are no words of the user's.
    assert "thread" not in reason and not reason.startswith("port")
    faulty = make in (too_few_counts, too_many_counts)
    assert faulty == isinstance(outcome, Fault) or make is narrow_membranes


def test_random_orders_run_on_the_machine() -> None:
    builder = Builder()
    builder.conv(builder.source((3, 3), 20, -8, 7, "bitplane"), 3, lo=-4)
    image, inputs = load_image(builder.program()), builder.samples(np.random.default_rng(0))
    plan_of(image)
    with pytest.raises(NoStages, match="random order"):
        Stages(image, inputs, 1)
    same(run(image, inputs, "fast", jitter=1), run(image, inputs, "interpreter", jitter=1))
    assert fallback(image, 1) == "events come in a random order"
    assert fallback(image) is None


def test_refusals_are_remembered() -> None:
    builder = Builder()
    analog(builder)
    image = load_image(builder.program())
    for _ in range(2):
        with pytest.raises(NoStages, match="analog"):
            plan_of(image)
