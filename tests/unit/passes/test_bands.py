"""What a band of lines needs of its input, and its own window, against loops over every tap."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp, SymbolRefAttr
from xdsl.ir import SSAValue
from xdsl.utils.test_value import create_ssa_value

from elsac.context import Blobs
from elsac.dialects import spiking, token
from elsac.dialects.net import WindowAttr, int_attr
from elsac.dialects.products import ElementwiseAttr
from elsac.passes.bands import Range, Reading, cuts, cuttable, lines_of, local, reading, touched
from elsac.store import WeightStore

Pair = tuple[int, int, tuple[int, int]]
"""(spine, row, tap): one use of an input spine."""


def line_maps() -> Iterator[token.MapAttr]:
    """Every small geometry of lines, on maps one spine wide."""
    sizes = product(range(1, 8), (1, 2, 3), (1, 2, 3), (0, 1, 2), (0, 1, 2), (1, 2, 3))
    for height, kernel, stride, top, bottom, dilation in sizes:
        window = WindowAttr((kernel, 1), (stride, 1), (top, 0, bottom, 0), (dilation, 1))
        lines, _ = window.output(height, 1)
        if lines > 0:
            yield token.MapAttr((height, 1), (lines, 1), window)


def bands(lines: int) -> Iterator[Range]:
    """Every band of so many lines."""
    return ((first, stop) for first in range(lines) for stop in range(first + 1, lines + 1))


def taps(map: token.MapAttr, band: Range) -> list[int]:
    """The lines that the taps of some output lines lie on, those in the padding included."""
    (kernel, _), (stride, _), (top, _, _, _), (dilation, _) = map.window.values
    return [o * stride - top + k * dilation for o in range(*band) for k in range(kernel)]


def pairs(map: token.MapAttr) -> set[Pair]:
    """Every use of a spine by a row, as the definition of a window has it."""
    (height, width), (out_height, out_width) = map.sizes
    (kh, kw), (sh, sw), (top, left, _, _), (dh, dw) = map.window.values
    found = set()
    for oy, ox, ky, kx in product(range(out_height), range(out_width), range(kh), range(kw)):
        y, x = oy * sh - top + ky * dh, ox * sw - left + kx * dw
        if 0 <= y < height and 0 <= x < width:
            found.add((y * width + x, oy * out_width + ox, (ky, kx)))
    return found


def test_touched_is_the_hull_of_the_taps() -> None:
    """From the first tap to the last, and of that what lies in the map."""
    checked = 0
    for map in line_maps():
        height = map.sizes[0][0]
        for band in bands(map.sizes[1][0]):
            lines = taps(map, band)
            hull = range(max(min(lines), 0), min(max(lines) + 1, height))
            assert range(*touched(map, band)) == hull, (map, band)
            checked += 1
    assert checked > 10_000


def test_touched_holds_all_that_is_read_and_no_more_if_windows_have_no_gaps() -> None:
    """Gaps between taps (dilation, a stride past the kernel) may lie at the border of the map. Then
    the hull may begin or end with a line that no tap reads.
    """
    for map in line_maps():
        height = map.sizes[0][0]
        (kernel, _), (stride, _), _, (dilation, _) = map.window.values
        for band in bands(map.sizes[1][0]):
            read = {line for line in taps(map, band) if 0 <= line < height}
            touches = set(range(*touched(map, band)))
            assert read <= touches
            if dilation == 1 and stride <= kernel:
                assert read == touches, (map, band)


@pytest.mark.parametrize(
    ("height", "window", "band", "lines"),
    [
        # A 3x3 convolution has a halo of one line on either side, and none beyond the border.
        (8, WindowAttr((3, 3), (1, 1), (1, 1, 1, 1)), (0, 4), (0, 5)),
        (8, WindowAttr((3, 3), (1, 1), (1, 1, 1, 1)), (4, 8), (3, 8)),
        # With stride 2, a line of outputs moves on by two lines of inputs.
        (8, WindowAttr((3, 3), (2, 2), (1, 1, 0, 0)), (2, 4), (3, 8)),
        # Pools without overlap have no halo.
        (8, WindowAttr((2, 2), (2, 2)), (1, 3), (2, 6)),
        # Taps 3 lines apart: from line 1 to line 1 + 6.
        (8, WindowAttr((3, 3), (1, 1), (0, 0, 0, 0), (3, 3)), (1, 2), (1, 8)),
        # A line of nothing but padding.
        (8, WindowAttr((1, 1), (1, 1), (2, 0, 2, 0)), (0, 2), (0, 0)),
        (8, WindowAttr((1, 1), (1, 1), (2, 0, 3, 0)), (11, 13), (8, 8)),
    ],
)
def test_touched_by_hand(height: int, window: WindowAttr, band: Range, lines: Range) -> None:
    map = token.MapAttr((height, height), window.output(height, height), window)
    assert touched(map, band) == lines


WINDOWS = [
    WindowAttr(kernel, stride, pads, dilation)
    for kernel, stride, pads, dilation in product(
        ((1, 1), (2, 3), (3, 2)),
        ((1, 1), (2, 1), (3, 2)),
        ((0, 0, 0, 0), (1, 1, 1, 1), (2, 0, 1, 2)),
        ((1, 1), (2, 1)),
    )
]


@pytest.mark.parametrize("size", [(4, 3), (5, 2)])
def test_local_windows_are_the_window_of_the_map(size: tuple[int, int]) -> None:
    """For all bands of inputs and outputs: the same (spine, row, tap), counted from the bands."""
    checked = 0
    for window in WINDOWS:
        if min(window.output(*size)) < 1:
            continue
        map = token.MapAttr(size, window.output(*size), window)
        (height, width), (lines, out_width) = map.sizes
        whole = pairs(map)
        for inputs, outputs in product(bands(height), bands(lines)):
            spines = range(inputs[0] * width, inputs[1] * width)
            rows = range(outputs[0] * out_width, outputs[1] * out_width)
            expected = {
                (spine - spines.start, row - rows.start, tap)
                for spine, row, tap in whole
                if spine in spines and row in rows
            }
            part = local(map, inputs, outputs)
            assert part.sizes == (
                (inputs[1] - inputs[0], width),
                (len(rows) // out_width, out_width),
            )
            assert pairs(part) == expected, (map, inputs, outputs)
            checked += 1
    assert checked > 2000


def test_local_of_the_whole_map_is_the_map() -> None:
    for window in WINDOWS:
        map = token.MapAttr((6, 6), window.output(6, 6), window)
        assert local(map, (0, 6), (0, map.sizes[1][0])) == map


def test_cuts_are_as_equal_as_they_can_be() -> None:
    for lines, parts in product(range(1, 20), range(1, 20)):
        if parts > lines:
            continue
        made = cuts(lines, parts)
        assert [line for band in made for line in range(*band)] == list(range(lines))
        heights = [stop - first for first, stop in made]
        assert len(heights) == parts
        assert max(heights) - min(heights) <= 1
        assert max(heights) == -(-lines // parts)  # what is charged for a tile is its largest part


def test_cuts_stay_aligned_through_a_stride() -> None:
    """Cuts of a map lie on those of a map `stride` times as high, or less than a line further up;
    exactly on them if the parts divide its lines. So behind a stride or a pool, a tile reads one
    tile, and at times a little of the one before.
    """
    for lines, parts, stride in product(range(1, 15), range(1, 8), (2, 3)):
        for (_, stop), (_, higher) in zip(
            cuts(lines, parts), cuts(lines * stride, parts), strict=True
        ):
            assert stop * stride <= higher < (stop + 1) * stride
            assert higher == stop * stride or lines % parts


def tile(lines: Range | None, rows: int, columns: Range, total: Range) -> token.ActorOp:
    """A tile without a body: of `total` (columns, lines), the rows of its lines."""
    share = None if lines is None else (*lines, total[1])
    type = token.StreamType(rows, columns[1] - columns[0], 0, 1)
    return token.ActorOp("tile", (*columns, total[0]), (), type, None, share)


def step_of(spines: int, spine: int, columns: int, base: int) -> dict[str, Any]:
    """A stream that is a tile of its layer, and where it begins."""
    value = create_ssa_value(token.StreamType(spines, columns, 0, 1))
    return {"operands": [value], "properties": {"base": int_attr(base), "spine": int_attr(spine)}}


@pytest.fixture(name="blobs")
def no_blobs() -> Blobs:
    return Blobs(ModuleOp([]), WeightStore())


def test_reading_is_what_a_stream_holds_of_the_lines(blobs: Blobs) -> None:
    """For all bands of a layer, and all bands of the layer that it reads."""
    window = WindowAttr((3, 2), (2, 1), (1, 0, 1, 0))
    size = height, width = 7, 3
    map = token.MapAttr(size, window.output(*size), window)
    lines, out_width = map.sizes[1]
    for band, held in product(bands(lines), bands(height)):
        actor = tile(band, (band[1] - band[0]) * out_width, (0, 1), (1, lines))
        made = step_of((held[1] - held[0]) * width, held[0] * width, 1, 0)
        made["properties"] |= {"constants": SymbolRefAttr("ones"), "map": map}
        step = token.AddOp.build(**made)
        part = reading(actor, step, token.stream(step.input), blobs)
        read = {line for line in taps(map, band) if held[0] <= line < held[1]}
        expected = {(line - held[0]) * width + x for line in read for x in range(width)}
        assert set(range(part.first, part.stop)) == expected, (band, held)
        assert part.empty == (not expected)


def test_a_whole_map_reads_all_that_it_touches(blobs: Blobs) -> None:
    """Cropping (negative pads) leaves lines out, and they are not sent."""
    window = WindowAttr((1, 1), (1, 1), (-2, 0, -1, 0))
    map = token.MapAttr((6, 2), window.output(6, 2), window)
    actor = tile(None, 6, (0, 1), (1, 3))
    made = step_of(12, 0, 1, 0)
    step = token.TraceOp.build(
        operands=made["operands"], properties=made["properties"] | {"map": map}
    )
    assert reading(actor, step, token.stream(step.input), blobs) == Reading(4, 10)


def test_reading_of_an_index_map_is_the_hull_of_what_it_names(blobs: Blobs) -> None:
    """Rows and columns of the tile, spines and channels of the stream; -1 follows nothing."""
    generator = np.random.default_rng(0)
    lines, width, columns, spines, channels = 3, 2, 4, 5, 3
    seen_empty = False
    for _ in range(40):
        index = generator.integers(-1, spines * channels, (lines * width, columns))
        index[generator.random(index.shape) < 0.7] = -1
        name = blobs.put(index.astype(np.int32), "places")
        for band, share, held in product(bands(lines), ((0, 4), (1, 3)), ((0, 5), (2, 4))):
            for base, count in ((0, 3), (1, 2)):
                actor = tile(band, (band[1] - band[0]) * width, share, (columns, lines))
                made = step_of(held[1] - held[0], held[0], count, base)
                made["properties"] |= {"channels": int_attr(channels), "index": SymbolRefAttr(name)}
                step = token.ScatterOp.build(**made)
                part = reading(actor, step, token.stream(step.input), blobs)
                named = set()
                for row, column in product(range(band[0] * width, band[1] * width), range(*share)):
                    spine, channel = divmod(int(index[row, column]), channels)
                    if index[row, column] >= 0 and base <= channel < base + count:
                        named |= {spine - held[0]} & set(range(held[1] - held[0]))
                seen_empty |= not named
                if named:
                    assert part == Reading(min(named), max(named) + 1)
                else:
                    assert part.empty
    assert seen_empty


def test_lines_of() -> None:
    """A tile names its lines; a whole layer has those of its map; without a map there are none."""
    map = token.MapAttr((8, 8), (4, 5), WindowAttr((2, 2), (2, 1)))
    assert lines_of(tile((1, 3), 10, (0, 1), (1, 4))) == (1, 3, 4)
    whole = tile(None, 20, (0, 1), (1, 4))
    assert lines_of(whole) is None
    alphabet = spiking.AlphabetAttr(spiking.Alphabet.TERNARY)
    whole.body.block.add_op(token.MaximumOp(map, alphabet))
    assert lines_of(whole) == (0, 4, 4)


def whole(name: str, sources: list[SSAValue], steps: list[token.Step]) -> token.ActorOp:
    """A layer of 8 spines that reads some streams."""
    actor = token.ActorOp(name, (0, 1, 1), sources, token.StreamType(8, 1, 0, 1))
    for argument, step in zip(actor.body.block.args, steps, strict=True):
        step.operands[0] = argument
        actor.body.block.add_op(step)
    return actor


def test_a_map_is_cut_where_every_reader_sees_its_lines() -> None:
    """A reshape leaves spines where they are, but makes a map of other lines of them."""

    def looks(height: int, width: int) -> token.Step:
        value = create_ssa_value(token.StreamType(8, 1, 0, 1))
        map = token.MapAttr((height, width), (height, width), WindowAttr((1, 1)))
        return token.AddOp(value, 0, SymbolRefAttr("ones"), map)

    def follows() -> token.Step:
        value = create_ssa_value(token.StreamType(8, 1, 0, 1))
        return token.ScatterOp(value, 0, 1, SymbolRefAttr("places"))

    def multiplies() -> token.Step:
        value = create_ssa_value(token.StreamType(8, 1, 0, 1))
        return token.FactorOp(value, 0, "left", ElementwiseAttr((8, 1), (8, 1)))

    def read_by(*steps: token.Step) -> bool:
        """Of a layer of 4 lines of 2 spines."""
        layer = whole("map", [create_ssa_value(token.StreamType(8, 1, 0, 1))], [looks(4, 2)])
        for step in steps:
            whole("reader", [layer.output], [step])
        return cuttable(layer)

    assert read_by()
    assert read_by(looks(4, 2), looks(4, 2))
    assert read_by(follows())
    assert not read_by(looks(2, 4))
    assert not read_by(looks(4, 2), looks(2, 4))
    # Lines of one spine are spines, whatever else they are lines of; so are those of a factor.
    assert read_by(looks(4, 2), looks(8, 1))
    assert read_by(multiplies())
    assert not read_by(follows(), looks(1, 8))
    # The second stream of a reader is looked at through its second step.
    layer = whole("map", [create_ssa_value(token.StreamType(8, 1, 0, 1))], [looks(4, 2)])
    other = create_ssa_value(token.StreamType(8, 1, 0, 1))
    whole("reader", [other, layer.output], [looks(2, 4), looks(4, 2)])
    assert cuttable(layer)
    # Without a map there are no lines.
    assert not cuttable(whole("places", [other], [follows()]))
