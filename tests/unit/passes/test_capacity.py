"""What tiles need of the memories of a PE, by figures worked out by hand."""

import dataclasses
from itertools import product

import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from elsac.compiler import new_context
from elsac.context import Blobs
from elsac.dialects import token
from elsac.passes.bands import cuts, lines_of
from elsac.passes.capacity import Estimator, Need, Part, bytes_of, room, tracer_bits
from elsac.passes.tiles import Tiling, parts, retile
from elsac.store import WeightStore
from elsac.targets import Target, load_target

# "conv" has 12 rows (4 lines of 3) of 4 columns. A column has 2x2x1 weights of 4 bits (-8 to 7);
# a neuron a membrane of 9 bits and a tracer of 2 bits (0 to 3). Two classes of neurons have three
# levels each: a staircase is a base and a step of 9 bits, and three codes of 1 bit.
NETWORK = """
!in = !token.stream<12x2 in 0 to 15>
!map = !token.stream<12x4 in 0 to 3>
!pooled = !token.stream<6x4 in 0 to 3>
!charge = !token.stream<6x5 in 0 to 0>
net.blob @w : tensor<4x2x2x1xi8> ints [-8, 7, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]
net.blob @small : tensor<4x1x2x2xi8> ints [-2, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 0, 1, 0]
net.blob @last : tensor<5x4x1x1xi8> ints [
  -4, 3, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2
]
net.blob @ones : tensor<4xi8> ints [1, 1, 1, 1]
net.blob @stairs : tensor<3x2x4xi64> ints [
  1, 2, 3, 4, 5, 6, 7, 8, 2, 3, 4, 5, 6, 7, 8, 9, 3, 4, 5, 6, 7, 8, 9, 10
]
net.blob @classes : tensor<12xi32> ints [0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1]
net.blob @even : tensor<1x1x4xi64> ints [1, 2, 3, 4]
net.blob @turn : tensor<6x4xi32> ints [
  23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0
]
net.blob @one : tensor<1x!net.rational> rationals ["1"]
%x = token.source "x" shape [2, 4, 3] scale "1" zero 0 as "UINT4" coding bitplane : !in
%conv = token.actor "conv" columns 0 to 4 of 4 reads %x : !in -> !map {
^bb0(%0: !in):
  token.accumulate %0 weight @w
    map <4x3 to 4x3 window <kernel [2, 1], pads [1, 0, 0, 0]>> groups 1 : !in
  token.fire stairs @stairs classes @classes alphabet ternary bits 9
}
%pool = token.actor "pool" columns 0 to 4 of 4 reads %conv : !map -> !pooled {
^bb0(%1: !map):
  token.trace %1 map <4x3 to 2x3 window <kernel [3, 1], stride [2, 1], pads [1, 0, 0, 0]>> : !map
  token.maximum
    map <4x3 to 2x3 window <kernel [3, 1], stride [2, 1], pads [1, 0, 0, 0]>> alphabet ternary
}
%join = token.actor "join" columns 0 to 4 of 4 reads %pool, %pool : !pooled, !pooled -> !pooled {
^bb0(%2: !pooled, %3: !pooled):
  token.accumulate %2 weight @small
    map <2x3 to 2x3 window <kernel [2, 2], pads [0, 0, 1, 1]>> groups 4 : !pooled
  token.add %3 by @ones map <2x3 to 2x3 window <kernel [1, 1]>> : !pooled
  token.fire stairs @even alphabet ternary bits 5
}
%turn = token.actor "turn" columns 0 to 4 of 4 reads %join : !pooled -> !pooled {
^bb0(%4: !pooled):
  token.scatter %4 of 4 at @turn : !pooled
  token.flow alphabet ternary bits 3
}
%sum = token.actor "sum" columns 0 to 5 of 5 reads %join : !pooled -> !charge {
^bb0(%5: !pooled):
  token.accumulate %5 weight @last map <2x3 to 2x3 window <kernel [1, 1]>> groups 1 : !pooled
  token.hold bits 11
}
token.probe "turn" %turn shape [4, 2, 3] zero 0 as "UINT4" : !pooled
token.readout "sum" %sum shape [5, 2, 3] factor @one offset @one : !charge
"""


