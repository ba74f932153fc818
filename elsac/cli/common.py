"""Options and output that several commands share."""

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

Progress = Callable[[int, int], None]

COMPILING = "compiling kernels for this machine, once; this can take a minute"


def target_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --target."""
    return click.option(
        "--target",
        default="elsa-6x6",
        show_default=True,
        metavar="NAME|FILE",
        help="Chip: a preset (see `elsac targets`) or a TOML file.",
    )(function)


def images_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --images."""
    return click.option(
        "--images", type=click.IntRange(min=1), metavar="N", help="Take only the first N samples."
    )(function)


def warn(text: str) -> None:
    """Print one line to the standard error."""
    click.echo(f"elsac: {text}", err=True)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for cycles seldom: nearly all objects of a compilation live until its end, and to walk
    over them again and again takes a tenth of its time.
    """
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def progress(title: str) -> Iterator[Progress | None]:
    """Show a progress bar on the standard error, if that is a terminal.

    Terminal or not, say so if kernels must be compiled.
    """
    from elsac.runtime.caches import telling

    with telling(lambda: warn(COMPILING)), bar(title) as shown:
        yield shown


@contextmanager
def bar(title: str) -> Iterator[Progress | None]:
    """Show a progress bar on the standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(title, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
