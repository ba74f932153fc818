"""Products and functions of rows by hand, in all engines; what is refused, and what is a fault."""

from typing import Any

import numpy as np
import pytest

from elsac.runtime.assembly import assemble, disassemble
from elsac.runtime.container import from_bytes, to_bytes
from elsac.runtime.emulator import Fault, ImageError, Outcome, load_image, run_sample
from elsac.runtime.program import ALWAYS, NEVER, PRODUCT, Program
from tests.programs import SEND, Builder, Layer, Port, Word
from tests.programs_attention import AttentionBuilder, Tile, random_encoder

MATRIX = {
    **{"elementwise": 0, "heads": 1, "m": 2, "k": 2, "n": 2},
    **{"left_columns": 0, "left_transposed": 0, "right_columns": 0, "right_transposed": 0},
    **{"out_columns": 0, "left_bits": 8, "right_bits": 8},
}


@pytest.fixture(params=["interpreter", "fast", "machine"])
def engine(request: pytest.FixtureRequest) -> Any:
    return request.param


def run(builder: Builder, inputs: list[Any], engine: Any, **options: Any) -> Outcome:
    arrays = [np.array(values) for values in inputs]
    return run_sample(load_image(builder.program()), arrays, engine, record=True, **options)


def readout(
    builder: Builder,
    geometry: dict[str, int],
    sources: list[Layer],
    shape: tuple[int, int],
    depends: list[int],
    tile: Tile | None = None,
) -> Layer:
    """Add a product whose sums stay where they are."""
    layer = builder.layer((shape[0], 1), shape[1], 0, 1, lambda values: values[0])
    builder.read(layer, "charge")
    (first, stop), (start, last) = tile or ((0, shape[0]), (0, shape[1]))
    number = {"thread": len(builder.tables["threads"])}
    entry = number | geometry
    index = builder.add("products", tuple(entry[name] for name in PRODUCT.names or ()))
    operands = {"product": index, "base": 0}
    ports = [
        Port(source, [(side, operands)], [(end, operands)])
        for side, end, source in zip(("left", "right"), ("lcount", "rcount"), sources, strict=True)
    ]
    builder.tile(
        layer, last - start, [SEND], ports, depends, bits=16, base=start, band=(first, stop)
    )
    return layer


def test_a_product_adds_what_has_been_delivered(engine: Any) -> None:
    builder = Builder()
    left = builder.source((2, 1), 2, -8, 7, "spikes")
    right = builder.source((2, 1), 2, -8, 7, "spikes")
    readout(builder, MATRIX, [left, right], (2, 2), [3, 3])
    outcome = run(builder, [[[1, 2], [0, -1]], [[1, 0], [2, 1]]], engine)
    charges = outcome.records["charge", 2].tolist()
    # After the first step, left is [[1, 1], [0, -1]] and right [[1, 0], [1, 1]].
    assert charges == [[[2, 1], [-1, -1]], [[5, 2], [-2, -1]]]
    # Four and four spikes that feed two sums each.
    assert outcome.stats.sops.tolist() == [0, 0, 2 * (3 + 1 + 3 + 1)]
    # Packets of both, and ends, of all four spines; the quiet step has ends alone.
    assert outcome.stats.events.tolist()[2] == (4 + 4) + (2 + 4) + 4
    assert outcome.stats.undecided.tolist() == [0, 0, 0]


def test_both_factors_may_be_one_source(engine: Any) -> None:
    builder = Builder()
    source = builder.source((2, 1), 2, -8, 7, "bitplane")
    geometry = MATRIX | {"right_transposed": 1}
    readout(builder, geometry, [source, source], (2, 2), [3, 3])
    x = np.array([[3, -2], [5, 1]])
    outcome = run(builder, [x], engine)
    assert outcome.membranes.tolist() == (x @ x.T).ravel().tolist()


def test_a_tile_holds_its_own_rows_and_columns(engine: Any) -> None:
    """Two heads whose sums lie side by side: the tile has row 1 and columns 1 and 2 of 4."""
    builder = Builder()
    left = builder.source((4, 1), 2, -8, 7, "bitplane")
    right = builder.source((2, 1), 4, -8, 7, "bitplane")
    geometry = MATRIX | {"heads": 2, "right_columns": 1, "out_columns": 1}
    # Left spines 1 and 3 feed the row, both of the right do.
    readout(builder, geometry, [left, right], (2, 4), [4], ((1, 2), (1, 3)))
    program = builder.program()
    x, y = np.arange(8).reshape(4, 2) - 3, np.arange(8).reshape(2, 4) - 4
    image = load_image(_whole(program))
    outcome = run_sample(image, [x, y], engine)
    heads = [x[2 * g : 2 * g + 2] @ y[:, 2 * g : 2 * g + 2] for g in (0, 1)]
    assert outcome.membranes.tolist() == [heads[0][1, 1], heads[1][1, 0]]


