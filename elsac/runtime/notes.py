"""What an operand of an instruction refers to, in a few words, for disassemblies."""

from collections.abc import Callable
from typing import Any

from elsac.runtime import isa

_RULES = dict(enumerate(isa.EXIT_RULES))

NOTES: dict[str, Callable[[Any], str]] = {
    "windows": lambda r: (
        f"{r['in_height']}x{r['in_width']} to {r['out_height']}x{r['out_width']}, "
        f"kernel {r['kernel_height']}x{r['kernel_width']}"
    ),
    "weights": lambda r: (
        f"{r['taps']} taps, {r['inputs']} inputs from {r['first_input']}, "
        f"{r['outputs_per_group']} outputs, {r['bits']} bits"
    ),
    "constants": lambda r: f"{r['inputs']} inputs from {r['first_input']}, {r['bits']} bits",
    "stairs": lambda r: (
        f"{r['columns']} columns of {r['levels']} levels from {r['lo']}, {r['classes']} classes"
    ),
    "maps": lambda r: f"{r['spines']} spines of {r['channels']} channels, {r['targets']} targets",
    "products": lambda r: (
        f"{r['m']}x{r['n']} element by element"
        if r["elementwise"]
        else f"{r['heads']} heads of {r['m']}x{r['k']} by {r['k']}x{r['n']}"
    ),
    "softmaxes": lambda r: (
        f"{r['entries']} exponentials, scale {r['multiplier']} / 2**{r['shift']}"
    ),
    "norms": lambda r: (
        f"{'rms of ' if r['rms'] else ''}{r['columns']} columns, "
        f"{r['levels']} levels from {r['lo']}"
    ),
    "curves": lambda r: f"{r['columns']} columns of {r['pieces']} pieces, {r['classes']} classes",
    "logits": lambda r: f"{r['count']} of every row from column {r['first']}",
    "decisions": lambda r: f"{_RULES.get(r['rule'], 'unknown rule')}, {r['values']} values",
}
"""Table -> what to say of one of its rows."""
