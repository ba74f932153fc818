"""`elsac info`: what is in a program, and what elsac supports."""

import click


@click.command("info", short_help="Describe a program, or list what is supported.")
@click.argument("program", required=False)
@click.option("--operators", is_flag=True, help="Print the ONNX operators, as Markdown.")
@click.option("--targets", is_flag=True, help="Print the chips.")
@click.option("--isa", is_flag=True, help="Print the instruction set, as Markdown.")
def command(program: str | None, operators: bool, targets: bool, isa: bool) -> None:
    """Describe PROGRAM: target, pipeline, layers, sections, inputs and outputs."""
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
    if program is not None:
        from elsac.report.program import program_info
        from elsac.runtime import container

        data = container.read(program)
        sections = container.sections(data, program)
        click.echo(program_info(container.from_bytes(data, program), sections, len(data)))
