"""The group of all commands: found by name, imported when used, and their errors in one line."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

COMMANDS = ("compile", "run", "sweep", "report", "verify", "disasm", "asm", "info", "targets")

_KNOWN_ERRORS = (
    ("elsac.cli.files", "FileError"),
    ("elsac.context", "CompileError"),
    ("elsac.store", "StoreError"),
    ("elsac.targets", "TargetError"),
    ("elsac.runtime.tables", "ProgramError"),
    ("elsac.runtime.assembly", "AssemblyError"),
    ("elsac.runtime.isa", "IsaError"),
    ("elsac.runtime.ports", "RunError"),
    ("elsac.runtime.timing.models", "TimingError"),
    ("elsac.report.schema", "ReportError"),
    ("elsac.sweep.errors", "SweepError"),
    ("elsac.onnx_reference", "ReferenceFailure"),
)
"""Classes whose message is meant for the user. They are looked up among the modules that are
loaded, because to import them all would take longer than most commands."""

INTERRUPTED = 130


class Commands(click.Group):
    """A group whose commands are modules of this package with a `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"elsac.cli.{cmd_name}").command
        return command

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run a command and exit: 0, 1 for an error, 2 for wrong usage, 130 for Ctrl-C."""
        try:
            status = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as error:
            error.show()
            status = error.exit_code
        except (click.Abort, KeyboardInterrupt):
            click.echo("elsac: interrupted", err=True)
            status = INTERRUPTED
        except Exception as error:
            if debugging():
                raise
            click.echo(f"elsac: {describe(error)}", err=True)
            status = 1
        sys.exit(status if isinstance(status, int) else 0)


def debugging() -> bool:
    """Tell whether errors shall show where in elsac they arose."""
    return os.environ.get("ELSAC_DEBUG", "0") not in ("", "0")


def describe(error: Exception) -> str:
    """Return an error as one line."""
    text = " ".join(str(error).split())
    for module, name in _KNOWN_ERRORS:
        if module in sys.modules and isinstance(error, getattr(sys.modules[module], name)):
            return text
    if isinstance(error, MemoryError):
        return "out of memory; give fewer images (--images), or a smaller network"
    return (
        f"internal error: {type(error).__name__}: {text}; please report it "
        "(--debug shows where it arose)"
    )


def _debug(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        os.environ["ELSAC_DEBUG"] = "1"


def _version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from elsac import __version__

        click.echo(f"elsac {__version__}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_version,
    help="Show the version and exit.",
)
@click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_debug,
    help="Show where in elsac an error arose (or set ELSAC_DEBUG=1).",
)
def cli() -> None:
    """Compile quantized ONNX networks for ELSA, a spiking dataflow accelerator, and run them."""
