"""Tiles of a small network, against loops over all of its rows, columns and taps."""

import random
from collections.abc import Mapping, Sequence
from itertools import pairwise, product

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from elsac.compiler import new_context
from elsac.context import Blobs
from elsac.dialects import token
from elsac.passes.bands import Range, cuts, lines_of, reading
from elsac.passes.tiles import Tiling, group_size, parts, retile
from elsac.store import WeightStore
from elsac.targets import load_target

# Every kind of step, between maps of 8x4 and 4x2: a convolution, one with a stride that leads from
# 2 groups of 3 channels to 2 columns each, a max-pool, a join of a convolution, a skip path and a
# depthwise convolution of the same layer, an index map that turns the map by 180 degrees, and a
# dense layer that reads the whole map.
NETWORK = """
!image = !token.stream<32x2 in 0 to 15>
!large = !token.stream<32x6 in 0 to 1>
!pooled = !token.stream<8x6 in 0 to 1>
!small = !token.stream<8x4 in 0 to 1>
!charge = !token.stream<1x3 in 0 to 0>
net.blob @w1 : tensor<6x2x3x3xi8> from "sha256:01"
net.blob @w2 : tensor<4x3x3x3xi8> from "sha256:02"
net.blob @w3 : tensor<4x6x3x1xi8> from "sha256:03"
net.blob @w4 : tensor<3x4x4x2xi8> from "sha256:04"
net.blob @w5 : tensor<4x1x1x1xi8> from "sha256:05"
net.blob @ones : tensor<4xi8> ints [1, 1, 1, 1]
net.blob @stairs : tensor<1x1x4xi64> ints [1, 2, 3, 4]
net.blob @stairs6 : tensor<1x1x6xi64> ints [1, 2, 3, 4, 5, 6]
net.blob @turn : tensor<8x4xi32> ints [
  31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16,
  15, 14, 13, 12, 11, 10,  9,  8,  7,  6,  5,  4, -1, -1,  1,  0
]
net.blob @one : tensor<1x!net.rational> rationals ["1"]
%x = token.source "x" shape [2, 8, 4] scale "1" zero 0 as "UINT4" coding bitplane : !image
%conv = token.actor "conv" columns 0 to 6 of 6 padded reads %x rates [0.5] : !image -> !large {
^bb0(%0: !image):
  token.accumulate %0 weight @w1
    map <8x4 to 8x4 window <kernel [3, 3], pads [1, 1, 1, 1]>> groups 1 shift 2 : !image
  token.fire stairs @stairs6 alphabet ternary bits 9
}
%half = token.actor "half" columns 0 to 4 of 4 reads %conv rates [0.25] : !large -> !small {
^bb0(%1: !large):
  token.accumulate %1 weight @w2
    map <8x4 to 4x2 window <kernel [3, 3], stride [2, 2], pads [1, 1, 0, 0]>> groups 2 : !large
  token.fire stairs @stairs alphabet ternary bits 9
}
%pool = token.actor "pool" columns 0 to 6 of 6 reads %conv : !large -> !pooled {
^bb0(%2: !large):
  token.trace %2 map <8x4 to 4x2 window <kernel [2, 2], stride [2, 2]>> : !large
  token.maximum map <8x4 to 4x2 window <kernel [2, 2], stride [2, 2]>> alphabet ternary
}
%join = token.actor "join" columns 0 to 4 of 4 reads %pool, %half, %half
    : !pooled, !small, !small -> !small {
^bb0(%3: !pooled, %4: !small, %7: !small):
  token.accumulate %3 weight @w3
    map <4x2 to 4x2 window <kernel [3, 1], pads [1, 0, 1, 0]>> groups 1 : !pooled
  token.add %4 by @ones map <4x2 to 4x2 window <kernel [1, 1]>> : !small
  token.accumulate %7 weight @w5 map <4x2 to 4x2 window <kernel [1, 1]>> groups 4 : !small
  token.fire stairs @stairs alphabet ternary bits 9
}
%turned = token.actor "turned" columns 0 to 4 of 4 reads %join : !small -> !small {
^bb0(%5: !small):
  token.scatter %5 of 4 at @turn : !small
  token.flow alphabet ternary bits 2
}
%sum = token.actor "sum" columns 0 to 3 of 3 reads %turned : !small -> !charge {
^bb0(%6: !small):
  token.accumulate %6 weight @w4 map <4x2 to 1x1 window <kernel [4, 2]>> groups 1 : !small
  token.hold bits 9
}
token.probe "join" %join shape [4, 4, 2] zero 0 as "UINT4" : !small
token.readout "sum" %sum shape [3] factor @one offset @one : !charge
"""

