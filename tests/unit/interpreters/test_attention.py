"""A transformer block: the same integers unfolded, folded, and as spikes under every schedule."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from elsac.compiler import lower, new_context
from elsac.context import CompilerContext
from elsac.dialects import qann, spiking
from elsac.interpreters.qann import QannResult, run_qann
from elsac.interpreters.rational import Real
from elsac.interpreters.spiking import run_spiking
from elsac.targets import load_target
from tests.unit.interpreters.attention import HEADS, TOKENS, WIDTH, block

X = np.random.default_rng(1).integers(-8, 8, (3, 4, WIDTH))
FOLDS = "fold,fold-products"


@cache
def module(mask: bool, passes: str = "") -> tuple[ModuleOp, CompilerContext]:
    context = new_context(load_target("elsa-6x6-shift"))
    parsed = Parser(context, block(mask=mask)).parse_module()
    parsed.verify()
    if passes:
        lower(parsed, context, passes)
        parsed.verify()
    return parsed, context


@cache
def reference(mask: bool) -> QannResult:
    parsed, context = module(mask)
    return run_qann(parsed, context.store, {"x": X})


def same(outputs: Any, mask: bool) -> bool:
    logits = reference(mask).outputs["logits"]
    assert isinstance(logits, Real)
    return logits.equals(outputs["logits"])


@pytest.mark.parametrize("mask", [False, True])
def test_every_tensor_of_the_block_has_many_levels(mask: bool) -> None:
    """Otherwise the tests below would compare little."""
    tensors = reference(mask).tensors
    assert all(len(np.unique(t)) >= 7 for t in tensors.values()), tensors
    rows = tensors["p"].reshape(3, HEADS, TOKENS, TOKENS)
    assert np.any(rows[..., np.triu_indices(TOKENS, 1)[0], np.triu_indices(TOKENS, 1)[1]]) != mask


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("passes", ["fold", FOLDS, f"{FOLDS},{FOLDS}"])
def test_folding_changes_no_integer(passes: str, mask: bool) -> None:
    parsed, context = module(mask, passes)
    result = run_qann(parsed, context.store, {"x": X})
    for name, tensor in reference(mask).tensors.items():
        assert np.array_equal(result.tensors[name], tensor), name
    assert same(result.outputs, mask)


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("alphabet", ["ternary", "floor", "nearest"])
@pytest.mark.parametrize("schedule", ["cascade", "delay", "random"])
@pytest.mark.parametrize("folds", ["fold", FOLDS])
def test_spikes_end_at_the_integers(folds: str, schedule: Any, alphabet: str, mask: bool) -> None:
    convert = f'convert-qann-to-spiking{{alphabet="{alphabet}"}}'
    parsed, context = module(mask, f"{folds},{convert},fold-index-maps,prove-ranges")
    result = run_spiking(parsed, context.store, {"x": X}, schedule, check=True)
    assert result.terminal.all()
    for name, tensor in reference(mask).tensors.items():
        assert np.array_equal(result.tensors[name].reshape(tensor.shape), tensor), name
    assert same(result.outputs, mask)
    assert len(result.undecided) == 5
    assert not any(u.any() for u in result.undecided.values())


def test_no_map_is_left_around_the_heads() -> None:
    folded, _ = module(True, FOLDS)
    maps = [op for op in folded.body.ops if isinstance(op, qann.IndexOp)]
    assert maps == []
    layouts = [
        (op.map.left.data, op.map.right.data, bool(op.map.right_transposed.data), op.map.out.data)
        for op in folded.body.ops
        if isinstance(op, qann.ProductOp)
    ]
    assert layouts == [("columns", "columns", True, "rows"), ("rows", "columns", False, "columns")]


def test_coarse_tables_are_caught_in_the_act() -> None:
    """With few fractional bits rows are undecided, or all integers are the same nevertheless."""
    convert = "convert-qann-to-spiking{fraction=5}"
    parsed, context = module(False, f"{FOLDS},{convert},fold-index-maps,prove-ranges")
    result = run_spiking(parsed, context.store, {"x": X}, check=True)
    undecided = {op.results[0].name_hint: u for op, u in result.undecided.items()}
    assert undecided["p"].any()
    assert not undecided["gelu"].any()
    different = [n for n, t in reference(False).tensors.items()
                 if not np.array_equal(result.tensors[n].reshape(t.shape), t)]  # fmt: skip
    assert "p" in different


def test_rows_fire_without_any_input() -> None:
    """A softmax of nothing is uniform, a normalization of nothing beta: they start at once."""
    parsed, context = module(False, f"{FOLDS},convert-qann-to-spiking,prove-ranges")
    zero, x = np.zeros((1, 4, WIDTH), dtype=int), np.concatenate([X[:1] * 0, X[:1]])
    alone = run_spiking(parsed, context.store, {"x": zero}, check=True)
    beside = run_spiking(parsed, context.store, {"x": x}, check=True)
    for op, (positive, _) in alone.spikes.items():
        if isinstance(op, spiking.SoftmaxOp):
            assert positive[0] >= HEADS * TOKENS * TOKENS
    for name, tensor in alone.tensors.items():
        assert np.array_equal(tensor[0], beside.tensors[name][0]), name
