"""`elsac report`: pages, tables and traces from the reports of runs."""

import hashlib
import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from elsac.report.runs import Run

MAX_RUNS = 4


@click.command("report", short_help="Make a page, a table or a trace of runs.")
@click.argument("programs", nargs=-1, required=True, metavar="PROGRAM...")
@click.option(
    "--run",
    "reports",
    multiple=True,
    required=True,
    metavar="FILE.json",
    help="What `elsac run --json` wrote; give up to four to see them side by side.",
)
@click.option("-o", "--output", metavar="OUT.html", help="Write a page that needs no network.")
@click.option("--csv", "csv_file", metavar="OUT.csv", help="Write a line for each layer.")
@click.option(
    "--trace",
    metavar="OUT.json",
    help="Write a Chrome trace of one run, for ui.perfetto.dev.",
)
def command(
    programs: tuple[str, ...],
    reports: tuple[str, ...],
    output: str | None,
    csv_file: str | None,
    trace: str | None,
) -> None:
    """Show runs of PROGRAM: as a page (-o), as a table (--csv), as a trace (--trace).

    Without any of these, time and energy are printed. Reports of several programs go together if
    each program is given: `elsac report a.bin b.bin --run a.json --run b.json -o page.html`.
    """
    if trace is not None and len(reports) > 1:
        raise click.UsageError("--trace takes one --run")
    if len(reports) > MAX_RUNS:
        raise click.UsageError(f"--run can be given at most {MAX_RUNS} times")

    from elsac.cli import files, standard

    standard.taken(output=output, csv=csv_file, trace=trace)
    files.check_writable(output, csv_file, trace)
    for read in (*programs, *reports):
        files.check_distinct(read, output, csv_file, trace)
    runs = _runs(programs, reports)
    # All is made before anything is written.
    made = []
    if output is not None:
        from elsac.report.html import report_page

        made.append((output, report_page(runs)))
    if csv_file is not None:
        from elsac.report.csv import layers_csv

        made.append((csv_file, layers_csv(runs)))
    if trace is not None:
        from elsac.report.trace import chrome_trace

        made.append((trace, json.dumps(chrome_trace(runs[0]), separators=(",", ":"))))
    for path, text in made:
        files.write_text(path, text)
    if not made:
        click.echo("\n\n".join(_printed(run, len(runs) > 1) for run in runs))


def _runs(programs: tuple[str, ...], reports: tuple[str, ...]) -> "list[Run]":
    """Read all files, and find the program of each report by its hash."""
    from elsac.cli import files
    from elsac.report.runs import runs_of
    from elsac.report.schema import checked_report
    from elsac.runtime import container

    checked = [checked_report(_json(path), path) for path in reports]
    by_hash = {}
    for path in programs:
        data = container.read(path)
        digest = hashlib.sha256(data).hexdigest()
        if all(report["program_sha256"] != digest for report in checked):
            others = ", ".join(
                f"{file} is of {report['program_sha256'][:12]}"
                for file, report in zip(reports, checked, strict=True)
            )
            raise files.FileError(
                f"{path}: no --run is of this program (sha256 {digest[:12]}; {others}); run it "
                "again with --json, or give the program that was run"
            )
        by_hash[digest] = container.from_bytes(data, path)
    return runs_of(checked, [by_hash.get(report["program_sha256"]) for report in checked])


def _json(path: str) -> Any:
    from elsac.cli import files

    try:
        return json.loads(files.read_text(path))
    except (ValueError, RecursionError) as error:
        raise files.FileError(f"{path}: not valid JSON: {error}") from None


def _printed(run: "Run", titled: bool) -> str:
    from elsac.report.runs import MISSING
    from elsac.report.timing import run_tables

    text = run_tables(run) or f"The run has neither time nor energy. {MISSING['timing']}"
    return f"{run.label}\n\n{text}" if titled else text