Neuron = tuple[int, int]
"""(spine, channel) of a layer."""

Node = token.ActorOp | token.SourceOp


def parse(text: str) -> tuple[ModuleOp, Blobs]:
    module = Parser(new_context(load_target("elsa-6x6")), text).parse_module()
    module.verify()
    return module, Blobs(module, WeightStore())


def actors(module: ModuleOp) -> list[token.ActorOp]:
    return [o for o in module.body.ops if isinstance(o, token.ActorOp)]


def steps(actor: token.ActorOp) -> list[token.Step]:
    return [o for o in actor.body.block.ops if isinstance(o, token.Step)]


def name(node: Node) -> str:
    return node.tensor_name.data if isinstance(node, token.SourceOp) else node.layer.data


def held(node: Node) -> tuple[range, range]:
    """The rows and columns of its layer that a node has."""
    stream = token.stream(node.output)
    rows, columns = range(stream.spines.data), range(stream.columns.data)
    if isinstance(node, token.SourceOp):
        return rows, columns
    return range(node.row_base, node.row_base + len(rows)), range(*node.columns)


def followed(step: token.Step, row: int, column: int, blobs: Blobs) -> set[Neuron]:
    """The neurons that one neuron of the layer follows, as the definition of a step has it."""
    if isinstance(step, token.ScatterOp):
        place = int(blobs.get(step.index)[row, column])
        return {divmod(place, step.channels.value.data)} if place >= 0 else set()
    channels: Sequence[int] = [column]
    if isinstance(step, token.AccumulateOp):
        outputs, inputs = blobs.type(step.weight).get_shape()[:2]
        group = column // (outputs // step.groups.value.data)
        channels = range(group * inputs, (group + 1) * inputs)
    (height, width), (_, out_width) = step.map.sizes
    (kh, kw), (sh, sw), (top, left, _, _), (dh, dw) = step.map.window.values
    y, x = row // out_width * sh - top, row % out_width * sw - left
    return {
        ((y + ky * dh) * width + x + kx * dw, channel)
        for ky, kx, channel in product(range(kh), range(kw), channels)
        if 0 <= y + ky * dh < height and 0 <= x + kx * dw < width
    }


def kind(step: token.Step) -> dict[str, object]:
    """All that a step says but the stream that it reads."""
    return {
        "op": step.name,
        **{k: v for k, v in step.properties.items() if k not in ("base", "spine")},
    }


def check_tiles(module: ModuleOp, layers: Mapping[str, token.ActorOp], blobs: Blobs) -> None:
    """Every tile reads what its neurons follow, once, and of no stream more than that."""
    nodes = [o for o in module.body.ops if isinstance(o, Node)]
    for tile in actors(module):
        rows, columns = held(tile)
        left = list(zip(tile.inputs, steps(tile), strict=True))
        whole = layers[tile.layer.data]
        for value, step in zip(whole.inputs, steps(whole), strict=True):
            needed: set[Neuron] = set().union(
                *(followed(step, r, c, blobs) for r, c in product(rows, columns))
            )
            for node in nodes:
                if name(node) != name(value.owner):  # type: ignore[arg-type]
                    continue
                spines, channels = held(node)
                ours = {n for n in needed if n[0] in spines and n[1] in channels}
                reads = [(v, s) for v, s in left if v is node.output and kind(s) == kind(step)]
                if not ours:
                    assert not reads, f"{tile.layer.data} reads {name(node)} and needs nothing"
                    continue
                ((read, its),) = reads
                left.remove((read, its))
                assert its.base.value.data == channels.start
                assert its.spine.value.data == spines.start
                part = reading(tile, its, token.stream(read), blobs)
                assert part.first + spines.start == min(spine for spine, _ in ours)
                assert part.stop + spines.start == max(spine for spine, _ in ours) + 1
                needed -= ours
            assert not needed, "some neurons are not read at all"
        assert not left, f"{tile.layer.data} reads what it has no use for"


