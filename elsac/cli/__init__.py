"""The command line. Nothing heavy is imported here, and a command's module only when it is used."""

from elsac.cli.group import cli

__all__ = ["cli", "main"]


def main() -> None:
    """Entry point of `elsac`."""
    cli(prog_name="elsac")
