"""Text that was written by hand may say anything of a mapping: one line, and never a traceback."""

from pathlib import Path

import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.utils.exceptions import VerifyException

from elsac import compiler
from elsac.compiler import Options, check_options, lower, new_context
from elsac.context import CompileError
from elsac.dialects import token
from elsac.passes import claims
from elsac.targets import load_target
from elsac.tools.opt import main

EXAMPLE = Path(__file__).parents[2] / "filecheck/passes/tile-sources.mlir"
PLACED = 'tile-sources,place-cores{method="snake"}'
WHOLE = """
net.blob @w : tensor<2x1x1x1xi8> ints [1, 2]
net.blob @stairs : tensor<1x1x2xi64> ints [1, 2]
%x = token.source "x" shape [1, 4, 2] scale "1" zero 0 as "UINT4" coding bitplane
  : !token.stream<8x1 in 0 to 15>
%a = token.actor "conv" columns 0 to 2 of 2 reads %x
  : !token.stream<8x1 in 0 to 15> -> !token.stream<8x2 in 0 to 1> {
^bb0(%0: !token.stream<8x1 in 0 to 15>):
  token.accumulate %0 weight @w map <4x2 to 4x2 window <kernel [1, 1]>> groups 1
    : !token.stream<8x1 in 0 to 15>
  token.fire stairs @stairs alphabet ternary bits 9
}
token.probe "a_q" %a shape [2, 4, 2] zero 0 as "UINT4" : !token.stream<8x2 in 0 to 1>
"""
PREPARED = "estimate-load,bundle-packets"


def after(passes: str, text: str | None = None) -> ModuleOp:
    """A module (the example, or a text) after some passes, verified before them."""
    context = new_context(load_target("elsa-6x6"))
    module = Parser(context, text or EXAMPLE.read_text("utf-8")).parse_module()
    module.verify()
    lower(module, context, passes)
    return module


def changed(passes: str, *changes: tuple[str, str]) -> str:
    """The text of the example after some passes, with something else in it."""
    text = str(after(passes))
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize("figures", ["{}", '{bottleneck = "many"}', "{bottleneck = 1.0 : f64}"])
def test_claims_without_figures_do_not_stop_the_router(figures: str) -> None:
    text = changed(
        PLACED,
        (
            'token.claim "placement"',
            f'token.claim "partition" {figures}\n  token.claim "placement"',
        ),
    )
    assert 'token.claim "routing"' in str(after("route-streams", text))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("place [0, 0]", "place [99, 0]", "core 0 is at \\[99, 0\\], the mesh has 6x6 places"),
        ("place [0, 0]", "place [1, 0]", "the cores [01] and [01] are both at \\[1, 0\\]"),
    ],
)
def test_places_that_cannot_be_are_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(CompileError, match=message):
        after("route-streams", changed(PLACED, (old, new)))


def test_a_core_with_two_places_is_refused() -> None:
    text = changed(PLACED)
    text = text.replace("place [0, 0]", "place [3, 3]", 1)
    with pytest.raises(CompileError, match="core 0 is at \\[3, 3\\] and at \\[0, 0\\]"):
        after("route-streams", text)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("core 2", "core -1", "numbered from 0 on"),
        ("8x2 to 8x2", "2x0 to 8x2", "a line and a column at least"),
    ],
)
def test_what_makes_no_sense_is_refused_by_the_verifier(old: str, new: str, message: str) -> None:
    with pytest.raises(VerifyException, match=message):
        after("tile-sources", EXAMPLE.read_text("utf-8").replace(old, new))


def test_an_actor_reads_actors_and_sources() -> None:
    text = changed("tile-sources").replace(
        "  %a = token.actor",
        '  %z = "test.op"() : () -> !token.stream<6x1 in 0 to 15>\n  %a = token.actor',
    )
    text = text.replace("reads %x, %x_1 rates", "reads %z, %x_1 rates")
    context = new_context(load_target("elsa-6x6"))
    context.allow_unregistered = True
    module = Parser(context, text).parse_module()
    for name in ("partition", "tile-columns", "convert-token-to-elsa"):
        with pytest.raises(CompileError, match=f"{name}: 'conv' reads what is no stream of an"):
            lower(module, context, name)


def test_an_order_that_nobody_knows_is_refused() -> None:
    text = changed(
        f"{PLACED},route-streams,allocate-memory", ("coding bitplane", "coding bitplane")
    ).replace("of 8 rates", 'of 8 order "spiral" rates')
    with pytest.raises(CompileError, match="no order 'spiral'; expected raster, columns, shells"):
        after("convert-token-to-elsa", text)


@pytest.mark.parametrize("name", ["partition", "tile-columns"])
@pytest.mark.parametrize("before", ["tile-sources", 'order-spines{schedule="raster"}'])
def test_what_is_cut_is_not_cut_again(name: str, before: str) -> None:
    with pytest.raises(CompileError, match=f"{name}: the (input|layer) '.*' is cut into tiles"):
        after(f"{before},{name}")


def test_what_is_not_cut_may_be_cut_more_than_once() -> None:
    after(f"{PREPARED},tile-columns,partition", WHOLE)


def test_assigning_cores_takes_the_claim_of_a_partition_back() -> None:
    module = after(f"{PREPARED},partition,assign-cores", WHOLE)
    assert not any(isinstance(o, token.ClaimOp) for o in module.body.ops)


@pytest.mark.parametrize("seed", [-1, 2**31, 2**70])
def test_seeds_beyond_what_solvers_take_are_refused(seed: int) -> None:
    with pytest.raises(CompileError, match="the seed"):
        check_options(Options(seed=seed))
    for name in ("partition", "place-cores", "route-streams"):
        with pytest.raises(CompileError, match=f"{name}: expected an effort"):
            after(f"{PREPARED},{name}{{seed={seed}}}", WHOLE)


def test_the_greatest_seed_is_one() -> None:
    assert compiler.MOST_SEED == claims.MOST_SEED
    after(f"{PREPARED},partition{{seed={claims.MOST_SEED}}}", WHOLE)


@pytest.mark.parametrize(
    ("name", "message"),
    [("program.bin", "Unrecognized file extension 'bin'"), ("program.mlir", "is not UTF-8")],
)
def test_a_binary_file_is_refused_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"ELSA\xff\xfe\x00")
    monkeypatch.setattr("sys.argv", ["elsac-opt", str(path)])
    with pytest.raises(SystemExit, match=message) as caught:
        main()
    assert "\n" not in str(caught.value)
