"""`elsac-opt`: xDSL's optimizer driver with elsac's dialects and passes, a target and a weight
store.
"""

import argparse
from collections.abc import Sequence

from xdsl.utils.exceptions import DiagnosticException, ParseError
from xdsl.xdsl_opt_main import xDSLOptMain

from elsac.context import CompileError, CompilerContext
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
        """Load target and store before the passes run."""
        assert isinstance(self.ctx, CompilerContext)
        self.ctx.target = load_target(self.args.elsa_target)
        if self.args.store:
            self.ctx.store = WeightStore.load(self.args.store)
        super().setup_pipeline()

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
    except (CompileError, StoreError, TargetError, ParseError, DiagnosticException) as error:
        # The library's own messages show the place; a stack of Python frames would hide it.
        raise SystemExit(f"elsac-opt: {error}") from error
