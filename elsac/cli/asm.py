"""`elsac asm`: a text as program."""

import click


@click.command("asm", short_help="Make a program from its text.")
@click.argument("text")
@click.option("-o", "--output", required=True, metavar="FILE", help="The program.")
def command(text: str, output: str) -> None:
    """Assemble TEXT, which `elsac disasm` or `elsac compile --emit asm` wrote.

    With - for TEXT, it is read from the standard input.
    """
    from elsac.cli import files
    from elsac.runtime import assembly, container

    files.check_writable(output)
    files.check_distinct(text, output)
    try:
        program = assembly.assemble(files.read_text(text))
        data = container.to_bytes(program)
    except (assembly.AssemblyError, container.ProgramError) as error:
        raise files.FileError(f"{text}: {error}") from None
    files.write_bytes(output, data)
