"""The compiler as a function: from an ONNX file to a program, along a pipeline that is data."""

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass, PassPipeline
from xdsl.utils.exceptions import PassFailedException, VerifyException

from elsac.context import CompileError, CompilerContext
from elsac.registry import dialect_factories, pass_factories
from elsac.runtime.ports import NetworkInput
from elsac.runtime.program import Program
from elsac.store import StoreError
from elsac.targets import Target

LEVELS = {
    "qann": "fold-products",
    "spiking": "prove-ranges",
    "token": "verify-mapping",
    "elsa": "convert-token-to-elsa",
}
"""The pass after which each level is complete."""

MOST_TABLE_BITS = 52


@dataclass(frozen=True)
class Options:
    """What a user can choose about a compilation. None leaves a choice to the target, or to the
    effort.
    """

    coding: str = "bitplane"
    seed: int = 0
    shift_rule: str | None = None
    effort: int = 1
    """0: the first mapping that fits, quickly; 1: a good one; 2: the best that can be proved."""
    objective: str = "latency"
    tiling: str = "both"
    placement: str | None = None
    routing: str | None = None
    packet: str | None = None
    flit_bits: int | None = None
    schedule: str = "raster"
    table_bits: int | None = None
    """Bits behind the point in the tables of softmax and of normalizations."""
    exit: str | None = None
    """Rule by which an answer may end a sample early; None: by class, if it has classes."""
    exit_channels: str | None = None
    """Channels of objectness, FIRST:STOP:STEP, for the rule objectness."""
    profile: str | None = None
    """A file with the spikes of each layer and step, from which traffic and work are estimated."""
    profile_sha256: str | None = None
    """What the bytes of that file have to have, if it is said."""


@dataclass
class Compiled:
    """A module at some level, and the program if the pipeline ran to the end."""

    module: ModuleOp
    context: CompilerContext
    pipeline: str
    program: Program | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    """By pass and by what is no pass: their sum is the time of the whole compilation."""


CHOICES: dict[str, tuple[str, ...]] = {
    "coding": ("bitplane", "spikes", "analog"),
    "shift_rule": ("ternary", "floor", "nearest"),
    "objective": ("latency", "energy", "cores"),
    "tiling": ("both", "columns"),
    "placement": ("anneal", "hilbert-swap", "hilbert", "snake", "random"),
    "routing": ("auto", "xy", "o1turn", "valiant", "lp"),
    "packet": ("baer", "bundle", "aer-truenorth", "aer-morphic"),
    "schedule": ("raster", "columns", "shells", "shells-padded", "bands", "serpentine"),
    "exit": ("class", "objectness", "none"),
}
"""What passes know by name. Literals, so that the command line need not load the passes."""

EFFORTS = (0, 1, 2)

MODULES, VERIFY, AFTER = "load modules", "verify module", "after passes"
"""Rows of the times of a compilation that are no passes: to import what is needed, to verify the
first and the last module, and what the caller does after each pass."""

MOST_SEED = 2**31 - 1
"""The greatest seed: solvers count theirs in 32 bits, with a sign."""

_SLICE = re.compile(r"-?\d{0,9}(:-?\d{0,9}){0,2}")


def check_options(options: Options) -> None:
    """Refuse choices that no pass knows: they become text of the pipeline, so quotes in them would
    end as errors of its parser.
    """
    for name, known in CHOICES.items():
        value, label = getattr(options, name), name.replace("_", " ")
        optional = type(options).__dataclass_fields__[name].default is None
        if value not in known and not (value is None and optional):
            raise CompileError(f"the {label} {value!r} is not one of {', '.join(known)}")
    for name in ("seed", "effort", *([] if options.table_bits is None else ["table_bits"])):
        if not isinstance(getattr(options, name), int):
            raise CompileError(f"the {name} {getattr(options, name)!r} is not an integer")
    if not 0 <= options.seed <= MOST_SEED:
        raise CompileError(f"the seed {options.seed} is not one of 0 to {MOST_SEED}")
    if options.effort not in EFFORTS:
        raise CompileError(f"the effort {options.effort} is not one of 0, 1, 2")
    if options.table_bits is not None and not 1 <= options.table_bits <= MOST_TABLE_BITS:
        raise CompileError(f"tables of {options.table_bits} bits; expected 1 to {MOST_TABLE_BITS}")
    if options.flit_bits is not None and not 8 <= options.flit_bits <= 65536:
        raise CompileError(f"flits of {options.flit_bits} bits; expected 8 to 65536")
    if options.exit_channels is not None and not _SLICE.fullmatch(options.exit_channels):
        channels = options.exit_channels
        raise CompileError(f"the channels {channels!r} are no slice FIRST:STOP:STEP, such as 4::85")
    if options.profile is not None and not options.profile.isprintable():
        raise CompileError(f"the profile {options.profile!r} is no name of a file")


