"""`elsac run`: a program on arrays."""

import hashlib
from typing import Any

import click

from elsac.cli import batch, elastic, standard, timing
from elsac.cli.batch import batch_options
from elsac.cli.common import images_option, progress, warn
from elsac.cli.elastic import elastic_options
from elsac.cli.group import INTERRUPTED
from elsac.cli.timing import timing_options


@click.command("run", short_help="Run a program on the emulator.")
@click.argument("program")
@click.option(
    "--input",
    "source",
    required=True,
    metavar="FILE|DIR",
    help="Input arrays, .npz or .npy, or a folder of such files, each a sample or a batch.",
)
@click.option("--labels", metavar="NAME", help="Array of the input files that holds the classes.")
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
@click.option(
    "--stream", is_flag=True, help="The samples are frames: only what changes enters the network."
)
@click.option("--compare", is_flag=True, help="With --stream: run every frame afresh as well.")
@batch_options
@timing_options
@elastic_options
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
    stream: bool,
    compare: bool,
    **early: Any,
) -> int:
    """Run PROGRAM on the emulator until every input is quiescent."""
    if accuracy_per_step and labels is None:
        raise click.UsageError("--accuracy-per-step needs --labels NAME")
    if compare and not stream:
        raise click.UsageError("--compare needs --stream")
    elastic.check(early, labels, max_steps)
    timing.check(early)
    batch.check(early, stream)
    csv, trace, read = early["csv"], early["trace"], (program, source, early["timing_target"])
    to_error = standard.taken(json=report, trace=trace, csv=csv)
    if stream and (early["elastic"] or elastic.exit_of(early)):
        raise click.UsageError("--stream runs every frame in full; leave out exits and --elastic")

    from elsac.cli import files
    from elsac.report.elastic import elastic_summary
    from elsac.report.results import check_names, output_arrays, run_report
    from elsac.report.stream import stream_summary
    from elsac.report.tables import run_summary
    from elsac.runtime import container
    from elsac.runtime.bindings import Host, InputError
    from elsac.runtime.emulator import run_sample
    from elsac.runtime.run import run_program
    from elsac.runtime.stream import Stream

    written = (output, dump_tensors, report, trace, csv)
    files.check_writable(*written)
    for path in filter(None, read):
        files.check_distinct(path, *written)
    files.check_readable(source)
    data = container.read(program)
    compiled = container.from_bytes(data, program)
    host = Host(compiled)
    names = list(dict.fromkeys(i.name for i in host.inputs))
    if output is not None:
        check_names(host.outputs)
    arrays, truth = batch.read(source, host, names, labels, images)
    shapes = arrays if isinstance(arrays, dict) else {None: truth}
    elastic.check_calibration(early, compiled, host, shapes, truth)
    meter = timing.meter_of(early, compiled)
    frames = Stream(compare, meter or run_sample) if stream else None
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
                emulate=frames or meter,
                exit=elastic.exit_of(early),
                elastic=early["elastic"],
                **batch.arguments(early),
            )
    except InputError as error:
        text = str(error)
        raise files.FileError(text if text.startswith(source) else f"{source}: {text}") from None
    except KeyboardInterrupt:
        batch.tell_how_to_continue(early)
        raise
    batch.tell_what_was_kept(early, result)
    streamed = frames.result(result) if frames else None
    costs = timing.costs(meter, result.samples)
    curve, uncalibrated = elastic.measure(result, early, *costs)
    if output is not None:
        files.write_arrays(output, output_arrays(result))
    if dump_tensors is not None:
        files.write_arrays(dump_tensors, {f"q:{k}": v for k, v in result.tensors.items()})
    found = run_report(result, compiled, hashlib.sha256(data).hexdigest())
    found |= {"stream": streamed.report()} if streamed else {}
    found |= {"elastic": curve.report()} if curve else {}
    found |= meter.report() if meter else {}
    if report is not None:
        files.write_json(report, found)
    timing.write(early, found, compiled)
    click.echo(run_summary(result, compiled), err=to_error)
    if meter:
        click.echo(timing.summary(found), err=to_error)
    if curve:
        click.echo("\n" + elastic_summary(curve), err=to_error)
    if streamed:
        click.echo(stream_summary(streamed), err=to_error)
    for warning in (*result.warnings, *filter(None, [uncalibrated])):
        warn(f"warning: {warning}")
    if result.interrupted:
        warn(f"interrupted after {result.samples} samples; what is shown and written is of these")
        batch.tell_how_to_continue(early)
        return INTERRUPTED
    if streamed and streamed.different:
        warn(f"{len(streamed.different)} frames differ from fresh runs; compile the network again")
        return 1
    return 0
