"""The compiler as a function: its pipeline is data, and every level is text to read back."""

import dataclasses
import re
from functools import cache
from io import StringIO
from itertools import count
from pathlib import Path

import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.passes import PassPipeline
from xdsl.printer import Printer

import samples
from elsac.compiler import (
    AFTER,
    LEVELS,
    MODULES,
    Options,
    compile_onnx,
    lower,
    new_context,
    pipeline,
)
from elsac.context import CompileError, CompilerContext
from elsac.dialects import token
from elsac.dialects.net import BlobOp
from elsac.passes.assign_cores import no_room
from elsac.passes.capacity import Need
from elsac.registry import PASSES, pass_factories
from elsac.runtime.container import to_bytes
from elsac.targets import load_target, target_names
from elsac.tools.opt import ElsacOpt

SAMPLES = Path(samples.__file__).parent
NETWORKS = ["digits_cnn.onnx", "digits_mlp.onnx"]
MOST_OPS = 1000


@cache
def levels(network: str) -> tuple[dict[str, str], dict[str, str], dict[str, int], CompilerContext]:
    """The text of all levels, custom and generic, their numbers of ops, and the context."""
    custom: dict[str, str] = {}
    generic: dict[str, str] = {}
    counts: dict[str, int] = {}
    level_of = {last: level for level, last in LEVELS.items()}

    def keep(name: str, module: ModuleOp) -> None:
        if name in level_of:
            module.verify()
            custom[level_of[name]] = text(module)
            generic[level_of[name]] = text(module, generic=True)
            counts[level_of[name]] = sum(1 for _ in module.walk())

    compiled = compile_onnx(SAMPLES / network, load_target("elsa-6x6"), level="elsa", after=keep)
    return custom, generic, counts, compiled.context


def text(module: ModuleOp, generic: bool = False) -> str:
    stream = StringIO()
    Printer(stream, print_generic_format=generic).print_op(module)
    return stream.getvalue()


def reread(source: str, context: CompilerContext) -> ModuleOp:
    module = Parser(context, source).parse_module()
    module.verify()
    return module


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_level_reads_back(network: str, level: str) -> None:
    custom, generic, _, context = levels(network)
    assert text(reread(custom[level], context)) == custom[level]
    assert text(reread(generic[level], context), generic=True) == generic[level]
    # Both say the same module.
    assert text(reread(generic[level], context)) == custom[level]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_level_is_small(network: str, level: str) -> None:
    custom, _, counts, _ = levels(network)
    assert counts[level] < MOST_OPS
    assert len(custom[level].encode()) < 1 << 20  # weights are not in the text


@pytest.mark.parametrize("network", NETWORKS)
def test_levels_speak_one_dialect(network: str) -> None:
    custom, _, _, context = levels(network)
    for level, source in custom.items():
        ops = [o for o in reread(source, context).body.ops if not isinstance(o, BlobOp)]
        names = {o.name.split(".")[0] for o in ops} - {"token"}
        assert names == ({level} if level != "token" else set())


@pytest.mark.parametrize("network", NETWORKS)
def test_a_level_can_be_lowered_on(network: str) -> None:
    """What one process printed, another compiles to the same end."""
    custom, _, _, context = levels(network)
    spec = pipeline(context.target, Options())
    rest = spec[spec.index("convert-spiking-to-token") :]
    module = reread(custom["spiking"], context)
    lower(module, context, rest)
    assert without_hints(text(module)) == without_hints(custom["elsa"])


def without_hints(source: str) -> str:
    """The text without threads' layers: nodes are locations, which are not printed before."""
    return "\n".join(line for line in source.splitlines() if "elsa.thread" not in line)


@pytest.mark.parametrize("coding", ["bitplane", "spikes", "analog"])
@pytest.mark.parametrize("rule", [None, "nearest", "floor"])
@pytest.mark.parametrize("effort", [0, 1, 2])
@pytest.mark.parametrize("target", target_names())
def test_a_pipeline_is_text(target: str, effort: int, rule: str | None, coding: str) -> None:
    if rule is not None and load_target(target).alphabet != "shift":
        return  # refused, see below
    options = Options(coding, 3, rule, effort, placement="random", profile='a "b".json')
    spec = pipeline(load_target(target), options)
    steps = PassPipeline.parse_spec(pass_factories(), spec).passes
    by_name = {s.name: s for s in steps}
    other = {"partition"} if effort == 0 else {"tile-columns", "assign-cores"}
    assert list(by_name) == [n for n in PASSES if n not in {"canonicalize", "dce"} | other]
    neurons, places = by_name["convert-qann-to-spiking"], by_name["place-cores"]
    assert dataclasses.asdict(neurons) == {
        "alphabet": options.shift_rule or load_target(target).spike_rule,
        "coding": options.coding,
        "fraction": 32,
    }
    assert dataclasses.asdict(places) == {"method": "random", "effort": effort, "seed": 3}
    profile = {"profile": 'a "b".json', "sha256": None}
    assert dataclasses.asdict(by_name["estimate-load"]) == profile


