"""A transformer block under many mappings: heads and rows cut anywhere, on any core, and still the
integers of the `spiking` level.
"""

import dataclasses
import random
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from elsac.compiler import Options, lower, new_context, pipeline
from elsac.context import Blobs, CompileError, CompilerContext
from elsac.dialects import token
from elsac.dialects.net import int_attr
from elsac.emit import emit_program
from elsac.interpreters.spiking import SpikingResult, run_spiking
from elsac.passes.verify_mapping import VerifyMapping
from elsac.runtime.bindings import Host
from elsac.runtime.container import from_bytes, to_bytes
from elsac.runtime.emulator import load_image, run_sample
from elsac.runtime.program import Program
from elsac.targets import load_target
from tests.properties.test_mappings import scatter_tiles
from tests.unit.interpreters.attention import HEAD, TOKENS, WIDTH, block

HEADER = {"network": "block", "pipeline": "", "alphabet": "ternary", "coding": "bitplane"}
HOST: dict[str, Any] = {
    "inputs": [
        {
            "name": "x",
            "tracer": "x",
            "dtype": "int8",
            "shape": [TOKENS - 1, WIDTH],
            "head": [],
            "quantize": False,
        }
    ],
    "nodes": [],
    "outputs": [],
}


def quick(**options: Any) -> Options:
    return Options(exit="none", **{"effort": 0, **options})


def lowered(
    options: Options, last: str, *, mask: bool = False, **target: Any
) -> tuple[ModuleOp, CompilerContext]:
    """The block, compiled up to a pass, for elsa-6x6 with other numbers."""
    context = new_context(dataclasses.replace(load_target("elsa-6x6"), **target))
    module = Parser(context, block(mask=mask)).parse_module()
    lower(module, context, pipeline(context.target, options), last)
    module.verify()
    return module, context


def image(seed: int = 0) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(-8, 8, (TOKENS - 1, WIDTH))


@cache
def expected(mask: bool = False) -> SpikingResult:
    """What the `spiking` level gives."""
    module, context = lowered(quick(), "prove-ranges", mask=mask)
    return run_spiking(module, context.store, {"x": image()[np.newaxis]}, check=True)


def check_run(program: Program, jitter: int | None = None, mask: bool = False) -> None:
    """Every quantized tensor and the charges of the answer are those of the `spiking` level."""
    program = from_bytes(to_bytes(program))
    outcome = run_sample(load_image(program), [image()], engine="interpreter", jitter=jitter)
    host, wanted = Host(program), expected(mask)
    assert {r.name for r in host.probes} == set(wanted.tensors)
    for reading in host.probes:
        found = reading.integers(outcome.state.read)
        assert np.array_equal(found, wanted.tensors[reading.name][0]), reading.name
    (value,) = host.values
    found = value.reading.natural(outcome.state.read)
    assert np.array_equal(found, wanted.charges["logits"][0])


def programmed(module: ModuleOp, context: CompilerContext) -> Program:
    return emit_program(module, context, HEADER, HOST, {})


def actors(module: ModuleOp) -> list[token.ActorOp]:
    return [o for o in module.body.ops if isinstance(o, token.ActorOp)]


def tiles_of(module: ModuleOp, end: Any) -> list[token.ActorOp]:
    """The tiles of layers that fire in some way."""
    return [a for a in actors(module) if isinstance(a.body.block.last_op, end)]


def tiles_with(module: ModuleOp, out: str) -> list[token.ActorOp]:
    """The tiles of products with heads in rows, or in columns."""
    return [
        a
        for a in actors(module)
        for step in list(a.body.block.ops)[:1]
        if isinstance(step, token.FactorOp) and f"out {out}>" in str(step.product)
    ]


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("effort", [0, 1])
def test_a_block_runs_as_the_spiking_level_says(effort: int, mask: bool) -> None:
    module, context = lowered(quick(effort=effort), "convert-token-to-elsa", mask=mask)
    check_run(programmed(module, context), mask=mask)


# One memory after the other is made too small for whole layers.
SMALL: list[tuple[int, dict[str, int]]] = [
    (0, {"membrane_sram_bytes_per_pe": 137}),
    (0, {"weight_sram_bytes_per_pe": 24}),
    (0, {"tracer_sram_bytes_per_pe": 3, "mesh_width": 8, "mesh_height": 8}),
    (1, {"weight_sram_bytes_per_pe": 18, "mesh_width": 8, "mesh_height": 8}),
    (1, {"circuits_per_pe": 1}),
]


@pytest.mark.parametrize(("effort", "target"), SMALL)
def test_small_targets_cut_rows_and_heads(effort: int, target: dict[str, int]) -> None:
    module, _ = lowered(quick(effort=effort), "verify-mapping", **target)
    rows = tiles_of(module, token.RowFunction)
    assert len(rows) + len(tiles_with(module, "columns")) > 4  # of two norms and two products
    assert all(a.columns == (0, a.total.value.data) for a in rows)  # whole rows, always
    module, context = lowered(quick(effort=effort), "convert-token-to-elsa", **target)
    check_run(programmed(module, context), jitter=1)


