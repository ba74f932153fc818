"""`elsac sweep`: many configurations of one network, to a table and pictures."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from elsac.cli.common import progress, warn
from elsac.cli.group import INTERRUPTED

if TYPE_CHECKING:
    from elsac.runtime.program import Program
    from elsac.sweep.spec import Spec


@click.command("sweep", short_help="Run many configurations to a table and pictures.")
@click.argument("sweep", metavar="SWEEP.toml")
@click.option(
    "-o", "--output", metavar="OUT", help="The table: .csv, or .parquet (needs elsac[parquet])."
)
@click.option("--svg", metavar="OUT.svg", help="Write the picture of latency and energy.")
@click.option("--html", metavar="OUT.html", help="Write a page with all pictures and the fronts.")
@click.option("--colour", metavar="AXIS", help="Axis of the colours.  [default: what matters most]")
@click.option(
    "--panels", metavar="AXIS", help="Axis with a panel for each value.  [default: timing.model]"
)
@click.option(
    "--state",
    metavar="DIR",
    help="Folder of what is done so far.  [default: OUT.partial, deleted at the end]",
)
@click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N", help="Processes.  [default: one a core]"
)
@click.option("--dry-run", is_flag=True, help="Check everything, say how much it is, and stop.")
def command(
    sweep: str,
    output: str | None,
    svg: str | None,
    html: str | None,
    colour: str | None,
    panels: str | None,
    state: str | None,
    jobs: int | None,
    dry_run: bool,
) -> int:
    """Run the configurations that SWEEP.toml spans: each program is compiled and run once.

    Everything finished is kept at once; the same command goes on where it was stopped.
    """
    if output is None and not dry_run:
        raise click.UsageError("-o OUT.csv is missing; --dry-run needs none")

    from elsac.cli import files
    from elsac.report.tables import pairs
    from elsac.sweep.choice import Look, check_look
    from elsac.sweep.inputs import checked, network_inputs, program_inputs
    from elsac.sweep.page import front_page
    from elsac.sweep.picture import front_svg
    from elsac.sweep.plan import plan_of
    from elsac.sweep.run import columns_of, run_sweep
    from elsac.sweep.spec import read_spec
    from elsac.sweep.state import State
    from elsac.sweep.table import check_table, table_bytes

    spec = read_spec(sweep)
    if output is not None:
        check_table(output)
        written = (output, svg, html)
        files.check_writable(*written)
        for read in (sweep, str(spec.input), str(spec.network or spec.program)):
            files.check_distinct(read, *written)
    program = _program(spec)
    plan = plan_of(spec, program)
    look = Look(colour, panels)
    check_look(plan, look)
    assert spec.network is not None or program is not None
    with files.naming(str(spec.network)):
        inputs = program_inputs(program) if program else network_inputs(spec.network)  # type: ignore[arg-type]
    found = files.read_arrays(str(spec.input))
    taken = files.select(str(spec.input), found, list(inputs), spec.labels, spec.samples)
    arrays, labels = checked(str(spec.input), inputs, *taken)
    samples = len(next(iter(arrays.values())))
    if dry_run:
        click.echo(pairs(plan.counts(samples)))
        return 0
    assert output is not None
    place = State(state or f"{output}.partial")
    # The cores that this process may use, which can be fewer than there are.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        with progress("sweep") as bar:
            rows = run_sweep(plan, place, arrays, labels, jobs or cores or 1, program, bar)
    except KeyboardInterrupt:
        warn(f"interrupted; what is finished is kept in {place.folder}: the same command goes on")
        return INTERRUPTED
    columns = columns_of(plan)
    made = [(output, table_bytes(output, columns, rows))]
    if svg is not None:
        made.append((svg, front_svg(plan, rows, look).encode()))
    if html is not None:
        made.append((html, front_page(plan, rows, look).encode()))
    for path, data in made:
        files.write_bytes(path, data)
    if state is None:
        place.remove()
    click.echo(pairs(_summary(plan, rows, output)))
    return 0


def _program(spec: "Spec") -> "Program | None":
    from elsac.runtime import container

    return None if spec.program is None else container.load(spec.program)


def _summary(plan: Any, rows: list[dict[str, Any]], output: str) -> list[tuple[str, str]]:
    from elsac.report.html.markup import figure
    from elsac.sweep.front import least

    good = [row for row in rows if row["status"] == "ok"]
    found = [("configurations", f"{len(rows):,}  ({len(rows) - len(good):,} without figures)")]
    titles = {"last_cycles": ("quickest", "cycles"), "energy_uj": ("thriftiest", "uJ")}
    for key, (title, unit) in titles.items():
        if (row := least(good, key)) is not None:
            axes = ", ".join(f"{n}={row.get(n)}" for n in _moving(plan))
            found.append((title, f"{figure(row[key])} {unit}" + (f"  ({axes})" if axes else "")))
    return [*found, ("table", f"{output}: {Path(output).stat().st_size:,} bytes")]


def _moving(plan: Any) -> list[str]:
    from elsac.sweep.plan import axes_of

    return [name for name, _ in axes_of(plan)]
