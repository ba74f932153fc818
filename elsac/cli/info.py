"""`elsac info`: what is in a program, and what elsac supports."""

import click


@click.command("info", short_help="Describe a program, or list what is supported.")
@click.argument("program", required=False)
@click.option("--operators", is_flag=True, help="Print the ONNX operators, as Markdown.")
@click.option("--targets", is_flag=True, help="Print the chips.")
@click.option("--isa", is_flag=True, help="Print the instruction set, as Markdown.")
@click.option(
    "--widths",
    is_flag=True,
    help="Prove from the program's weights that no membrane can leave its width; a table.",
)
def command(
    program: str | None, operators: bool, targets: bool, isa: bool, widths: bool
) -> int | None:
    """Describe PROGRAM: target, pipeline, layers, sections, inputs and outputs."""
    if widths and program is None:
        raise click.UsageError("--widths needs a PROGRAM")
    if not (program or operators or targets or isa):
        raise click.UsageError("give a PROGRAM, --operators, --targets or --isa")

    from elsac.report import tables

    if operators:
        from elsac.frontends import operators as supported

        click.echo(tables.markdown(("domain", "operator", "opsets", "supported"), supported()))
    if targets:
        from elsac.targets import load_target, target_names

        click.echo(tables.target_list([load_target(n).to_dict() for n in target_names()]))
    if isa:
        from elsac.runtime.reference import isa_markdown

        click.echo(isa_markdown())
    if program is not None and widths:
        return show_widths(program)
    if program is not None:
        from elsac.report.program import program_info
        from elsac.runtime import container

        data = container.read(program)
        # Weights and thresholds stay packed: nothing of them is shown but their sizes.
        described, sections = container.describe(data, program)
        click.echo(program_info(described, sections, len(data)))
    return None


def show_widths(program: str) -> int:
    """Print what the membranes of a program can come to hold; return 1 if that is too much."""
    from elsac.cli.files import FileError
    from elsac.report.widths import NoProof, layer_widths, proved, widths_table
    from elsac.runtime import container
    from elsac.runtime.emulator import ImageError

    try:
        rows = layer_widths(container.load(program))
    except (NoProof, ImageError) as error:
        raise FileError(f"{program}: {error}") from None
    click.echo(widths_table(rows))
    return 0 if proved(rows) else 1