def pipeline(target: Target, options: Options) -> str:
    """The passes and their options, as `elsac-opt -p` takes them."""
    return ",".join(pipeline_steps(target, options))


def pipeline_steps(target: Target, options: Options) -> list[str]:
    """The passes, each with its options."""
    check_options(options)
    alphabet = target.spike_rule
    if options.shift_rule is not None:
        if target.alphabet != "shift":
            raise CompileError(
                f"target '{target.name}' has ternary spikes; a shift rule needs a shift target, "
                "for example --target elsa-6x6-shift"
            )
        alphabet = options.shift_rule
    # Circuits that are not shared bind like memories, of which the quick passes know nothing.
    shared = target.circuit_sharing == "time"
    quick, effort, seed = options.effort == 0, options.effort, options.seed
    placement = options.placement or ("snake" if quick else "anneal")
    routing = options.routing or ("xy" if quick else "auto")
    partition = _step(
        "partition", objective=options.objective, tiling=_tiling(options), effort=effort, seed=seed
    )
    return [
        "check-blobs",
        "fold",
        "fold-products",
        _step(
            "convert-qann-to-spiking",
            alphabet=alphabet,
            coding=options.coding,
            fraction=options.table_bits,
        ),
        "fold-index-maps",
        "prove-ranges",
        "convert-spiking-to-token",
        _step("order-spines", schedule=options.schedule),
        _step("estimate-load", profile=options.profile, sha256=options.profile_sha256),
        _step("bundle-packets", kind=options.packet, flit=options.flit_bits),
        *(["tile-columns", "assign-cores"] if quick and shared else [partition]),
        "tile-sources",
        _step("place-cores", method=placement, effort=effort, seed=seed),
        _step("route-streams", method=routing, seed=seed),
        "allocate-memory",
        "verify-mapping",
        _step("convert-token-to-elsa", exit=options.exit, channels=options.exit_channels),
    ]


def _tiling(options: Options) -> str:
    """What may be cut: the deferral of padded shells speaks of whole maps."""
    return "columns" if options.schedule == "shells-padded" else options.tiling


def _step(name: str, **options: str | int | None) -> str:
    """One pass of a pipeline with its options, those of None left to the pass."""
    given = {key: value for key, value in options.items() if value is not None}
    texts = [f"{k}={v}" if isinstance(v, int) else f'{k}="{_escaped(v)}"' for k, v in given.items()]
    return f"{name}{{{' '.join(texts)}}}" if texts else name


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def new_context(target: Target) -> CompilerContext:
    """A context with all dialects registered."""
    context = CompilerContext(target=target)
    for name, factory in dialect_factories().items():
        context.register_dialect(name, factory)
    return context


AfterPass = Callable[[str, ModuleOp], None]


