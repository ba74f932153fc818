"""Blobs: how passes name, find and drop arrays."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, NameLoc, StringAttr, UnknownLoc
from xdsl.parser import Parser

from elsac.compiler import new_context
from elsac.context import (
    INLINE_ELEMENTS,
    Blobs,
    CompileError,
    CompilerContext,
    compiler_context,
    like,
    node_name,
)
from elsac.dialects import qann
from elsac.dialects.net import BlobOp
from elsac.exact.staircase import rational_array
from elsac.targets import load_target

TEXT = """
net.blob @w : tensor<2x2xi8> ints [1, -2, 3, -4]
net.blob @third : tensor<1x!net.rational> rationals ["1/3"]
%x = qann.input "x" zero 0 as "UINT4" : !qann.tensor<2 in 0 to 15 by "1"> loc("quantize1")
%y = qann.matmul %x weight @w : !qann.tensor<2 in 0 to 15 by "1"> -> !qann.real<2>
"""


@pytest.fixture
def context() -> CompilerContext:
    return new_context(load_target("elsa-6x6"))


@pytest.fixture
def module(context: CompilerContext) -> ModuleOp:
    return Parser(context, TEXT).parse_module()


@pytest.fixture
def blobs(module: ModuleOp, context: CompilerContext) -> Blobs:
    return Blobs(module, context.store)


def declared(module: ModuleOp) -> list[str]:
    return [o.sym_name.data for o in module.body.ops if isinstance(o, BlobOp)]


def test_get_reads_the_text(blobs: Blobs) -> None:
    weight = blobs.get("w")
    assert weight.dtype == np.int8
    assert weight.tolist() == [[1, -2], [3, -4]]
    assert blobs.get("third").tolist() == [Fraction(1, 3)]


def test_get_takes_symbol_attributes(module: ModuleOp, blobs: Blobs) -> None:
    product = next(o for o in module.body.ops if isinstance(o, qann.MatmulOp))
    assert blobs.get(product.weight) is blobs.get("w")


def test_get_refuses_unknown_names(blobs: Blobs) -> None:
    with pytest.raises(CompileError, match=r"no net\.blob @v is declared in the module"):
        blobs.get("v")


def test_get_compares_shapes_with_the_store(context: CompilerContext) -> None:
    key = context.store.put(np.zeros((2, 3), dtype=np.int8))
    module = Parser(context, f'net.blob @w : tensor<2x2xi8> from "{key}"').parse_module()
    with pytest.raises(CompileError, match=r"@w: the store has shape \(2, 3\)"):
        Blobs(module, context.store).get("w")


@pytest.mark.parametrize(
    ("array", "declared", "kind"),
    [
        (np.zeros(2, dtype=np.int64), "i8", "int64"),
        (np.zeros(2, dtype=np.int8), "!net.rational", "int8"),
        (rational_array([Fraction(1, 2)] * 2), "i8", "rationals"),
        (np.zeros(2), "i64", "float64"),
    ],
)
def test_get_compares_elements_with_the_store(
    context: CompilerContext, array: NDArray[Any], declared: str, kind: str
) -> None:
    key = context.store.put(array)
    module = Parser(context, f'net.blob @w : tensor<2x{declared}> from "{key}"').parse_module()
    with pytest.raises(CompileError, match=f"@w: the store has {kind}, the type says {declared}$"):
        Blobs(module, context.store).get("w")


def test_types_are_known_without_the_store(context: CompilerContext) -> None:
    module = Parser(context, 'net.blob @w : tensor<2x3xi8> from "sha256:00"').parse_module()
    blobs = Blobs(module, context.store)
    assert blobs.type("w").get_shape() == (2, 3)
    with pytest.raises(CompileError, match=r"no net\.blob @v is declared in the module"):
        blobs.type("v")


def test_put_declares_behind_the_last_blob(module: ModuleOp, blobs: Blobs) -> None:
    assert blobs.put(np.array([1, 2], dtype=np.int16), "a") == "a"
    assert blobs.put(rational_array([Fraction(1, 2)]), "b") == "b"
    assert declared(module) == ["w", "third", "a", "b"]
    assert isinstance(list(module.body.ops)[4], qann.InputOp)
    module.verify()
    assert "net.blob @a : tensor<2xi16> ints [1, 2]" in str(module)
    assert 'net.blob @b : tensor<1x!net.rational> rationals ["1/2"]' in str(module)


def test_put_into_a_module_without_blobs(context: CompilerContext) -> None:
    module = ModuleOp([])
    Blobs(module, context.store).put(np.array([1]), "a")
    assert declared(module) == ["a"]


def test_put_shares_equal_arrays_of_one_hint(module: ModuleOp, blobs: Blobs) -> None:
    assert blobs.put(np.array([1]), "a") == blobs.put(np.array([1]), "a")
    assert blobs.put(np.array([1]), "b") == "b"
    assert blobs.put(np.array([2]), "a") == "a_1"
    assert blobs.put(np.array([3]), "a") == "a_2"
    assert blobs.put(np.array([1]), "w") == "w_1"  # declared by the module


@pytest.mark.parametrize(
    ("hint", "name"),
    [("/layer1/Conv", "_layer1_Conv"), ("conv.0:1", "conv_0_1"), ("7", "b7"), ("", "b")],
)
def test_put_makes_identifiers(
    module: ModuleOp, context: CompilerContext, blobs: Blobs, hint: str, name: str
) -> None:
    assert blobs.put(np.array([1]), hint) == name
    again = Parser(context, str(module)).parse_module()
    assert declared(again) == declared(module)


def test_small_arrays_stand_in_the_text_and_large_ones_in_the_store(
    module: ModuleOp, blobs: Blobs, context: CompilerContext
) -> None:
    blobs.put(np.zeros(INLINE_ELEMENTS, dtype=np.int8), "small")
    blobs.put(np.zeros(INLINE_ELEMENTS + 1, dtype=np.int8), "large")
    small, large = list(module.body.ops)[2:4]
    assert isinstance(small, BlobOp)
    assert isinstance(large, BlobOp)
    assert small.key is None
    assert large.ints is None
    assert large.key is not None
    assert context.store.get(large.key.data).size == INLINE_ELEMENTS + 1


def test_blobs_read_what_others_wrote(
    module: ModuleOp, blobs: Blobs, context: CompilerContext
) -> None:
    arrays = [np.arange(-50, 50), rational_array([Fraction(1, 7)] * 40), np.array(5, dtype=np.int8)]
    names = [blobs.put(a, "a") for a in arrays]
    fresh = Blobs(module, context.store)
    for name, array in zip(names, arrays, strict=True):
        assert fresh.get(name).dtype == array.dtype
        assert np.array_equal(fresh.get(name), array)


def test_prune_erases_what_no_op_names(module: ModuleOp, blobs: Blobs) -> None:
    blobs.put(np.array([1]), "lost")
    blobs.prune()
    assert declared(module) == ["w"]
    # It goes on after its last blob was erased.
    blobs.put(np.array([1]), "next")
    assert sorted(declared(module)) == ["next", "w"]
    module.verify()


def test_prune_looks_into_arrays_of_symbols(context: CompilerContext) -> None:
    module = Parser(
        context,
        """
        net.blob @f : tensor<1x!net.rational> rationals ["1"]
        net.blob @o : tensor<1x!net.rational> rationals ["0"]
        %x = "test.op"() : () -> !qann.real<2>
        %y = qann.affine %x by [@f] plus @o : !qann.real<2> -> !qann.real<2>
        """,
    ).parse_module()
    Blobs(module, context.store).prune()
    assert declared(module) == ["f", "o"]


def test_ops_know_their_node(module: ModuleOp) -> None:
    given, product = list(module.body.ops)[2:]
    assert node_name(given) == "quantize1"
    assert node_name(product) == "qann.matmul"
    assert node_name(like(given, product)) == "quantize1"
    product.location = UnknownLoc()
    assert node_name(product) == "qann.matmul"
    product.location = NameLoc(StringAttr("fc"), UnknownLoc())
    assert node_name(product) == "fc"


def test_passes_refuse_a_plain_context(context: CompilerContext) -> None:
    assert compiler_context(context) is context
    with pytest.raises(CompileError, match="run it with elsac-opt"):
        compiler_context(Context())
