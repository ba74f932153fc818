"""The command line. Nothing heavy is imported here, and a command's module only when it is used."""

import gc

from elsac.cli.group import cli

__all__ = ["cli", "main"]


def main() -> None:
    """Entry point of `elsac`."""
    try:
        cli(prog_name="elsac")
    finally:
        # What is left is freed with the process: to look for cycles in it first takes longer.
        gc.freeze()