def check_uses(module: ModuleOp) -> None:
    """All that reads a stream, and all that is read, stands in the module."""
    inside = set(module.walk())
    for op in module.body.ops:
        assert all(value.owner in inside for value in op.operands)
        assert all(use.operation in inside for result in op.results for use in result.uses)
    for tile in actors(module):
        for argument in tile.body.block.args:
            assert [use.operation for use in argument.uses] == [steps(tile)[argument.index]]


Counts = Mapping[str, tuple[int, int]]
"""Parts of the columns and of the lines, by layer."""


def check(counts: Counts) -> ModuleOp:
    """Cut the network and check all that is true of any tiles."""
    layers = {a.layer.data: a for a in actors(parse(NETWORK)[0])}
    module, blobs = parse(NETWORK)

    def tiling(actor: token.ActorOp) -> Tiling:
        columns, lines = counts.get(actor.layer.data, (1, 1))
        total = lines_of(actor)
        return Tiling(
            parts(actor.total.value.data, group_size(actor, blobs), columns),
            cuts(total[2] if total else 1, lines),
        )

    retile(module, blobs, tiling)
    module.verify()
    check_uses(module)
    check_tiles(module, layers, blobs)
    made = actors(module)
    for layer, whole in layers.items():
        tiles = [t for t in made if t.layer.data == layer]
        columns, lines = counts.get(layer, (1, 1))
        assert len(tiles) == columns * lines
        count = np.zeros((whole.layer_rows, whole.total.value.data), int)
        for tile in tiles:
            rows, its = held(tile)
            count[rows.start : rows.stop, its.start : its.stop] += 1
            assert tile.layer_rows == whole.layer_rows
            assert (tile.rates, tile.padded) == (whole.rates, whole.padded)
            assert token.stream(tile.output).hi == token.stream(whole.output).hi
        assert (count == 1).all()
    for op in module.body.ops:
        if isinstance(op, token.ProbeOp | token.ReadoutOp):
            layer = op.tensor_name.data
            assert [v.owner for v in op.inputs] == [t for t in made if t.layer.data == layer]
    return module


COLUMNS = {"conv": (4, 1), "half": (2, 1), "pool": (3, 1), "join": (2, 1), "turned": (2, 1)}


def test_one_tile_is_the_layer() -> None:
    assert str(check({})) == str(parse(NETWORK)[0])


@pytest.mark.parametrize(
    "counts",
    [
        {"conv": (4, 1)},
        {"conv": (1, 4)},
        {"conv": (1, 3)},  # 2, 3 and 3 lines
        {"half": (2, 2)},
        {"pool": (2, 4)},
        {"join": (2, 3)},
        {"turned": (4, 1)},
        {"sum": (3, 1)},
        COLUMNS | {"sum": (2, 1)},
        {"conv": (1, 8), "half": (1, 4), "pool": (1, 4), "join": (1, 4)},
        {layer: (columns, 2) for layer, (columns, _) in COLUMNS.items() if layer != "turned"},
        {"conv": (3, 5), "half": (2, 3), "pool": (4, 3), "join": (3, 4), "turned": (3, 1)},
    ],
)
def test_tiles_read_what_they_need(counts: Counts) -> None:
    check(counts)


def test_any_tiles() -> None:
    generator = random.Random(0)
    most = {"conv": (6, 8), "half": (2, 4), "pool": (6, 4), "join": (4, 4), "turned": (4, 1)}
    for _ in range(15):
        check(
            {
                layer: (generator.randint(1, columns), generator.randint(1, lines))
                for layer, (columns, lines) in most.items()
            }
        )


def test_a_join_cut_alike_reads_one_tile_of_the_skip_path() -> None:
    """Its convolution reads of all tiles, for it has a halo and follows all channels."""
    module = check({"half": (2, 2), "join": (2, 2)})
    for tile in (t for t in actors(module) if t.layer.data == "join"):
        pairs = zip(tile.inputs, steps(tile), strict=True)
        (owner,) = [value.owner for value, step in pairs if isinstance(step, token.AddOp)]
        assert isinstance(owner, token.ActorOp)
        assert held(owner) == held(tile)