def test_elsac_opt_takes_the_pipeline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "empty.mlir"
    path.write_text("builtin.module {}")
    ElsacOpt(args=["-p", pipeline(load_target("elsa-6x6"), Options()), str(path)]).run()  # type: ignore[no-untyped-call]
    assert "token.packet_format" in capsys.readouterr().out


def test_the_levels_end_with_passes_of_the_pipeline() -> None:
    spec = pipeline(load_target("elsa-6x6"), Options())
    order = [s.name for s in PassPipeline.parse_spec(pass_factories(), spec).passes]
    ends = [order.index(last) for last in LEVELS.values()]
    assert ends == sorted(ends)
    assert ends[-1] == len(order) - 1


def test_a_shift_rule_needs_a_shift_target() -> None:
    with pytest.raises(CompileError, match="'elsa-6x6' has ternary spikes; a shift rule needs"):
        pipeline(load_target("elsa-6x6"), Options(shift_rule="floor"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(placement='a"b'), "the placement 'a\"b' is not one of anneal, hilbert-swap"),
        (Options(coding='bitplane" x="'), "is not one of bitplane, spikes, analog"),
        (Options(shift_rule="round"), "'round' is not one of ternary, floor, nearest"),
        (Options(seed="0} dce"), "the seed '0} dce' is not an integer"),  # type: ignore[arg-type]
        (Options(effort=3), "the effort 3 is not one of 0, 1, 2"),
        (Options(routing="yx"), "the routing 'yx' is not one of auto, xy, o1turn, valiant, lp"),
        (Options(packet="udp"), "the packet 'udp' is not one of baer, bundle"),
        (Options(schedule="spiral"), "the schedule 'spiral' is not one of raster, columns"),
        (Options(objective="beauty"), "the objective 'beauty' is not one of latency, energy"),
        (Options(tiling="rows"), "the tiling 'rows' is not one of both, columns"),
        (Options(flit_bits=4), "flits of 4 bits; expected 8 to 65536"),
        (Options(profile="a\nb"), "is no name of a file"),
    ],
)
def test_options_that_no_pass_knows_are_refused(options: Options, message: str) -> None:
    with pytest.raises(CompileError, match=re.escape(message)):
        pipeline(load_target("elsa-6x6-shift"), options)


def test_unknown_levels_are_refused() -> None:
    with pytest.raises(
        CompileError, match="the level 'hex' is not one of qann, spiking, token, elsa, bin"
    ):
        compile_onnx(SAMPLES / NETWORKS[1], load_target("elsa-6x6"), level="hex")


def test_a_store_without_the_blob_is_a_refusal_of_the_pass() -> None:
    context = new_context(load_target("elsa-6x6"))
    source = """
    net.blob @i : tensor<2xi64> from "sha256:00"
    %x = "test.op"() : () -> !qann.real<2>
    %y = qann.index %x at @i for "Reshape" : !qann.real<2> -> !qann.real<2>
    """
    with pytest.raises(CompileError, match="pass 'check-blobs': the weight store holds no blob"):
        lower(reread(source, context), context, "check-blobs")


def test_a_network_larger_than_any_mesh_is_refused_in_words() -> None:
    target = load_target("elsa-6x6")
    type = token.StreamType(1, 1, 0, 3)
    groups = [([token.ActorOp("fc", (0, 1, 1), [], type)], Need(8))]
    assert "use a TOML file with a mesh of at least 256x256" in no_room(groups * 256**2, target)
    assert "no mesh is as large" in no_room(groups * (256**2 + 1), target)


def test_lower_stops_where_it_is_told_and_reports() -> None:
    context = new_context(load_target("elsa-6x6"))
    seen: list[str] = []
    spec = pipeline(context.target, Options())
    seconds = lower(ModuleOp([]), context, spec, "prove-ranges", lambda name, _: seen.append(name))
    before = ["check-blobs", "fold", "fold-products", "convert-qann-to-spiking", "fold-index-maps"]
    assert seen == [*before, "prove-ranges"]
    assert [name for name in seconds if name not in (MODULES, AFTER)] == seen


def test_a_program_is_the_same_every_time() -> None:
    target = load_target("elsa-6x6")
    first, second = (compile_onnx(SAMPLES / NETWORKS[1], target) for _ in range(2))
    assert first.program is not None
    assert second.program is not None
    assert to_bytes(first.program) == to_bytes(second.program)
    assert {"import", "fold", "convert-token-to-elsa", "emit"} <= set(first.seconds)


def test_the_times_of_a_compilation_leave_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = count()
    monkeypatch.setattr("elsac.compiler.time.perf_counter", lambda: float(next(clock)))
    seconds = compile_onnx(SAMPLES / NETWORKS[1], load_target("elsa-6x6")).seconds
    # Others may have read the clock as well; what the rows do not cover would be missing here.
    assert sum(seconds.values()) == next(clock) - 1
