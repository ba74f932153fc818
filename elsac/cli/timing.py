"""The options of `elsac run` that say what a run costs on the chip."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from elsac.runtime.meter import Meter
    from elsac.runtime.program import Program

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

OPTIONS: tuple[Decorator, ...] = (
    click.option(
        "--timing",
        type=click.Choice(["pipeline", "network"]),
        help="Count cycles and energy: without queues on the mesh, or with every flit simulated.",
    ),
    click.option(
        "--pattern",
        type=click.Choice(["spine", "layer", "lbl", "none"]),
        help="What may overlap: spines (default); layers, step by step; layers, all steps at once; "
        "nothing. All but spines with --timing pipeline alone.",
    ),
    click.option(
        "--product",
        type=click.Choice(["gustavson", "inner", "outer"]),
        help="How spikes meet weights: in mini-batches of a row (default), whole rows, one by one.",
    ),
    click.option(
        "--timing-target",
        metavar="NAME|FILE",
        help="Chip whose cycles and energies count, with the cores of the program's own.",
    ),
    click.option(
        "--trace",
        metavar="OUT.json",
        help="With --timing: write a timeline of the first input for Perfetto or chrome://tracing.",
    ),
    click.option("--csv", metavar="OUT.csv", help="Write one line for each layer."),
)


def timing_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets them as keywords, to hand them to the functions here."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


def check(chosen: dict[str, Any]) -> None:
    """Refuse options that need --timing, or another one."""
    for name in ("pattern", "product", "timing_target", "trace"):
        if chosen[name] is not None and chosen["timing"] is None:
            option = "--" + name.replace("_", "-")
            raise click.UsageError(f"{option} needs --timing pipeline or --timing network")
    if chosen["timing"] == "network" and chosen["pattern"] not in (None, "spine"):
        raise click.UsageError(
            f"--pattern {chosen['pattern']} needs --timing pipeline; the network model takes spine"
        )


def meter_of(chosen: dict[str, Any], program: "Program") -> "Meter | None":
    """What times the run, if anything."""
    if chosen["timing"] is None:
        return None
    from elsac.runtime.energy import program_target
    from elsac.runtime.meter import Meter
    from elsac.targets import load_target

    wanted = chosen["timing_target"]
    target = program_target(program) if wanted is None else load_target(wanted)
    return Meter(
        program,
        target,
        chosen["timing"],
        chosen["pattern"] or "spine",
        chosen["product"] or "gustavson",
    )


def costs(meter: "Meter | None", samples: int) -> tuple[Any, Any]:
    """Cycles and microjoules of the answer of each step, [samples, steps]; None without a meter."""
    if meter is None:
        return None, None
    return meter.cycles(samples), meter.energy_uj(samples)


def summary(report: dict[str, Any]) -> str:
    """Time and energy, as text."""
    from elsac.report.tables import pairs
    from elsac.report.timing import energy_rows, timing_rows

    return pairs([*timing_rows(report["timing"]), *energy_rows(report["energy"])])


def write(chosen: dict[str, Any], report: dict[str, Any], program: "Program") -> None:
    """Write the timeline and the table of layers, where they were asked for."""
    if chosen["trace"] is None and chosen["csv"] is None:
        return
    from elsac.cli import files
    from elsac.report.csv import layers_csv
    from elsac.report.runs import runs_of
    from elsac.report.schema import checked_report
    from elsac.report.trace import chrome_trace

    runs = runs_of([checked_report(report, "this run")], [program])
    if chosen["trace"] is not None:
        files.write_json(chosen["trace"], chrome_trace(runs[0]))
    if chosen["csv"] is not None:
        files.write_text(chosen["csv"], layers_csv(runs))
