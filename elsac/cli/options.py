"""The options of a compilation, shared by the commands that compile."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from elsac.compiler import Options

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

OPTIONS: tuple[Decorator, ...] = (
    click.option(
        "--input-coding",
        "coding",
        type=click.Choice(["bitplane", "spikes", "analog"]),
        default="bitplane",
        show_default=True,
        help="How the input enters: bit by bit, as a train of unit spikes, or all at once.",
    ),
    click.option(
        "--shift-rule",
        type=click.Choice(["nearest", "floor"]),
        help="How far a neuron moves at once, on shift targets.  [default: the target's]",
    ),
    click.option(
        "-O",
        "effort",
        type=click.IntRange(0, 2),
        default=1,
        show_default=True,
        help="Effort of mapping: 0 is quick, 1 optimizes, 2 asks for proofs as well.",
    ),
    click.option(
        "--objective",
        type=click.Choice(["latency", "energy", "cores"]),
        default="latency",
        show_default=True,
        help="What tiles and cores are chosen for (with -O1, -O2).",
    ),
    click.option(
        "--profile",
        metavar="FILE.json",
        help="Spikes per layer and step, as `elsac run --json` writes them, to map for.",
    ),
    click.option(
        "--tiling",
        type=click.Choice(["both", "columns"]),
        default="both",
        show_default=True,
        help="What layers are cut along: columns as in the paper, or lines of the map as well.",
    ),
    click.option(
        "--placement",
        type=click.Choice(["anneal", "hilbert-swap", "hilbert", "snake", "random"]),
        help="How cores are placed on the mesh.  [default: anneal; with -O0 snake]",
    ),
    click.option(
        "--routing",
        type=click.Choice(["auto", "xy", "o1turn", "valiant", "lp"]),
        help="How packets find their way.  [default: auto; with -O0 xy]",
    ),
    click.option(
        "--packet",
        type=click.Choice(["baer", "bundle", "aer-truenorth", "aer-morphic"]),
        help="Format of the packets.  [default: the target's]",
    ),
    click.option(
        "--flit-bits",
        type=click.IntRange(8, 65536),
        help="Bits of a flit.  [default: the target's]",
    ),
    click.option(
        "--schedule",
        type=click.Choice(["raster", "columns", "shells", "shells-padded", "bands", "serpentine"]),
        default="raster",
        show_default=True,
        help="Order of an input's spines.",
    ),
    click.option(
        "--table-bits",
        type=click.IntRange(1, 52),
        help="Bits behind the point in the tables of softmax and normalizations.  [default: 32]",
    ),
    click.option(
        "--exit",
        type=click.Choice(["class", "objectness", "none"]),
        help="Code that ends an input early: when its class is probable, or an object is found."
        "  [default: class, if the answer has classes]",
    ),
    click.option(
        "--exit-channels",
        metavar="FIRST:STOP:STEP",
        help="Channels of the answer that are objectness, for example 4::85.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**31 - 1),
        default=0,
        show_default=True,
        help="Of all solvers.",
    ),
)


def compiler_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a compilation; the command gets them as keywords."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


def options_of(chosen: dict[str, Any]) -> "Options":
    """The options of a compilation from the keywords of a command."""
    from elsac.compiler import Options

    return Options(**chosen)
