"""The options of `elsac run` that say where samples run, and where finished ones are kept."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from elsac.cli.common import warn

if TYPE_CHECKING:
    from elsac.runtime.bindings import Host
    from elsac.runtime.run import RunResult

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

OPTIONS: tuple[Decorator, ...] = (
    click.option(
        "--jobs",
        type=click.IntRange(min=1),
        metavar="N",
        help="Samples that run side by side, in threads; with a local cluster, in processes.  "
        "[default: 1; with --scheduler local one for each CPU]",
    ),
    click.option(
        "--resume",
        metavar="DIR",
        help="Keep finished samples in DIR; the same command goes on where it was ended.",
    ),
    click.option(
        "--scheduler",
        is_flag=False,
        flag_value="local",
        metavar="[ADDRESS]",
        help="Run on the workers of a Dask scheduler, tcp://HOST:PORT; without an address, or with "
        "`local`, on a cluster of processes here. Needs elsac[cluster].",
    ),
)


def batch_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets them as keywords, to hand them to the functions here."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


def check(chosen: dict[str, Any], stream: bool) -> None:
    """Refuse options that do not go together."""
    jobs, scheduler = chosen["jobs"], chosen["scheduler"]
    if stream:
        for name in ("jobs", "resume", "scheduler"):
            if chosen[name] is not None and (name, chosen[name]) != ("jobs", 1):
                raise click.UsageError(
                    f"--stream runs frame after frame on one machine; leave out --{name}"
                )
    if jobs is not None and scheduler not in (None, "local"):
        raise click.UsageError(
            f"--jobs is of threads, or of a local cluster; the workers of {scheduler} are as many "
            "as were started"
        )


def arguments(chosen: dict[str, Any]) -> dict[str, Any]:
    """Return the options as keywords of `run_program`."""
    jobs, scheduler = chosen["jobs"], chosen["scheduler"]
    return {
        "jobs": jobs or (0 if scheduler == "local" else 1),
        "resume": chosen["resume"],
        "scheduler": scheduler,
    }


def read(
    source: str, host: "Host", names: list[str], labels: str | None, images: int | None
) -> tuple[Any, Any]:
    """Return what `run_program` takes as inputs and labels, of a file or a folder."""
    from pathlib import Path

    from elsac.cli import files
    from elsac.runtime.batch.folder import Folder, FolderSamples
    from elsac.runtime.batch.mapped import arrays_of

    if Path(source).is_dir():
        samples = FolderSamples(host, Folder(Path(source), labels, images))
        return samples, samples.labels
    return files.select(source, arrays_of(Path(source)), names, labels, images)


def tell_what_was_kept(chosen: dict[str, Any], result: "RunResult") -> None:
    """Say how much of a run was done before."""
    if result.resumed:
        warn(f"{result.resumed:,} finished samples were taken from {chosen['resume']}")


def tell_how_to_continue(chosen: dict[str, Any]) -> None:
    """Say how a run that was interrupted goes on."""
    if chosen["resume"] is not None:
        warn(f"finished samples are kept in {chosen['resume']}; the same command goes on from them")
