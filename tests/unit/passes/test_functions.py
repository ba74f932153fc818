"""What stands before a function and cannot be folded or converted: one line with the remedy."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from elsac.compiler import lower, new_context
from elsac.context import CompileError, CompilerContext
from elsac.dialects import qann, spiking
from elsac.interpreters.qann import run_qann
from elsac.interpreters.spiking import run_spiking
from elsac.targets import load_target

TENSOR = '!qann.tensor<4x2 in -8 to 7 by "1/4">'
REAL = "!qann.real<4x2>"
BLOBS = """
net.blob @half : tensor<!net.rational> rationals ["1/2"]
net.blob @minus : tensor<!net.rational> rationals ["-1"]
net.blob @columns : tensor<2x!net.rational> rationals ["1/2", "1/3"]
net.blob @rows : tensor<4x1x!net.rational> rationals ["1/2", "1/3", "0", "2"]
net.blob @huge : tensor<!net.rational> rationals ["1000003/4294967311"]
net.blob @turn : tensor<8xi32> ints [0, 4, 1, 5, 2, 6, 3, 7]
net.blob @same : tensor<4x1xi32> ints [1, 1, 0, 2]
net.blob @padded : tensor<8xi32> ints [6, 7, 4, 5, -1, -1, 0, 1]
net.blob @copies : tensor<8xi32> ints [0, 1, 0, 1, 4, 5, 6, 7]
net.blob @masks : tensor<4x2xi8> ints [0, 1, 1, 0, 0, 0, 0, 0]
net.blob @w : tensor<2x2xi8> ints [1, 2, -3, 4]
"""
SOURCE = f"""
%x = qann.input "x" zero 0 as "INT4" : {TENSOR}
%y = qann.input "y" zero 0 as "INT4" : {TENSOR}
%rx = qann.dequantize %x : {TENSOR} -> {REAL}
%ry = qann.dequantize %y : {TENSOR} -> {REAL}
%m = qann.matmul %x weight @w : {TENSOR} -> {REAL}
"""
FUNCTIONS = {
    "softmax": "qann.softmax %v",
    "norm": 'qann.norm %v by @columns plus @half epsilon "1/1000"',
    "rms": 'qann.norm %v by @columns plus @half epsilon "1/1000" rms',
    "curve": 'qann.curve "gelu" %v of [] by "1" plus "0"',
    "exp": 'qann.curve "exp" %v of [] by "1" plus "0"',
}
ADD = f"%v = qann.add %m, %ry : {REAL}, {REAL} -> {REAL}"
FOLDS = "fold,fold-products"
SPIKES = f"{FOLDS},convert-qann-to-spiking,fold-index-maps,prove-ranges"


def elementwise(op: str, by: str, source: str = "%m") -> str:
    return f"%v = qann.{op} {source} {'at' if op == 'index' else 'by'} @{by}" + (
        f' for "Gather" : {REAL} -> {REAL}' if op == "index" else f" : {REAL} -> {REAL}"
    )


def module(
    function: str, before: str, passes: str, result: str = TENSOR
) -> tuple[ModuleOp, CompilerContext]:
    text = f"""{BLOBS}{SOURCE}{before}
    %f = {FUNCTIONS.get(function, function)} : {REAL} -> {result} loc("node1")
    qann.probe "f" %f zero 0 as "INT4" : {result}"""
    context = new_context(load_target("elsa-6x6"))
    parsed = Parser(context, text).parse_module()
    parsed.verify()
    if passes:
        lower(parsed, context, passes)
    parsed.verify()
    return parsed, context


@pytest.mark.parametrize(
    ("function", "before", "why"),
    [
        ("softmax", ADD, "a sum of un-quantized branches"),
        ("curve", ADD, "a sum of un-quantized branches"),
        ("softmax", elementwise("scale", "columns"), "not one positive scale"),
        ("softmax", elementwise("scale", "minus"), "not one positive scale"),
        ("softmax", elementwise("offset", "columns"), "differ along a row"),
        ("norm", elementwise("offset", "columns"), "added to its un-quantized input"),
        ("rms", elementwise("offset", "rows"), "added to its un-quantized input"),
        ("softmax", elementwise("index", "turn"), "rows of its input are rearranged"),
        ("norm", elementwise("index", "turn"), "rows of its input are rearranged"),
        ("norm", elementwise("index", "padded"), "rows of its input are rearranged"),
        ("exp", elementwise("index", "padded"), "padding is followed by an offset"),
        ("qann.softmax %v without @masks", elementwise("index", "copies"), "different masks"),
    ],
)
def test_what_a_function_cannot_have_before_it(function: str, before: str, why: str) -> None:
    with pytest.raises(CompileError) as refused:
        module(function, before, "fold")
    line = str(refused.value)
    assert line.startswith("node 'node1' (qann.")
    assert why in line and "missing quantizer" in line
    assert line.endswith("add a QuantizeLinear/DequantizeLinear pair before it")


def test_a_sum_without_a_common_scale() -> None:
    before = f"{elementwise('scale', 'huge').replace('%v', '%h')}\n{ADD.replace('%m', '%h')}"
    with pytest.raises(CompileError, match="no common scale; quantize the branches") as refused:
        module("norm", before, SPIKES)
    assert "node1" in str(refused.value)


@pytest.mark.parametrize("exponent", [-70, 70])
def test_the_scale_of_a_softmax_is_a_number_of_the_chip(exponent: int) -> None:
    scale = f"1/{2**-exponent}" if exponent < 0 else f"{2**exponent}"
    with pytest.raises(CompileError, match=r"node 'node1' .*use one nearer to 1"):
        module("softmax", BEFORE["plain"], SPIKES, TENSOR.replace("1/4", scale))


@pytest.mark.parametrize("fraction", [0, 53])
def test_fractions_of_tables(fraction: int) -> None:
    spec = f"fold,convert-qann-to-spiking{{fraction={fraction}}}"
    with pytest.raises(CompileError, match="expected 1 to 52"):
        module("curve", BEFORE["plain"], spec)


def test_a_product_beside_another_branch_needs_a_quantizer() -> None:
    product = f"""%s = qann.multiply %x by %y : {TENSOR}, {TENSOR} -> {REAL}
    %v = qann.add %s, %ry : {REAL}, {REAL} -> {REAL}"""
    with pytest.raises(CompileError, match="added to something else; quantize the branches"):
        module("qann.quantize %v", product, f"{FOLDS},convert-qann-to-spiking")


def test_a_product_has_no_negative_scale() -> None:
    product = f"""%s = qann.multiply %x by %y : {TENSOR}, {TENSOR} -> {REAL}
    %v = qann.scale %s by @minus : {REAL} -> {REAL}"""
    with pytest.raises(CompileError, match="negative scale or several"):
        module("qann.quantize %v", product, f"{FOLDS},convert-qann-to-spiking")


BEFORE = {
    "plain": elementwise("scale", "half"),
    "sum": f"%d = qann.add %ry, %ry : {REAL}, {REAL} -> {REAL}\n{ADD.replace('%ry', '%d')}",
    "rows": elementwise("offset", "rows"),
    "columns": elementwise("scale", "columns"),
    "offset": elementwise("offset", "columns"),
    "minus": elementwise("scale", "minus"),
    "turned": elementwise("index", "turn"),
    "padded": elementwise("index", "padded"),
    "copies": elementwise("index", "copies"),
    "tensor": elementwise("index", "turn", "%rx"),
    "product": f"%v = qann.multiply %x by %y : {TENSOR}, {TENSOR} -> {REAL}",
}
WORK = {
    "softmax": ["plain", "rows", "copies", "tensor", "product"],
    "norm": ["plain", "sum", "rows", "columns", "minus", "copies", "tensor", "product"],
    "rms": ["plain", "sum", "columns", "minus", "copies", "tensor", "product"],
    "curve": [n for n in BEFORE if n != "sum"],
}


@pytest.mark.parametrize(
    ("function", "before"), [(f, b) for f, names in WORK.items() for b in names]
)
def test_what_can_stand_before_a_function(function: str, before: str) -> None:
    """The levels are those of the module as it was, folded and as spikes."""
    rng = np.random.default_rng(0)
    given: Any = {n: rng.integers(-8, 8, (5, 4, 2)) for n in "xy"}
    whole, context = module(function, BEFORE[before], "")
    expected = run_qann(whole, context.store, given).tensors["f"]
    folded, context = module(function, BEFORE[before], FOLDS)
    assert np.array_equal(run_qann(folded, context.store, given).tensors["f"], expected)
    trains, context = module(function, BEFORE[before], SPIKES)
    for schedule in ("cascade", "random"):
        result = run_spiking(trains, context.store, given, schedule, check=True)
        assert np.array_equal(result.tensors["f"].reshape(expected.shape), expected)
    assert len(np.unique(expected)) > 3


# Products


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((5,), (5,)),
        ((5,), (1,)),
        ((3, 2, 4), (3, 1, 1)),
        ((3, 2, 1), (3, 2, 4)),
        ((1, 2, 4), (3, 1, 4)),
        ((2, 3, 1, 4), (1, 3, 2, 4)),
    ],
)
def test_element_by_element_of_any_rank(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    def tensor(shape: tuple[int, ...]) -> str:
        return f'!qann.tensor<{"x".join(map(str, shape))} in -8 to 7 by "1/4">'

    out = tuple(max(pair) for pair in zip(left, right, strict=True))
    real = f"!qann.real<{'x'.join(map(str, out))}>"
    text = f"""
    %x = qann.input "x" zero 0 as "INT4" : {tensor(left)}
    %y = qann.input "y" zero 0 as "INT4" : {tensor(right)}
    %s = qann.multiply %x by %y : {tensor(left)}, {tensor(right)} -> {real}
    %q = qann.quantize %s : {real} -> {tensor(out)}
    qann.probe "q" %q zero 0 as "INT4" : {tensor(out)}"""
    rng = np.random.default_rng(0)
    given = {"x": rng.integers(-8, 8, (3, *left)), "y": rng.integers(-8, 8, (3, *right))}
    expected = np.clip(np.rint(given["x"] * given["y"] / 4), -8, 7)
    context = new_context(load_target("elsa-6x6"))
    module = Parser(context, text).parse_module()
    assert np.array_equal(run_qann(module, context.store, given).tensors["q"], expected)
    lower(module, context, FOLDS)
    module.verify()
    assert np.array_equal(run_qann(module, context.store, given).tensors["q"], expected)
    lower(module, context, "convert-qann-to-spiking,fold-index-maps,prove-ranges")
    result = run_spiking(module, context.store, given, "random", check=True).tensors["q"]
    assert np.array_equal(result.reshape(expected.shape), expected)


LAYOUTS = [("rows", False), ("rows", True), ("columns", False), ("columns", True)]


@pytest.mark.parametrize(("left", "right", "out"), [*product(LAYOUTS, LAYOUTS, [True, False])])
def test_all_layouts_of_heads_are_recognized(
    left: tuple[str, bool], right: tuple[str, bool], out: bool
) -> None:
    """2 heads of 3x4 and 4x5, whose tensors hold them so; maps bring them into rows and back."""
    heads, m, k, n = 2, 3, 4, 5

    def tensor(shape: tuple[int, ...], lo: int = -8) -> str:
        return f'!qann.tensor<{"x".join(map(str, shape))} in {lo} to 7 by "1/4">'

    lines, arrays = [], {}
    for name, (where, turned), (rows, columns) in (("a", left, (m, k)), ("b", right, (k, n))):
        size = heads * rows * columns
        inner = (columns, rows) if turned else (rows, columns)
        flat = np.arange(size)
        if where == "rows":
            shape = (heads * inner[0], inner[1])
            places = flat.reshape(heads, *inner)
        else:
            shape = (inner[0], heads * inner[1])
            places = flat.reshape(inner[0], heads, inner[1]).transpose(1, 0, 2)
        places = places.transpose(0, 2, 1) if turned else places
        arrays[name] = np.random.default_rng(size).integers(-8, 8, (2, *shape))
        rowed = (heads * rows, columns)
        lines += [
            f"net.blob @{name} : tensor<{size}xi32> ints {places.ravel().tolist()}",
            f'%{name} = qann.input "{name}" zero 0 as "INT4" : {tensor(shape)}',
            f'%{name}h = qann.index %{name} at @{name} for "" : {tensor(shape)} -> {tensor(rowed)}',
        ]
    join = np.arange(heads * m * n).reshape(heads, m, n).transpose(1, 0, 2)
    a, b, c = tensor((heads * m, k)), tensor((heads * k, n)), tensor((heads * m, n))
    lines += [
        f"%s = qann.product %ah by %bh as <2 x 3x4x5 left rows right rows out rows> : {a}, {b}"
        f" -> !qann.real<{heads * m}x{n}>",
        f"%q = qann.quantize %s : !qann.real<{heads * m}x{n}> -> {c}",
        f'qann.probe "q" %q zero 0 as "INT4" : {c}',
    ]
    if out:
        d = tensor((m, heads * n))
        lines += [
            f"net.blob @join : tensor<{join.size}xi32> ints {join.ravel().tolist()}",
            f'%j = qann.index %q at @join for "" : {c} -> {d}',
            f'qann.probe "j" %j zero 0 as "INT4" : {d}',
        ]
    context = new_context(load_target("elsa-6x6"))
    text = "\n".join(lines)
    whole, folded = (Parser(context, text).parse_module() for _ in range(2))
    lower(folded, context, FOLDS)
    folded.verify()
    (op,) = [o for o in folded.body.ops if isinstance(o, qann.ProductOp)]
    found = op.map
    assert (found.left.data, bool(found.left_transposed.data)) == left
    assert (found.right.data, bool(found.right_transposed.data)) == right
    assert found.out.data == ("columns" if out else "rows")
    before = run_qann(whole, context.store, arrays).tensors
    after = run_qann(folded, context.store, arrays).tensors
    assert all(np.array_equal(before[n], after[n]) for n in before)
    lower(folded, context, "convert-qann-to-spiking,fold-index-maps")
    assert not any(isinstance(o, spiking.IndexOp) for o in folded.body.ops)
    ended = run_spiking(folded, context.store, arrays, check=True).tensors
    assert all(np.array_equal(before[n], ended[n].reshape(before[n].shape)) for n in before)
