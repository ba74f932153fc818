"""`elsac compile`: a network to a program, or to any level before."""

from typing import Any

import click

from elsac.cli.common import rare_collections, target_option, warn
from elsac.cli.options import compiler_options, options_of


@click.command("compile", short_help="Compile a quantized ONNX network.")
@click.argument("network", required=False)
@click.option("-o", "--output", metavar="FILE", help="Output; - is the standard output.")
@target_option
@click.option(
    "--emit",
    type=click.Choice(["qann", "spiking", "token", "elsa", "asm", "bin"]),
    default="bin",
    show_default=True,
    help="Level to stop at: a dialect, the program as text, or the program.",
)
@click.option(
    "--print-pipeline",
    is_flag=True,
    help="Print the passes as `elsac-opt -p` takes them, and exit.",
)
@click.option(
    "--print-ir-after-all",
    "--mlir-print-ir-after-all",
    "print_ir",
    is_flag=True,
    help="Print the module after each pass, to the standard error.",
)
@click.option(
    "--time-passes", "--mlir-timing", "timing", is_flag=True, help="Print the time of each pass."
)
@click.option(
    "--fit",
    is_flag=True,
    help="Compile nothing, but print what each layer takes of a PE's memories, how many cores of "
    "the target the network needs and, if it has fewer, a target that has them.",
)
@compiler_options
@click.option("--verify-each", is_flag=True, help="Verify the module after each pass.")
@click.option(
    "--print-debuginfo",
    "--mlir-print-debuginfo",
    "debuginfo",
    is_flag=True,
    help="Write the names of the ONNX nodes into text levels, as locations.",
)
@click.option("--store", metavar="FILE.npz", help="Write the weights that a text level names.")
def command(
    network: str | None,
    output: str | None,
    target: str,
    emit: str,
    print_pipeline: bool,
    print_ir: bool,
    timing: bool,
    fit: bool,
    verify_each: bool,
    debuginfo: bool,
    store: str | None,
    **chosen: Any,
) -> None:
    """Compile NETWORK, an ONNX file in QDQ or QOperator form."""
    if network is None and not print_pipeline:
        raise click.UsageError("Missing argument 'NETWORK'.")
    if output is None and not (print_pipeline or fit):
        if emit == "bin":
            raise click.UsageError("a program needs a file: -o FILE")
        output = "-"
    if output == "-" and emit == "bin":
        raise click.UsageError("a program is no text; give it a file: -o FILE")

    from elsac.cli import files
    from elsac.cli.stages import Watch, pipeline_to, text_of
    from elsac.compiler import LEVELS, Laps, compile_onnx
    from elsac.report.tables import pass_times, program_summary
    from elsac.runtime import assembly, container
    from elsac.targets import load_target

    chip = load_target(target)
    options = options_of(chosen)
    spec = pipeline_to(emit, chip, options)
    if print_pipeline:
        click.echo(spec)
        return
    assert network is not None
    if fit:
        show_fit(network, chip, options)
        return
    assert output is not None
    files.check_writable(output, store)
    files.check_distinct(network, output, store, options.profile, target)
    watch: Any = Watch(print_ir, verify_each) if print_ir or verify_each else None
    started = files.process_seconds()
    with files.naming(network), rare_collections():
        compiled = compile_onnx(network, chip, options, emit if emit in LEVELS else "bin", watch)
    laps = Laps()
    # The store comes first: who reads the text from a pipe loads the store when the text has ended.
    if store is not None:
        files.write_file(store, compiled.context.store.save)
    size = None
    if compiled.program is None:
        files.write_text(output, text_of(compiled.module, debuginfo))
    elif emit == "asm":
        files.write_text(output, assembly.disassemble(compiled.program))
    else:
        data = container.to_bytes(compiled.program)
        files.write_bytes(output, data)
        size = len(data)
    if store is None and emit in LEVELS and len(compiled.context.store):
        warn(
            "the weights are not in the text; --store FILE.npz writes them for `elsac-opt --store`"
        )
    for warning in compiled.context.warnings:
        warn(f"warning: {warning}")
    if timing:
        laps.lap("write")
        click.echo(pass_times({"start": started, **compiled.seconds, **laps.seconds}), err=True)
    if options.coding == "analog":
        warn("warning: analog input needs multiplications in the first layer; ELSA has none")
    if compiled.program is not None:
        click.echo(program_summary(compiled.program, output, size), err=output == "-")


def show_fit(network: str, chip: Any, options: Any) -> None:
    """Print what the layers of a network need of a chip."""
    from elsac.cli import files
    from elsac.compiler import fit_of
    from elsac.report.fit import fit_table

    with files.naming(network):
        found = fit_of(network, chip, options)
    click.echo(fit_table(found))
