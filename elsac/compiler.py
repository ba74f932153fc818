"""The compiler as a function: from an ONNX file to a program, along a pipeline that is data."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass, PassPipeline
from xdsl.utils.exceptions import PassFailedException, VerifyException

from elsac.context import CompileError, CompilerContext
from elsac.registry import dialect_factories, pass_factories
from elsac.runtime.program import Program
from elsac.store import StoreError
from elsac.targets import Target

LEVELS = {
    "qann": "fold",
    "spiking": "prove-ranges",
    "token": "allocate-memory",
    "elsa": "convert-token-to-elsa",
}
"""The pass after which each level is complete."""


@dataclass(frozen=True)
class Options:
    """What a user can choose about a compilation."""

    coding: str = "bitplane"
    seed: int = 0
    placement: str = "snake"
    shift_rule: str | None = None  # the target's own, if None


@dataclass
class Compiled:
    """A module at some level, and the program if the pipeline ran to the end."""

    module: ModuleOp
    context: CompilerContext
    pipeline: str
    program: Program | None = None
    seconds: dict[str, float] = field(default_factory=dict)


PLACEMENTS = ("snake", "random")
"""The methods of the pass `place-cores`."""


def check_options(options: Options) -> None:
    """Refuse choices that no pass knows: they become text of the pipeline, so quotes in them would
    end as errors of its parser.
    """
    from elsac.dialects.spiking.types import Alphabet, Coding

    for name, value, known in (
        ("coding", options.coding, tuple(Coding)),
        ("placement", options.placement, PLACEMENTS),
        ("shift rule", options.shift_rule, (None, *Alphabet)),
    ):
        if value not in known:
            names = ", ".join(str(k) for k in known if k is not None)
            raise CompileError(f"the {name} {value!r} is not one of {names}")
    if not isinstance(options.seed, int):
        raise CompileError(f"the seed {options.seed!r} is not an integer")


def pipeline(target: Target, options: Options) -> str:
    """The passes and their options, as `elsac-opt -p` takes them."""
    check_options(options)
    alphabet = target.spike_rule
    if options.shift_rule is not None:
        if target.alphabet != "shift":
            raise CompileError(
                f"target '{target.name}' has ternary spikes; a shift rule needs a shift target, "
                "for example --target elsa-6x6-shift"
            )
        alphabet = options.shift_rule
    return ",".join(
        [
            "check-blobs",
            "fold",
            f'convert-qann-to-spiking{{alphabet="{alphabet}" coding="{options.coding}"}}',
            "fold-index-maps",
            "prove-ranges",
            "convert-spiking-to-token",
            "tile-columns",
            "assign-cores",
            f'place-cores{{method="{options.placement}" seed={options.seed}}}',
            "route-streams",
            "certify-routes",
            "bundle-packets",
            "allocate-memory",
            "convert-token-to-elsa",
        ]
    )


def new_context(target: Target) -> CompilerContext:
    """A context with all dialects registered."""
    context = CompilerContext(target=target)
    for name, factory in dialect_factories().items():
        context.register_dialect(name, factory)
    return context


AfterPass = Callable[[str, ModuleOp], None]


def lower(
    module: ModuleOp,
    context: CompilerContext,
    spec: str,
    last: str | None = None,
    after: AfterPass | None = None,
) -> dict[str, float]:
    """Run a pipeline up to the pass `last`; call `after` with each pass's name and the module.
    Seconds per pass.
    """
    seconds: dict[str, float] = {}
    for step in PassPipeline.parse_spec(pass_factories(), spec).passes:
        start = time.perf_counter()
        run(step, context, module)
        seconds[step.name] = time.perf_counter() - start
        if after is not None:
            after(step.name, module)
        if step.name == last:
            break
    return seconds


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
) -> Compiled:
    """Compile a quantized ONNX file to a level: one of LEVELS, or `bin` for a program.

    Raises :class:`CompileError` for what cannot be compiled, with one line for the user.
    """
    from elsac.frontends import import_onnx

    if level not in (*LEVELS, "bin"):
        raise CompileError(f"the level {level!r} is not one of {', '.join(LEVELS)}, bin")
    options = options or Options()
    spec = pipeline(target, options)
    context = new_context(target)
    start = time.perf_counter()
    imported = import_onnx(path, context)
    seconds = {"import": time.perf_counter() - start}
    imported.module.verify()
    if after is not None:
        after("import", imported.module)
    seconds |= lower(imported.module, context, spec, LEVELS.get(level), after)
    imported.module.verify()
    compiled = Compiled(imported.module, context, spec, seconds=seconds)
    if level not in LEVELS:
        start = time.perf_counter()
        compiled.program = emit(imported, context, spec, target, options, Path(path).name)
        seconds["emit"] = time.perf_counter() - start
    return compiled


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
