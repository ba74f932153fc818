"""`elsac-opt`: xDSL's optimizer driver with elsac's dialects and passes, a target and a weight
store.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import IO

from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import ArgSpecParseError, DiagnosticException, ParseError
from xdsl.xdsl_opt_main import xDSLOptMain

from elsac.context import Blobs, CompileError, CompilerContext
from elsac.registry import dialect_factories, pass_factories
from elsac.store import StoreError, WeightStore
from elsac.targets import TargetError, load_target


class ElsacOpt(xDSLOptMain):
    """The driver with our dialects and passes alone."""

    def __init__(self, args: Sequence[str] | None = None) -> None:
        super().__init__(description="elsac modular optimizer driver", args=args)

    def register_all_arguments(self, arg_parser: argparse.ArgumentParser) -> None:
        """xDSL's arguments and ours."""
        super().register_all_arguments(arg_parser)
        arg_parser.add_argument(
            "--elsa-target", default="elsa-6x6", help="chip: a preset's name or a TOML file"
        )
        arg_parser.add_argument("--store", help="weight store (.npz) that the module's blobs name")

    def setup_pipeline(self) -> None:
        """Load the target before the passes are made."""
        assert isinstance(self.ctx, CompilerContext)
        self.ctx.target = load_target(self.args.elsa_target)
        try:
            super().setup_pipeline()
        except (ValueError, ArgSpecParseError, ParseError) as error:
            # Parse errors show the text with a mark below it; what is wrong is in their last line.
            why = [line.strip(" ^\t") for line in str(error).splitlines()]
            last = next((line for line in reversed(why) if line), "cannot be read")
            raise CompileError(f"the pipeline '{self.args.passes}': {last}") from error

    def prepare_input(self) -> tuple[list[tuple[IO[bytes], int]], str]:
        """Refuse files that are not named like text."""
        try:
            return super().prepare_input()
        except ValueError as error:
            raise CompileError(f"{self.args.input_file}: {error}; expected .mlir") from error

    def apply_passes(self, prog: ModuleOp) -> None:
        """Check what ops say of blobs, as hand-written text may say anything; then run the passes.

        A module that is only printed again needs no weight store, so it is not checked.
        """
        if self.pipeline.passes:
            # The check knows all dialects; a start without passes need not.
            from elsac.passes.check_blobs import check_blobs

            assert isinstance(self.ctx, CompilerContext)
            if self.args.store:
                # Not sooner: a compiler in the same pipe may have just written it.
                self.ctx.store = WeightStore.load(self.args.store)
            prog.verify()
            check_blobs(prog, Blobs(prog, self.ctx.store))
        super().apply_passes(prog)
        for warning in self.ctx.warnings if isinstance(self.ctx, CompilerContext) else ():
            print(f"elsac-opt: warning: {warning}", file=sys.stderr)

    def register_all_dialects(self) -> None:
        """Only ours, and xDSL's builtin and test."""
        self.ctx = CompilerContext()
        for name, factory in dialect_factories().items():
            self.ctx.register_dialect(name, factory)

    def register_all_passes(self) -> None:
        """Only those of elsac's registry."""
        for name, factory in pass_factories().items():
            self.register_pass(name, factory)


def main() -> None:
    """Entry point of `elsac-opt`."""
    try:
        ElsacOpt().run()
    except (
        CompileError,
        StoreError,
        TargetError,
        ParseError,
        DiagnosticException,
        OSError,
    ) as error:
        # The library's own messages show the place; a stack of Python frames would hide it.
        raise SystemExit(f"elsac-opt: {error}") from error
    except UnicodeDecodeError as error:
        raise SystemExit(
            f"elsac-opt: the input is no text (byte {error.start} is not UTF-8); expected the text "
            "of a level"
        ) from error