class Laps:
    """Seconds by what they were spent on: each lap begins where the last one ended."""

    def __init__(self, seconds: dict[str, float] | None = None) -> None:
        self.seconds = {} if seconds is None else seconds
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Add the time since the last lap."""
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now


def lower(
    module: ModuleOp,
    context: CompilerContext,
    spec: str,
    last: str | None = None,
    after: AfterPass | None = None,
    laps: Laps | None = None,
) -> dict[str, float]:
    """Run a pipeline up to the pass `last`; call `after` with each pass's name and the module.
    Seconds per pass, those that `laps` holds and of `MODULES`.
    """
    laps = laps or Laps()
    steps = PassPipeline.parse_spec(pass_factories(), spec).passes
    laps.lap(MODULES)
    for step in steps:
        run(step, context, module)
        laps.lap(step.name)
        if after is not None:
            after(step.name, module)
            laps.lap(AFTER)
        if step.name == last:
            break
    return laps.seconds


def run(step: ModulePass, context: CompilerContext, module: ModuleOp) -> None:
    """Run one pass; its refusals as :class:`CompileError`."""
    try:
        step.apply(context, module)
    except (PassFailedException, StoreError, VerifyException) as error:
        raise CompileError(f"pass '{step.name}': {error}") from error


def compile_onnx(
    path: str | Path,
    target: Target,
    options: Options | None = None,
    level: str = "bin",
    after: AfterPass | None = None,
    ready: Callable[[list[NetworkInput]], None] | None = None,
) -> Compiled:
    """Compile a quantized ONNX file to a level: one of LEVELS, or `bin` for a program.

    `ready` is called with the network's inputs when it is read, before the passes run. Raises
    :class:`CompileError` for what cannot be compiled, with one line for the user.
    """
    laps = Laps()
    from elsac.frontends import import_onnx

    if level not in (*LEVELS, "bin"):
        raise CompileError(f"the level {level!r} is not one of {', '.join(LEVELS)}, bin")
    options = options or Options()
    spec = pipeline(target, options)
    named = pipeline(target, portable(options))
    context = new_context(target)
    laps.lap(MODULES)
    imported = import_onnx(path, context)
    laps.lap("import")
    if ready is not None:
        ready(inputs_of(imported.host))
        laps.lap(AFTER)
    imported.module.verify()
    laps.lap(VERIFY)
    if after is not None:
        after("import", imported.module)
        laps.lap(AFTER)
    lower(imported.module, context, spec, LEVELS.get(level), after, laps)
    imported.module.verify()
    laps.lap(VERIFY)
    compiled = Compiled(imported.module, context, spec, seconds=laps.seconds)
    if level not in LEVELS:
        compiled.program = emit(imported, context, named, target, options, Path(path).name)
        laps.lap("emit")
    return compiled


def inputs_of(host: Mapping[str, Any]) -> list[NetworkInput]:
    """Return the inputs of an imported network, of which `Imported.host` speaks, each once."""
    found = {i["name"]: NetworkInput(i["name"], i["dtype"], (*i["shape"],)) for i in host["inputs"]}
    return [*found.values()]


def portable(options: Options) -> Options:
    """The options without where the user keeps the profile: its base name, and what is in it."""
    if options.profile is None or options.profile_sha256 is not None:
        return options
    path = Path(options.profile)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return options  # the pass that reads it says why it cannot
    return replace(options, profile=path.name, profile_sha256=digest)


def fit_of(path: str | Path, target: Target, options: Options) -> dict[str, Any]:
    """What each layer of a network needs of a target, what binds, and what would fit, in JSON
    types: the fields of `elsac.mapping.partition.Fit`, `target`, `fits` and the `remedy` if not.
    """
    from elsac.frontends import import_onnx
    from elsac.passes.fitting import remedy_of
    from elsac.passes.partition import fit_of_module

    context = new_context(target)
    imported = import_onnx(path, context)
    lower(imported.module, context, pipeline(target, options), "bundle-packets")
    fit = fit_of_module(imported.module, context, _tiling(options))
    return {
        **asdict(fit),
        "fits": fit.fits,
        "target": target.to_dict(),
        "remedy": remedy_of(fit, target),
    }


def emit(
    imported: Any,
    context: CompilerContext,
    spec: str,
    target: Target,
    options: Options,
    name: str,
) -> Program:
    """The program of a module that is down at the `elsa` level."""
    from elsac.emit import emit_program

    header = {
        "network": name,
        "pipeline": spec,
        "alphabet": options.shift_rule or target.spike_rule,
        "coding": options.coding,
    }
    return emit_program(imported.module, context, header, imported.host, imported.arrays)
