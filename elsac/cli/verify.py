"""`elsac verify`: the same integers at every level."""

from typing import Any

import click

from elsac.cli.common import images_option, progress, target_option, warn
from elsac.cli.group import INTERRUPTED
from elsac.cli.options import compiler_options, options_of


@click.command("verify", short_help="Compare every tensor with ONNX Runtime and between levels.")
@click.argument("network")
@click.option(
    "--input", "source", required=True, metavar="FILE", help="Input arrays, .npz or .npy."
)
@click.option("--labels", metavar="NAME", help="Array of the input file that holds the classes.")
@images_option
@target_option
@compiler_options
@click.option(
    "--engine",
    type=click.Choice(["both", "fast", "interpreter"]),
    default="both",
    show_default=True,
    help="Engines of the emulator to compare.",
)
@click.option("--json", "report", metavar="FILE", help="Write the table; - for standard output.")
def command(
    network: str,
    source: str,
    labels: str | None,
    images: int | None,
    target: str,
    engine: str,
    report: str | None,
    **chosen: Any,
) -> int:
    """Compile NETWORK and compare every tensor of every sample at every level.

    Emulator and spiking interpreter have to give the integers of the quantized network exactly.
    Differences in ONNX Runtime, which computes in float32, have to be certified near-ties.
    """
    from elsac.cli import files
    from elsac.report.tables import verification_summary
    from elsac.runtime.labels import checked_labels
    from elsac.runtime.ports import InputError, NetworkInput, checked_arrays
    from elsac.targets import load_target
    from elsac.verification import Verifier

    files.check_writable(report)
    chip = load_target(target)
    given = files.read_arrays(source)
    arrays: Any = {}
    truth: Any = None

    def check(inputs: list[NetworkInput]) -> None:
        """Refuse arrays that do not fit, before the network is compiled."""
        nonlocal arrays, truth
        names = [port.name for port in inputs]
        arrays, truth = files.select(source, given, names, labels, images)
        batch = len(next(iter(checked_arrays(inputs, arrays).values())))
        if truth is not None:
            checked_labels(truth, batch)

    engines: Any = ("fast", "interpreter") if engine == "both" else (engine,)
    try:
        with files.naming(network):
            verifier = Verifier(network, chip, options_of(chosen), check)
        with progress("verify") as bar:
            result = verifier.run(arrays, engines, bar, truth)
    except InputError as error:
        raise files.FileError(f"{source}: {error}") from None
    if report is not None:
        files.write_json(report, result.to_dict())
    click.echo(verification_summary(result.to_dict()), err=report == "-")
    for warning in result.warnings:
        warn(f"warning: {warning}")
    if result.interrupted:
        warn(f"interrupted after {result.samples} samples; what is shown is of these")
        return INTERRUPTED
    return 0 if result.passed else 1
