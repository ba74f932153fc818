"""What products of activations cost: the estimate that tiles are chosen by, beside what the timing
model charges for the same spikes.
"""

from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from elsac.compiler import new_context
from elsac.context import Blobs
from elsac.dialects import token
from elsac.dialects.products import ElementwiseAttr, ProductAttr
from elsac.passes.capacity import Part
from elsac.passes.load import Load
from elsac.runtime.packets import Baer
from elsac.runtime.timing.models import Timer
from elsac.store import WeightStore
from tests.programs_attention import AttentionBuilder
from tests.unit.runtime.timed import PLAIN, Placed, activity

SCORES = {"left": "columns", "right": "columns", "right_transposed": True, "out": "rows"}
MIX = {"left": "rows", "right": "columns", "out": "columns"}
STACKED = {"left": "rows", "right": "rows", "out": "rows"}
PAIRS = {"left": "columns", "right": "rows", "right_transposed": True, "out": "columns"}


class PlacedAttention(Placed, AttentionBuilder):
    """Products whose threads get cores afterwards."""


def laid(heads: int, sizes: tuple[int, int, int], layout: dict[str, Any]) -> ProductAttr:
    """A product of matrices m x k and k x n."""
    return ProductAttr(heads, sizes, **layout)


def measured(product: ProductAttr, pes: tuple[int, int], spikes: tuple[int, int]) -> float:
    """Busy cycles of a PE in a step in which each spine of the factors brings so many spikes."""
    heads, m, k, n = product.sizes
    geometry = {"elementwise": 0, "heads": heads, "m": m, "k": k, "n": n}
    geometry |= {"left_bits": 4, "right_bits": 4, "out_columns": int(product.out.data == "columns")}
    builder = PlacedAttention(seed=1)
    sources = []
    for side in ("left", "right"):
        geometry[f"{side}_columns"] = int(getattr(product, side).data == "columns")
        geometry[f"{side}_transposed"] = getattr(product, f"{side}_transposed").data
        rows, columns = product.shape(side)
        sources.append(builder.source((rows, 1), columns, -4, 3, "spikes"))
    rows, columns = product.out_shape
    whole = [((0, rows), (0, columns))]
    builder.read(builder.product(sources[0], sources[1], geometry, "fire", tiles=whole), "tracer")
    held = -(-rows // pes[1])
    image = builder.image(PLAIN, [0], [0, 0, 0], {}, parts=(pes[0], held))
    of = [np.full(product.shape(s)[0], n) for s, n in zip(("left", "right"), spikes, strict=True)]
    sent = np.concatenate([*of, np.zeros(rows, int)])
    timing = Timer(image, PLAIN).time(activity(image, [sent]))
    return float(timing.busy[2]) / -(-rows // held)


def module(product: ProductAttr | ElementwiseAttr, rates: tuple[float, float], end: str) -> Any:
    """An actor that forms a product of two inputs, in a module."""
    (a, b), (c, d), (rows, columns) = product.left_shape, product.right_shape, product.out_shape
    source = 'scale "1" zero 0 as "UINT4" coding bitplane rates'
    text = f"""
!l = !token.stream<{a}x{b} in -4 to 3>
!r = !token.stream<{c}x{d} in -4 to 3>
!o = !token.stream<{rows}x{columns} in 0 to 0>
net.blob @exps : tensor<2xi64> ints [4, 2]
%l = token.source "l" shape [{a}, {b}] {source} [{rates[0]}] : !l
%r = token.source "r" shape [{c}, {d}] {source} [{rates[1]}] : !r
%p = token.actor "p" columns 0 to {columns} of {columns} reads %l, %r : !l, !r -> !o {{
^bb0(%0: !l, %1: !r):
  token.factor %0 is "left" of {product} : !l
  token.factor %1 is "right" of {product} : !r
  {end}
}}
"""
    return Parser(new_context(PLAIN), text).parse_module()


def estimated(made: ModuleOp, part: Part) -> int:
    """The cycles by which tiles of the actor are chosen."""
    actor = next(o for o in made.body.ops if isinstance(o, token.ActorOp))
    return Load(Blobs(made, WeightStore()), PLAIN, Baer()).cycles(actor, part, 1)


CASES = [
    (laid(3, (49, 32, 49), SCORES), (48, 40)),
    (laid(3, (49, 32, 49), SCORES), (90, 20)),
    (laid(4, (17, 8, 17), SCORES), (16, 16)),
    (laid(2, (150, 64, 150), SCORES), (40, 64)),
    (laid(3, (49, 49, 32), MIX), (20, 48)),
    (laid(6, (49, 49, 32), MIX), (20, 96)),
    (laid(4, (17, 17, 8), MIX), (8, 16)),
    (laid(2, (150, 150, 64), MIX), (70, 40)),
    (laid(1, (150, 150, 160), MIX), (70, 40)),
    (laid(2, (40, 48, 64), STACKED), (24, 32)),
    (laid(2, (40, 48, 64), PAIRS), (48, 24)),
]


@pytest.mark.parametrize("pes", [(4, 1), (2, 2), (1, 4), (1, 1)])
@pytest.mark.parametrize(("product", "spikes"), CASES)
def test_estimates_are_what_the_timing_model_charges(
    product: ProductAttr, spikes: tuple[int, int], pes: tuple[int, int]
) -> None:
    """Within a third, whatever the layout, the factor that is busy, and how PEs divide the sums."""
    rows, columns = product.out_shape
    widths = product.left_shape[1], product.right_shape[1]
    for one in (spikes, (spikes[0], 0), (0, spikes[1])):
        rates = one[0] / widths[0], one[1] / widths[1]
        part = Part(columns, rows, *pes, True)
        found = estimated(module(product, rates, "token.hold bits 12"), part)
        assert found == pytest.approx(measured(product, pes, one), rel=1 / 3), one


def test_a_value_spike_is_a_batch_of_its_own() -> None:
    """Spikes of a key share a column of sums and its batches, spikes of a value share none: per
    spike a value costs many times as much.
    """
    keys = laid(1, (64, 64, 64), SCORES), (0.0, 0.5)
    values = laid(1, (64, 64, 64), MIX), (0.0, 0.5)
    each = [
        estimated(module(product, rates, "token.hold bits 12"), Part(64, 64, 1, 1, True))
        for product, rates in (keys, values)
    ]
    fires = 64 * PLAIN.fire_cycles
    assert each[0] - fires == 64 * 32 / PLAIN.adder_inputs
    assert each[1] - fires == 64 * 32


def test_elementwise_products_touch_single_columns() -> None:
    """Two accesses to each row, one for each factor, and the row fires."""
    made = module(ElementwiseAttr((12, 8), (12, 8)), (0.5, 0.25), "token.hold bits 12")
    assert estimated(made, Part(8, 12, 1, 2, True)) == 6 * 3
    silent = module(ElementwiseAttr((12, 8), (12, 8)), (0.5, 0.0), "token.hold bits 12")
    assert estimated(silent, Part(8, 12, 1, 2, True)) == 6 * 2


def test_rows_of_a_tile_go_through_one_unit() -> None:
    """PEs share out the work, but not the unit of their core; tiles of rows do."""
    product = laid(2, (40, 2, 200), SCORES)
    made = module(
        product, (0.5, 0.5), "token.softmax exps @exps scale 1 shift 4 alphabet ternary bits 9"
    )
    each = PLAIN.softmax_cycles * -(-200 // PLAIN.row_unit_elements)
    assert estimated(made, Part(200, 80, 4, 1, True)) == 80 * each
    assert estimated(made, Part(200, 20, 1, 4, True)) == 20 * each
