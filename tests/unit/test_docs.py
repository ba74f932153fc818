"""The pages that are generated agree with what generates them."""

from pathlib import Path

from click.testing import CliRunner

from elsac.cli import cli

DOCS = Path(__file__).parents[2] / "docs"

HEADING = """# What the frontend reads

Made by `elsac info --operators` from the importer's own table. "On the host" means before the first
or after the last quantizer, in float32; everything else becomes integers on the chip.

"""


def test_operator_table_is_the_importers() -> None:
    """To make the page again: the heading above, then the output of the command."""
    printed = CliRunner().invoke(cli, ["info", "--operators"]).output
    assert (DOCS / "operators.md").read_text() == HEADING + printed
