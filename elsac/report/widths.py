"""The proof that no membrane of a program can leave its width, as rows and as text.

The bounds are computed anew from the binary, from its weights and the ranges of its tracers
(`elsac.runtime.emulator.stages.proofs`); what the compiler proved is not asked. `docs/exactness.md`
has the argument.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from elsac.report.tables import table
from elsac.runtime.emulator import load_image
from elsac.runtime.emulator.stages.links import links_of
from elsac.runtime.emulator.stages.proofs import bounds_of
from elsac.runtime.emulator.stages.shape import NoStages, Stage, stages_of
from elsac.runtime.program import Program


class NoProof(ValueError):
    """Handlers whose membranes cannot be bounded; one line that names the thread."""


@dataclass(frozen=True)
class LayerWidth:
    """What the membranes of one layer can come to hold, the worst of its tiles."""

    layer: str
    inputs: tuple[tuple[str, int, int], ...]
    """Each layer that it hears, with the least and the greatest value of its tracers."""
    membranes: int
    least: int
    """No charge is ever below, whatever arrives in whatever order."""
    greatest: int
    needed: int
    """Two's complement bits that hold least..greatest."""
    given: int
    """Bits that the membranes have, in the tile that has the fewest to spare."""
    margin: int
    """given - needed in that tile; below 0 nothing is proved."""


def layer_widths(program: Program) -> list[LayerWidth]:
    """Bound the membranes of every layer that has any, in the order in which they run.

    Raises `ImageError` for a program that may not run, and :class:`NoProof` for one with handlers
    that no compiler wrote.
    """
    image = load_image(program)
    found: dict[str, LayerWidth] = {}
    try:
        for stage in stages_of(image):
            thread = program.threads[stage.thread]
            if not thread["membrane_bits"]:
                continue
            bounds = bounds_of(image, stage, links_of(program, stage))
            tile = LayerWidth(
                program.layers[thread["layer"]],
                _inputs(program, stage),
                int(thread["rows"]) * int(thread["columns"]),
                int(bounds.least.min(initial=0)),
                int(bounds.greatest.max(initial=0)),
                bounds.bits,
                int(thread["membrane_bits"]),
                int(thread["membrane_bits"]) - bounds.bits,
            )
            found[tile.layer] = _worst(found[tile.layer], tile) if tile.layer in found else tile
    except NoStages as error:
        raise NoProof(f"its widths cannot be proved: {error}") from error
    return list(found.values())


def _inputs(program: Program, stage: Stage) -> tuple[tuple[str, int, int], ...]:
    sources = (program.threads[port.source] for port in stage.ports if port.kind)
    heard = ((program.layers[s["layer"]], int(s["lo"]), int(s["hi"])) for s in sources)
    return tuple(dict.fromkeys(heard))


def _worst(one: LayerWidth, other: LayerWidth) -> LayerWidth:
    """Return both tiles as one."""
    return LayerWidth(
        one.layer,
        tuple(dict.fromkeys((*one.inputs, *other.inputs))),
        one.membranes + other.membranes,
        min(one.least, other.least),
        max(one.greatest, other.greatest),
        max(one.needed, other.needed),
        min(one, other, key=lambda tile: tile.margin).given,
        min(one.margin, other.margin),
    )


def proved(rows: Sequence[LayerWidth]) -> bool:
    """Return whether every membrane has the bits that it can need."""
    return all(row.margin >= 0 for row in rows)


def widths_table(rows: Sequence[LayerWidth]) -> str:
    """Show the rows and, in one line, what they prove."""
    headers = (
        "layer", "inputs", "membranes", "least", "greatest", "bits needed", "bits given", "margin"
    )  # fmt: skip
    shown = [
        (
            row.layer,
            ", ".join(f"{name} {lo}..{hi}" for name, lo, hi in row.inputs),
            row.membranes,
            row.least,
            row.greatest,
            row.needed,
            row.given,
            row.margin,
        )
        for row in rows
    ]
    total = sum(row.membranes for row in rows)
    line = f"proved: no membrane of {total:,} can leave its width, in any order of arrival"
    if not proved(rows):
        first = min(rows, key=lambda row: row.margin)
        short = int(np.sum([row.margin < 0 for row in rows]))
        line = (
            f"NOT proved: membranes of {short:,} layers can leave their width; in '{first.layer}' "
            f"they need {first.given - first.margin} bits and have {first.given}"
        )
    return f"{table(headers, shown)}\n\n{line}"