def _whole(program: Program) -> Program:
    """Take the readings away: they want all tiles of a layer."""
    program.bindings |= {"readings": [], "values": []}
    return program


@pytest.mark.parametrize(("across", "down"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_one_row_or_column_multiplies_all(engine: Any, across: int, down: int) -> None:
    builder = Builder()
    left = builder.source((2, 1), 3, -8, 7, "bitplane")
    right = builder.source((1 if down else 2, 1), 1 if across else 3, -8, 7, "bitplane")
    geometry = MATRIX | {"elementwise": 1, "k": 0, "n": 3}
    geometry |= {"right_columns": across, "right_transposed": down}
    readout(builder, geometry, [left, right], (2, 3), [2, 2])
    x = np.array([[1, -2, 3], [4, -5, 6]])
    y = np.array([[2, -1, 3], [-3, 1, 2]])[: 1 if down else 2, : 1 if across else 3]
    outcome = run(builder, [x, y], engine)
    assert outcome.membranes.tolist() == (x * y).ravel().tolist()


def follower(
    builder: Builder, word: Word, columns: int, bounds: tuple[int, int], rows: int = 1
) -> Layer:
    """Add a layer that follows a function of its input, one source of `rows`."""
    source = builder.source((rows, 1), columns, -128, 127, "analog")
    layer = builder.layer((rows, 1), columns, *bounds, lambda values: values[0])
    ones = builder.constants([1] * columns, 0)
    window = builder.window(source, (rows, 1), 1, 1, 0, 1)
    taps: Word = ("taps", {"window": window})
    port = Port(
        source,
        [taps, ("add", {"constants": ones}), ("next", {})],
        [taps, ("count", {}), ("next", {})],
    )
    builder.tile(layer, columns, [word, SEND], [port], [1] * rows, bits=12)
    builder.read(layer, "tracer")
    return layer


def softmax(builder: Builder, absent: list[int] | None = None, bits: int = 4) -> Word:
    """Powers of two: e = 2**(bits - d), levels in 1/8."""
    at = builder.add("exponentials", *(1 << (bits - d) for d in range(bits + 1)))
    gone = -1 if absent is None else builder.add("absent", *absent)
    return ("softmax", {"softmax": builder.add("softmaxes", (at, bits + 1, 3, 1, gone, 1, -1))})


def test_softmax_fires_in_every_step(engine: Any) -> None:
    """Without any charge all levels are 8 / 4; the row follows before anything arrives."""
    builder = Builder()
    follower(builder, softmax(builder, bits=20), 4, (0, 15))
    silent = run(builder, [[[0, 0, 0, 0]]], engine)
    assert silent.records["tracer", 1][:, 0].tolist() == [[1] * 4, [2] * 4]
    assert silent.terminal
    # 8/15 of 8 is 4.3, 4/15 of 8 is 2.1, 1.07, 0.53
    outcome = run(builder, [[[3, 2, 1, 0]]], engine)
    assert outcome.tracers[4:].tolist() == [4, 2, 1, 1]
    assert outcome.stats.undecided.tolist() == [0, 0]


def test_softmax_leaves_elements_out(engine: Any) -> None:
    builder = Builder()
    follower(builder, softmax(builder, [0, 1, 0, 1], bits=20), 4, (0, 15))
    outcome = run(builder, [[[2, 9, 2, 0]]], engine)
    assert outcome.tracers[4:].tolist() == [4, 0, 4, 0]


def test_undecided_rows_are_those_of_the_last_step(engine: Any) -> None:
    """The last of e = 8, 4, 2, 1 is good for half to three halves of it."""
    builder = Builder()
    follower(builder, softmax(builder, bits=3), 4, (0, 15), rows=2)
    outcome = run(builder, [[[3, 2, 1, 0], [0, 0, 0, 0]]], engine)
    assert outcome.stats.undecided.tolist() == [0, 1]


def test_norm_follows_the_normalized_row(engine: Any) -> None:
    builder = Builder()
    # N of (1, 2, 3, -6) is 4 times each, W = 4 * 50; thresholds in 1/16 of N / sqrt(W).
    edges = [[ALWAYS, 4, 5, NEVER], [0, 9, 9, 10], [-13, -12, 13, 14], [-27, 27, 28, NEVER]]
    offset = builder.add("thresholds", *np.ravel(edges).tolist())
    signs = builder.add("weights", 1, 1, -1, -1)
    word: Word = (
        "norm",
        {"norm": builder.add("norms", (offset, signs, 4, -1, 4, 4, 0, 30, 0))},
    )
    follower(builder, word, 4, (-1, 3))
    # 16 N / sqrt(W) = 4.5, 9.05, 13.6, -27.2: signs make -13.6 and 27.2 of the last two.
    outcome = run(builder, [[[1, 2, 3, -6]]], engine)
    assert outcome.tracers[4:].tolist() == [1, 2, -1, 1]


def test_curve_jumps_between_levels(engine: Any) -> None:
    builder = Builder()
    offset = builder.add("thresholds", -3, 0, 5, -3, 1, 1)
    at = builder.add("levels", 2, -2, 0, 7)
    word: Word = ("curve", {"curve": builder.add("curves", (offset, 1, 2, 3, -1, at))})
    layer = follower(builder, word, 2, (-2, 7))
    for charges, levels in (
        ([-4, -4], [2, 2]),
        ([-3, 0], [-2, -2]),
        ([0, 1], [0, 7]),
        ([5, 99], [7, 7]),
    ):
        outcome = run(builder, [[charges]], engine)
        assert outcome.records["tracer", layer.threads[0]][-1, 0].tolist() == levels


def test_a_delivered_tracer_never_wraps() -> None:
    """Spikes that the source takes back without sending it move the copy for ever."""
    builder = Builder()
    left = builder.layer((1, 1), 1, 0, 1, lambda values: values[0])
    up, down = (builder.staircase(np.array([[[edge]]]), 0) for edge in (ALWAYS, NEVER))
    on_row: list[Word] = [("fire", {"stairs": up}), SEND, ("fire", {"stairs": down})]
    builder.tile(left, 1, on_row, bits=2)
    right = builder.source((1, 1), 1, 0, 1, "spikes")
    one = MATRIX | {"m": 1, "k": 1, "n": 1, "left_bits": 3, "right_bits": 2}
    readout(builder, one, [left, right], (1, 1), [2])
    for name in ("interpreter", "machine", "fast"):
        with pytest.raises(Fault, match="tracer overflow: thread 2, row 0, column 0"):
            run(builder, [[[0]]], name, max_steps=9)
        assert not run(builder, [[[0]]], name, max_steps=3).terminal


def test_programs_survive_the_file_and_the_text() -> None:
    program = random_encoder(4).program()
    data = to_bytes(program)
    assert to_bytes(from_bytes(data)) == data
    assert to_bytes(assemble(disassemble(program))) == data


def subject() -> AttentionBuilder:
    """One product with a softmax, one with a norm, one with a curve, each in one tile."""
    builder = AttentionBuilder(seed=1)
    x = builder.source((2, 1), 2, -8, 7, "bitplane")
    whole = [((0, 2), (0, 2))]
    scores = builder.product(x, x, MATRIX | {"right_transposed": 1}, "softmax", 0, 15, whole)
    mixed = builder.product(scores, x, MATRIX, "curve", -4, 4, whole)
    builder.product(mixed, x, MATRIX | {"elementwise": 1, "k": 0}, "norm", -4, 4, whole)
    return builder


def field(table: str, name: str, value: int, index: int = 0) -> Any:
    def change(program: Any) -> None:
        getattr(program, table)[name][index] = value

    return change


def both(one: Any, other: Any) -> Any:
    def change(program: Any) -> None:
        one(program)
        other(program)

    return change


def entry(table: str, value: int, index: int = 0) -> Any:
    def change(program: Any) -> None:
        getattr(program, table)[index] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (field("products", "thread", 9), "product 0: thread: 1 entries from 9 on"),
        (field("products", "thread", 2), "the product's thread: 2, but the thread: 1"),
        (field("products", "left_columns", 2), "left_columns is 2; expected 0 or 1"),
        (field("products", "right_bits", 33), "right_bits is 33; expected 1..32"),
        (field("products", "left_bits", 4), None),
        (field("products", "left_bits", 3), "tracers in -8..7 do not fit 3 bits"),
        (field("products", "k", 0), "a matrix is empty: sizes [1, 2, 0, 2]"),
        (field("products", "k", 1), "the columns 0 to 2 of a factor of 1"),
        (field("products", "m", 1), "1x2 sums, but layer1 (thread 1) holds up to row 2"),
        (field("products", "heads", 1 << 28), "are too large"),
        (field("products", "k", 3, 2), "an element-wise product has 1 head and k = 0"),
        (field("ports", "column_base", -1), "the columns -1 to 1 of a factor of 2"),
        (field("ports", "on_spikes", 0, 1), "may not stand in this handler"),
        (field("softmaxes", "multiplier", 0), "softmax 0: the scale is 0"),
        (entry("exponentials", 1 << 61), "2 columns needs sums of 64 bits; at most 62"),
        (
            both(entry("exponentials", 1 << 59), field("softmaxes", "multiplier", 1 << 61)),
            "needs numbers of 127 bits; at most 124 are possible",
        ),
        (field("softmaxes", "entries", 0), "no exponentials"),
        (field("softmaxes", "entries", 1 << 20), "do not lie inside a table"),
        (field("softmaxes", "absent", 1 << 20), "absent elements: 4 entries from"),
        (field("softmaxes", "row_class", 1 << 20), "the softmax's classes of 2 rows leave"),
        (entry("exponentials", 0), "or the first is not above 0"),
        (entry("exponentials", -1, 1), "an exponential is negative"),
        (field("norms", "columns", 1), "the norm's columns: 1, but the thread's columns: 2"),
        (field("norms", "lo", -3), "the norm's lo: -3, but the thread's: -4"),
        (field("norms", "levels", 1), "the norm's levels: 1, but the thread's hi - lo: 8"),
        (field("norms", "fraction", 63), "fraction is 63; expected 0..62"),
        (field("norms", "fraction", 62), "leave no room"),
        (field("norms", "epsilon", -1), "epsilon is -1"),
        (field("norms", "rms", 2), "rms is 2; expected 0 or 1"),
        (field("threads", "membrane_bits", 0, 1), "'softmax' in a thread without membranes"),
        (field("threads", "membrane_bits", 61, 3), "the numbers of a norm need 63 bits"),
        (field("curves", "columns", 1), "the curve's columns: 1, but the thread's columns: 2"),
        (field("curves", "pieces", 1 << 20), "do not lie inside a table"),
        (field("curves", "classes", 1), None),
        (field("curves", "row_class", -2), "no classes for the rows"),
        (entry("levels", 5), "a level of the curve leaves -4..4"),
    ],
)
def test_wrong_tables_are_refused(change: Any, message: str | None) -> None:
    program = subject().program()
    program.row_classes[:] = 0
    load_image(program)
    change(program)
    if message is None:
        load_image(program)
        return
    with pytest.raises(ImageError) as caught:
        load_image(program)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "first", "values", "message"),
    [
        ("norms", "offset", [3, 2], "norm 0: its thresholds decrease"),
        ("norms", "offset", [-(1 << 62)], "its thresholds leave"),
        ("curves", "offset", [99, 98], "curve 0: its breakpoints decrease"),
    ],
)
def test_wrong_thresholds_are_refused(
    table: str, first: str, values: list[int], message: str
) -> None:
    program = subject().program()
    at = int(getattr(program, table)[first][0])
    program.thresholds[at : at + len(values)] = values
    with pytest.raises(ImageError, match=message):
        load_image(program)


def test_a_sign_is_a_sign() -> None:
    program = subject().program()
    program.weights[int(program.norms["signs"][0])] = 2
    with pytest.raises(ImageError, match="a sign is none of -1, 0, 1"):
        load_image(program)


def test_every_factor_has_one_port_for_each_element() -> None:
    builder = subject()
    program = builder.program()
    code = int(program.ports["on_spikes"][1])
    left = int(program.ports["on_spikes"][0])
    program.code[code] = program.code[left]
    with pytest.raises(ImageError, match="another port delivers a part of this left factor"):
        load_image(program)
    program.ports["stop"][1] = 0
    with pytest.raises(
        ImageError, match=r"layer1 \(thread 1\): product 0 has no port for its right"
    ):
        load_image(program)