def scattered(seed: int, last: str, mask: bool) -> tuple[ModuleOp, CompilerContext]:
    """The block cut at random, its tiles on random cores."""
    module, context = lowered(quick(), "bundle-packets", mask=mask)
    blobs = Blobs(module, context.store)
    scatter_tiles(module, blobs, random.Random(seed), 30)
    steps = pipeline(context.target, quick(routing="o1turn", placement="random", seed=seed))
    lower(module, context, steps.split(",tile-columns,assign-cores,")[1], last)
    module.verify()
    return module, context


@pytest.mark.parametrize("seed", range(12))
def test_no_mapping_changes_an_integer(seed: int) -> None:
    module, context = scattered(seed, "convert-token-to-elsa", mask=seed % 2 == 1)
    check_run(programmed(module, context), jitter=seed, mask=seed % 2 == 1)


def test_random_cuts_divide_heads() -> None:
    """The test before this one is about something: heads are cut in the middle, and tiles have
    parts of several heads.
    """
    rows, columns = set(), set()
    for seed in range(12):
        module, _ = scattered(seed, "verify-mapping", mask=False)
        for tile in tiles_with(module, "rows"):
            first = tile.row_base
            rows.add((first, first + token.stream(tile.output).spines.data))
        columns |= {a.columns for a in tiles_with(module, "columns")}
    assert any(first % TOKENS for first, _ in rows)
    assert any(0 < first < TOKENS < stop < 2 * TOKENS for first, stop in rows)
    assert any(0 < first < HEAD < stop for first, stop in columns)


# What a mapping may not do to the tiles of a transformer.


def drop(actor: token.ActorOp, number: int) -> None:
    """Let a tile not read one of its streams."""
    step = list(actor.body.block.ops)[number]
    step.detach()
    step.erase()
    argument = actor.body.block.args[number]
    actor.operands = [v for n, v in enumerate(actor.operands) if n != number]
    actor.body.block.erase_arg(argument)


def test_a_factor_that_is_not_read_is_missed() -> None:
    """Of the values some are for heads that a tile has sums of, and for no others."""
    module, context = scattered(3, "verify-mapping", mask=False)
    tile = next(a for a in tiles_with(module, "columns") if len(a.inputs) > 2)
    drop(tile, 0)
    with pytest.raises(CompileError, match=r"its rows follow .* a stream that it reads 0 times"):
        VerifyMapping().apply(context, module)


def test_a_factor_that_claims_another_origin_is_refused() -> None:
    module, context = scattered(3, "verify-mapping", mask=False)
    step = next(
        s
        for a in actors(module)
        for s in a.body.block.ops
        if isinstance(s, token.FactorOp) and s.spine.value.data > 0
    )
    step.spine = int_attr(step.spine.value.data - 1)
    with pytest.raises(CompileError, match=r"takes the stream of .* for one from column"):
        VerifyMapping().apply(context, module)


@pytest.mark.parametrize(
    ("end", "what"),
    [
        (token.SoftmaxOp, "weights"),
        (token.SoftmaxOp, "membranes"),
        (token.NormOp, "membranes"),
        (token.CurveOp, "membranes"),
    ],
)
def test_a_byte_less_is_too_little(end: type[Any], what: str) -> None:
    """Delivered tracers, exponentials, thresholds and breakpoints have their place in memory."""
    module, context = lowered(quick(), "allocate-memory", mask=True)
    tile = tiles_of(module, end)[0]
    assert tile.memory is not None
    memory = dict(tile.memory.data)
    memory[f"{what}_bytes"] = int_attr(memory[f"{what}_bytes"].value.data - 1)  # type: ignore[attr-defined]
    tile.memory = type(tile.memory)(memory)
    with pytest.raises(CompileError, match=f"bytes for {what}, and needs"):
        VerifyMapping().apply(context, module)


def test_a_route_that_leaves_out_keys_is_refused() -> None:
    """Every row of a softmax waits for all keys: they are sent to all tiles of their head."""
    module, context = scattered(3, "verify-mapping", mask=False)
    for actor in tiles_of(module, token.SoftmaxOp):
        right = [
            v.owner
            for v, s in zip(actor.inputs, list(actor.body.block.ops)[:-1], strict=True)
            if isinstance(s, token.FactorOp) and s.side.data == "right"
        ]
        sender = next((n for n in right if n.routes and actor.core != n.core), None)  # type: ignore[union-attr]
        if isinstance(sender, token.ActorOp):
            break
    assert isinstance(sender, token.ActorOp) and sender.routes is not None
    old = sender.routes.data
    spines = token.stream(sender.output).spines.data
    cut = [
        token.RouteAttr(r.path, r.tree.data, r.weight.data, r.channel.data, (0, 1), 1) for r in old
    ]
    assert spines > 1
    sender.routes = type(sender.routes)(cut)
    with pytest.raises(CompileError, match="verify-mapping: "):
        VerifyMapping().apply(context, module)