def parse() -> tuple[ModuleOp, Blobs]:
    module = Parser(new_context(load_target("elsa-6x6")), NETWORK).parse_module()
    module.verify()
    return module, Blobs(module, WeightStore())


def actors(module: ModuleOp) -> list[token.ActorOp]:
    return [o for o in module.body.ops if isinstance(o, token.ActorOp)]


def target(**keys: int | str) -> Target:
    return dataclasses.replace(load_target("elsa-6x6"), **keys)  # type: ignore[arg-type]


def need(layer: str, part: Part | None, **keys: int | str) -> Need:
    module, blobs = parse()
    (actor,) = (a for a in actors(module) if a.layer.data == layer)
    return Estimator(blobs, target(**keys)).need(actor, part)


@pytest.mark.parametrize(
    ("part", "weights", "membranes", "tracers"),
    [
        # A column for each of 4 PEs: 4 weights of 4 bits; 12 x 9 + 2 x (2 x 9 + 3) = 150 bits in
        # 19 bytes; 12 tracers of 2 bits.
        (Part(4, 4, 4, 1), 2, 19, 3),
        # One PE with all four: 600 bits of membranes and staircases are 75 bytes.
        (Part(4, 4, 1, 1), 8, 75, 12),
        # Two parts of columns halve everything, two parts of lines the rows: 2 columns with
        # 6 x 9 + 42 = 96 bits.
        (Part(4, 4, 2, 1), 4, 38, 6),
        (Part(4, 4, 2, 2), 4, 24, 3),
        # Lines alone: every PE has all weights and staircases, and 3 rows: 4 x (27 + 42) bits.
        (Part(4, 4, 1, 4), 8, 35, 3),
        # Three of four lines, cut in two: the larger part has two.
        (Part(4, 3, 2, 2), 4, 24, 3),
        # Three columns for two PEs: the larger part has two.
        (Part(3, 4, 2, 1), 4, 38, 6),
        # A single line of one column: 4 weights, 27 + 42 = 69 bits, 6 bits.
        (Part(1, 1, 1, 1), 2, 9, 1),
    ],
)
def test_convolution(part: Part, weights: int, membranes: int, tracers: int) -> None:
    assert need("conv", part) == Need(8 * weights, 8 * membranes, 8 * tracers)


def test_least_width_of_a_membrane() -> None:
    """It is charged for membranes, which are at least so wide, and not for staircases."""
    part = Part(4, 4, 4, 1)
    # 12 x 16 + 42 = 234 bits, 30 bytes.
    assert need("conv", part, membrane_bits_min=16).membranes == 8 * 30
    assert need("conv", part, membrane_bits_min=8) == need("conv", part)
    assert need("conv", part, membrane_bits_min=16).tracers == need("conv", part).tracers


@pytest.mark.parametrize(
    ("part", "tracers"),
    [
        # 6 rows of 2 bits, and a copy of all 12 spines of its input.
        (Part(4, 2, 4, 1), 5),
        # One line of 3 rows sees 3 of 4 lines: 3 + 9 tracers.
        (Part(4, 1, 4, 1), 3),
        (Part(4, 2, 2, 2), 6),
        (Part(4, 2, 1, 1), 18),
    ],
)
def test_pool(part: Part, tracers: int) -> None:
    """A max-pool has no weights and no membranes."""
    assert need("pool", part) == Need(0, 0, 8 * tracers)


def test_join() -> None:
    """A depthwise weight of 2 bits for each of 4 taps, a constant of 2 bits; six membranes of 5
    bits and a staircase of 2 x 5 + 1.
    """
    assert need("join", Part(4, 2, 4, 1)) == Need(16, 48, 16)
    assert need("join", Part(4, 2, 1, 1)) == Need(40, 168, 48)