def test_pes_and_cores_go_to_tiles_in_order() -> None:
    """Band by band, within a band column by column."""
    module, blobs = parse(NETWORK)

    def tiling(actor: token.ActorOp) -> Tiling:
        if actor.layer.data == "half":
            return Tiling(((0, 2), (2, 4)), ((0, 1), (1, 4)), (2, 2), (7, 5, 3, 1))
        lines = lines_of(actor)
        total = actor.total.value.data
        return Tiling([(0, total)], [(0, lines[2] if lines else 1)])

    retile(module, blobs, tiling)
    tiles = [t for t in actors(module) if t.layer.data == "half"]
    assert [(t.columns, lines_of(t)) for t in tiles] == [
        ((0, 2), (0, 1, 4)),
        ((2, 4), (0, 1, 4)),
        ((0, 2), (1, 4, 4)),
        ((2, 4), (1, 4, 4)),
    ]
    assert [t.core.value.data for t in tiles if t.core is not None] == [7, 5, 3, 1]
    assert [token.ints(t.pes) for t in tiles if t.pes is not None] == [(2, 2)] * 4
    assert all(t.core is None and t.pes is None for t in actors(module) if t not in tiles)


PADDED = """
!value = !token.stream<1x1 in 0 to 15>
!padded = !token.stream<3x1 in 0 to 1>
net.blob @w : tensor<1x1x1x1xi8> ints [1]
net.blob @stairs : tensor<1x1x1xi64> ints [1]
%x = token.source "x" shape [1, 1, 1] scale "1" zero 0 as "UINT4" coding bitplane : !value
%a = token.actor "conv" columns 0 to 1 of 1 reads %x : !value -> !padded {
^bb0(%0: !value):
  token.accumulate %0 weight @w
    map <1x1 to 3x1 window <kernel [1, 1], pads [1, 0, 1, 0]>> groups 1 : !value
  token.fire stairs @stairs alphabet ternary bits 9
}
token.probe "a" %a shape [1, 3, 1] zero 0 as "UINT4" : !padded
"""


def test_a_tile_of_nothing_but_padding_reads_nothing() -> None:
    """It remains, as its neurons fire without charge; its text can be read again."""
    module, blobs = parse(PADDED)
    retile(module, blobs, lambda actor: Tiling([(0, 1)], cuts(3, 3)))
    module.verify()
    check_uses(module)
    assert [len(t.inputs) for t in actors(module)] == [0, 1, 0]
    assert str(parse(str(module))[0]) == str(module)


GROUPS = """
!in = !token.stream<1x12 in 0 to 15>
!charge = !token.stream<1x12 in 0 to 0>
net.blob @a : tensor<12x1x1x1xi8> from "sha256:01"
net.blob @b : tensor<12x2x1x1xi8> from "sha256:02"
net.blob @c : tensor<12x12x1x1xi8> from "sha256:03"
%x = token.source "x" shape [12] scale "1" zero 0 as "UINT4" coding bitplane : !in
%a = token.actor "dense" columns 0 to 12 of 12 reads %x : !in -> !charge {
^bb0(%0: !in):
  token.accumulate %0 weight @c map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !in
  token.hold bits 9
}
%b = token.actor "grouped" columns 0 to 12 of 12 reads %x, %x, %x : !in, !in, !in -> !charge {
^bb0(%1: !in, %2: !in, %3: !in):
  token.accumulate %1 weight @a map <1x1 to 1x1 window <kernel [1, 1]>> groups 6 : !in
  token.accumulate %2 weight @b map <1x1 to 1x1 window <kernel [1, 1]>> groups 4 : !in
  token.accumulate %3 weight @c map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !in
  token.hold bits 9
}
"""


def test_group_size_is_the_least_that_holds_whole_groups_of_all_steps() -> None:
    module, blobs = parse(GROUPS)
    # 12 columns in 6 groups of 2 and in 4 groups of 3: both are whole in 6.
    assert [group_size(actor, blobs) for actor in actors(module)] == [1, 6]


def test_parts_are_whole_units_as_equal_as_they_can_be() -> None:
    assert parts(12, 1, 5) == [(0, 2), (2, 4), (4, 7), (7, 9), (9, 12)]
    assert parts(12, 3, 3) == [(0, 3), (3, 6), (6, 12)]
    for units, unit in product(range(1, 12), (1, 2, 3)):
        for count in range(1, units + 1):
            made = parts(units * unit, unit, count)
            bounds: list[Range] = [(0, 0), *made]
            assert all(a[1] == b[0] for a, b in pairwise(bounds))
            assert made[-1][1] == units * unit
            sizes = {(stop - first) / unit for first, stop in made}
            assert max(sizes) - min(sizes) <= 1
            assert max(sizes) == -(-units // count)
