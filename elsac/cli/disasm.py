"""`elsac disasm`: a program as text."""

import click


@click.command("disasm", short_help="Show a program as text.")
@click.argument("program")
@click.option("-o", "--output", default="-", metavar="FILE", help="Instead of standard output.")
def command(program: str, output: str) -> None:
    """Write PROGRAM as text that `elsac asm` turns back into the same bytes."""
    from elsac.cli import files
    from elsac.runtime import assembly, container

    files.check_writable(output)
    files.write_text(output, assembly.disassemble(container.load(program)))