def test_flow_and_hold() -> None:
    """What waits in a flow or is held for the read-out is a membrane."""
    assert need("turn", Part(4, 1, 4, 1)) == Need(0, 24, 16)
    # 5 columns for 4 PEs: two of 4 weights of 3 bits and 6 membranes of 11 bits, in 17 bytes.
    # Tracers of 0 to 0 have no bits.
    assert need("sum", Part(5, 2, 4, 1)) == Need(24, 136, 0)
    assert need("sum", Part(5, 2, 4, 1), membrane_bits_min=16) == Need(24, 192, 0)


def test_a_source_needs_nothing() -> None:
    module, blobs = parse()
    source = next(o for o in module.body.ops if isinstance(o, token.SourceOp))
    assert Estimator(blobs, target()).need(source) == Need()


def test_pooled_memory_is_the_sum() -> None:
    one = Need(16, 152, 24)
    pooled = target(memory="pooled", pool_sram_bytes_per_pe=24)
    assert one.bits(target()) == {"weights": 16, "membranes": 152, "tracers": 24}
    assert one.bits(pooled) == {"pooled": 192}
    assert room(pooled) == {"pooled": 192}
    assert one.exceeds(pooled) == []
    assert (one + Need(tracers=8)).exceeds(pooled) == ["pooled"]


def test_what_exceeds_is_named() -> None:
    tight = target(
        weight_sram_bytes_per_pe=2, membrane_sram_bytes_per_pe=19, tracer_sram_bytes_per_pe=3
    )
    assert room(tight) == {"weights": 16, "membranes": 152, "tracers": 24}
    one = need("conv", Part(4, 4, 4, 1))
    assert one.exceeds(tight) == []
    assert (one + one).exceeds(tight) == ["weights", "membranes", "tracers"]
    assert need("conv", Part(4, 4, 1, 4)).exceeds(tight) == ["weights", "membranes"]


def test_the_part_of_an_actor_is_its_tile() -> None:
    """Without `pes`, every PE of a core has a part of the columns."""
    module, blobs = parse()
    estimator = Estimator(blobs, target(pes_per_core=2))
    conv, *_, total = actors(module)
    assert estimator.part(conv) == Part(4, 4, 2, 1)
    assert estimator.part(total) == Part(5, 2, 2, 1)
    conv.pes = token.int_array((1, 2))
    assert estimator.part(conv) == Part(4, 4, 1, 2)
    assert estimator.need(conv) == need("conv", Part(4, 4, 1, 2))


@pytest.mark.parametrize(("columns", "lines"), [*product((1, 2, 3), (1, 2))])
def test_what_is_asked_before_a_cut_is_what_the_largest_tile_needs(
    columns: int, lines: int
) -> None:
    """Layouts are chosen before the module is cut; several streams of one layer share weights."""
    module, blobs = parse()
    estimator = Estimator(blobs, target())
    expected: dict[str, Need] = {}

    def tiling(actor: token.ActorOp) -> Tiling:
        total = lines_of(actor)
        count = lines if total and total[2] > 1 else 1
        wide, tall = (
            parts(actor.total.value.data, 1, columns),
            cuts(total[2] if total else 1, count),
        )
        part = Part(wide[-1][1] - wide[-1][0], tall[-1][1] - tall[-1][0], 2, 2)
        expected[actor.layer.data] = estimator.need(actor, part)
        return Tiling(wide, tall, (2, 2))

    retile(module, blobs, tiling)
    largest: dict[str, Need] = {}
    for tile in actors(module):
        largest[tile.layer.data] = estimator.need(tile)  # the last tile is the largest
    assert largest == expected


def test_widths() -> None:
    assert [bytes_of(bits) for bits in (0, 1, 8, 9)] == [0, 1, 1, 2]
    assert [tracer_bits(*r) for r in ((0, 0), (0, 1), (0, 15), (-8, 7), (-3, 12), (0, 16))] == [
        *(0, 1, 4, 4, 4, 5)
    ]
