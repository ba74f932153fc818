"""`elsac run`: a program on arrays."""

import hashlib
from typing import Any

import click

from elsac.cli.common import images_option, progress, warn
from elsac.cli.group import INTERRUPTED


@click.command("run", short_help="Run a program on the emulator.")
@click.argument("program")
@click.option(
    "--input", "source", required=True, metavar="FILE", help="Input arrays, .npz or .npy."
)
@click.option("--labels", metavar="NAME", help="Array of the input file that holds the classes.")
@click.option(
    "--engine",
    type=click.Choice(["fast", "interpreter"]),
    default="fast",
    show_default=True,
    help="Compiled, or the plain reference.",
)
@click.option(
    "--max-steps", type=click.IntRange(min=1), metavar="N", help="Stop after N steps, done or not."
)
@click.option(
    "--output",
    metavar="OUT.npz",
    help="Write outputs, their integers and step counts. Outputs are exact, so they can differ "
    "from onnxruntime's float32 by a quantizer step at ties, which `elsac verify` certifies.",
)
@click.option("--dump-tensors", metavar="OUT.npz", help="Write every quantized tensor.")
@click.option("--json", "report", metavar="FILE", help="Write all counts; - for standard output.")
@images_option
@click.option(
    "--jitter",
    type=click.IntRange(min=0),
    metavar="SEED",
    help="Deliver events in a random order; the results stay the same.",
)
@click.option("--accuracy-per-step", is_flag=True, help="Show the accuracy after each step.")
def command(
    program: str,
    source: str,
    labels: str | None,
    engine: Any,
    max_steps: int | None,
    output: str | None,
    dump_tensors: str | None,
    report: str | None,
    images: int | None,
    jitter: int | None,
    accuracy_per_step: bool,
) -> int:
    """Run PROGRAM on the emulator until every input is quiescent."""
    if accuracy_per_step and labels is None:
        raise click.UsageError("--accuracy-per-step needs --labels NAME")

    from elsac.cli import files
    from elsac.report.results import check_names, output_arrays, run_report
    from elsac.report.tables import run_summary
    from elsac.runtime import container
    from elsac.runtime.bindings import Host, InputError
    from elsac.runtime.run import run_program

    files.check_writable(output, dump_tensors, report)
    for read in (program, source):
        files.check_distinct(read, output, dump_tensors, report)
    data = container.read(program)
    compiled = container.from_bytes(data, program)
    host = Host(compiled)
    names = list(dict.fromkeys(i.name for i in host.inputs))
    if output is not None:
        check_names(host.outputs)
    arrays, truth = files.select(source, files.read_arrays(source), names, labels, images)
    try:
        with progress("run") as bar:
            result = run_program(
                compiled,
                arrays,
                engine=engine,
                max_steps=max_steps,
                jitter=jitter,
                labels=truth,
                record_steps=accuracy_per_step,
                tensors=dump_tensors is not None,
                progress=bar,
            )
    except InputError as error:
        raise files.FileError(f"{source}: {error}") from None
    if output is not None:
        files.write_arrays(output, output_arrays(result))
    if dump_tensors is not None:
        files.write_arrays(dump_tensors, {f"q:{k}": v for k, v in result.tensors.items()})
    if report is not None:
        digest = hashlib.sha256(data).hexdigest()
        files.write_json(report, run_report(result, compiled, digest))
    click.echo(run_summary(result, compiled), err=report == "-")
    for warning in result.warnings:
        warn(f"warning: {warning}")
    if result.interrupted:
        warn(f"interrupted after {result.samples} samples; what is shown and written is of these")
        return INTERRUPTED
    return 0
