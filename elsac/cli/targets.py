"""`elsac targets`: the chips that are known by name."""

import click


@click.command("targets", short_help="List the chips, or show one.")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List the preset chips, or show every value of the chip NAME (a preset or a TOML file)."""
    from elsac.report.tables import target_list, target_table
    from elsac.targets import load_target, target_names

    if name is None:
        click.echo(target_list([load_target(n).to_dict() for n in target_names()]))
    else:
        target = load_target(name)
        click.echo(target_table(target.to_dict(), target.sha256))
