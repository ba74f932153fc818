"""What a compilation shows on its way: its pipeline, and the module after each pass."""

from typing import TYPE_CHECKING

import click

from elsac.compiler import LEVELS, Options, pipeline_steps
from elsac.context import CompileError
from elsac.targets import Target

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp


def pipeline_to(level: str, target: Target, options: Options) -> str:
    """Return the passes up to a level, in one line."""
    steps = pipeline_steps(target, options)
    last = LEVELS.get(level, steps[-1])
    end = next(i for i, step in enumerate(steps) if step.split("{")[0] == last.split("{")[0])
    return ",".join(steps[: end + 1])


def text_of(module: "ModuleOp", locations: bool = False) -> str:
    """Return a module as text that `elsac-opt` reads; the names of ONNX nodes are locations."""
    from io import StringIO

    from xdsl.printer import Printer

    stream = StringIO()
    Printer(stream=stream, print_debuginfo=locations).print_op(module)
    return f"{stream.getvalue()}\n"


class Watch:
    """Called after each pass."""

    def __init__(self, show: bool, verify: bool) -> None:
        self.show, self.verify = show, verify

    def __call__(self, step: str, module: "ModuleOp") -> None:
        """Print and verify the module, as asked."""
        from xdsl.utils.exceptions import VerifyException

        if self.show:
            click.echo(f"// -----// IR Dump After {step} //----- //\n{text_of(module)}", err=True)
        if self.verify:
            try:
                module.verify()
            except VerifyException as error:
                raise CompileError(f"the module is invalid after '{step}': {error}") from error
