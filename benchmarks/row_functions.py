"""How many bits the tables of softmax and of norms need, to be right in every one of many rows.

    python benchmarks/row_functions.py [--rows 1000000] [--bits 8 12 16 18 20 22 24] [--json OUT]

Seeded random rows, like those of a vision transformer, with random float32 constants for each block
of rows. For each number of table bits: the levels that differ from the correctly rounded ones, and
the rows that the table itself cannot vouch for (`undecided`). A decided row that differs would
disprove the bound that `elsac.exact` claims: then the status is 1.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from elsac.exact.layer_norm import norm_table, quantized_layer_norm, table_norm
from elsac.exact.softmax import exp_table, quantized_softmax, scale_of, table_softmax
from elsac.exact.staircase import rational_array

SEED = 20
BLOCK = 10_000
"""Rows that share their constants."""
LARGEST = 64 * 7 * 8
"""Greatest charge of a score: 64 products of 4-bit tracers."""

Levels = NDArray[np.int64]
ByBits = Callable[[int], tuple[Levels, NDArray[np.bool_]]]


@dataclass
class Count:
    """Of one function and one number of table bits."""

    function: str
    bits: int
    rows: int = 0
    levels: int = 0
    levels_that_differ: int = 0
    rows_that_differ: int = 0
    rows_undecided: int = 0
    decided_rows_that_differ: int = 0
    refused: str = ""
    """Why these bits do not fit."""
    seconds: float = 0.0


def float32(value: float) -> Fraction:
    """The exact value of the nearest float32."""
    return Fraction(float(np.float32(value)))


def float32s(values: NDArray[np.float64]) -> NDArray[Any]:
    """The same of an array, as Fractions."""
    return rational_array(values.astype(np.float32).astype(np.float64).tolist())


def softmax_block(random: Generator, rows: int, length: int, hi: int) -> tuple[Levels, ByBits]:
    """Rows of scores: from nearly equal ones to a few that outweigh all others."""
    spread = np.exp(random.uniform(np.log(30), np.log(1500), (rows, 1)))
    charges = np.rint(random.normal(0, 1, (rows, length)) * spread).astype(np.int64)
    charges = np.clip(charges, -LARGEST, LARGEST)
    unit = float32(random.uniform(0.05, 0.2)) * float32(random.uniform(0.05, 0.2)) / 8
    scale = float32(random.uniform(0.8, 1.0) / hi)

    def by_bits(bits: int) -> tuple[Levels, NDArray[np.bool_]]:
        return table_softmax(charges, exp_table(unit, bits), *scale_of(scale), 0, hi)

    return quantized_softmax(charges, unit, scale, 0, hi), by_bits


def norm_block(random: Generator, rows: int, length: int, center: bool) -> tuple[Levels, ByBits]:
    """Rows of 4-bit tracers."""
    spread = random.uniform(0.7, 4.0, (rows, 1))
    charges = np.rint(random.normal(0, 1, (rows, length)) * spread).astype(np.int64)
    charges = np.clip(charges, -8, 7)
    gamma, beta = (float32s(random.normal(m, s, length)) for m, s in ((0.7, 0.5), (0.0, 0.3)))
    unit, scale = float32(random.uniform(0.05, 0.2)), float32(random.uniform(0.15, 0.5))
    constants = unit, gamma, beta, float32(1e-5), scale, -8, 7, center

    def by_bits(bits: int) -> tuple[Levels, NDArray[np.bool_]]:
        return table_norm(charges, norm_table(length, *constants, bits))

    return quantized_layer_norm(charges, *constants), by_bits


Block = Callable[[Generator, int], tuple[Levels, ByBits]]


def count(name: str, block: Block, rows: int, bits: Sequence[int], done: Any) -> list[Count]:
    """All counts of one function."""
    counts = [Count(name, b) for b in bits]
    for number, first in enumerate(range(0, rows, BLOCK)):
        size = min(BLOCK, rows - first)
        # A seed for each block: the first rows are the same however many follow.
        random = np.random.default_rng([SEED, *name.encode(), number])
        exact, by_bits = block(random, size)
        for c in counts:
            if not c.refused:
                add(c, exact, by_bits)
            done(size)
    return counts


def add(c: Count, exact: Levels, by_bits: ByBits) -> None:
    """Count one block."""
    start = process_time()
    try:
        found, undecided = by_bits(c.bits)
    except ValueError as error:
        c.refused = str(error)
        return
    c.seconds += process_time() - start
    differ = found != exact
    wrong = differ.any(axis=1)
    c.rows += len(exact)
    c.levels += exact.size
    c.levels_that_differ += int(differ.sum())
    c.rows_that_differ += int(wrong.sum())
    c.rows_undecided += int(undecided.sum())
    c.decided_rows_that_differ += int((wrong & ~undecided).sum())


def conclusion(counts: list[Count]) -> str:
    """The least bits from which on nothing differs, and nothing is undecided."""
    ran = [c for c in counts if not c.refused]
    parts = []
    for what, key in (("no level differs", "levels_that_differ"), ("no doubt", "rows_undecided")):
        worst = max((c.bits for c in ran if getattr(c, key)), default=-1)
        enough = [str(c.bits) for c in ran if c.bits > worst]
        parts.append(f"{what} from {enough[0]} bits on" if enough else f"{what}: needs more bits")
    return ", ".join(parts)


def show(console: Console, counts: list[Count]) -> None:
    """One table."""
    table = Table(
        "bits", "levels differ", "rows differ", "rows undecided", title=counts[0].function
    )
    for column in table.columns:
        column.justify = "right"
    for c in counts:
        cells = [c.levels_that_differ, c.rows_that_differ, c.rows_undecided]
        shown = ["too wide", "", ""] if c.refused else [f"{n:,}" for n in cells]
        table.add_row(str(c.bits), *shown)
    console.print(table)
    rows = max(c.rows for c in counts)
    console.print(f"of {rows:,} rows: {conclusion(counts)}\n")


def main() -> int:
    """Count, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="of each function")
    parser.add_argument("--bits", type=int, nargs="+", default=[8, 12, 16, 18, 20, 22, 24])
    parser.add_argument("--keys", type=int, default=197, help="length of a softmax")
    parser.add_argument("--width", type=int, default=384, help="length of a norm")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures here")
    arguments = parser.parse_args()
    keys, width, bits = arguments.keys, arguments.width, sorted(set(arguments.bits))
    if arguments.rows < 1 or keys < 1 or width < 1:
        parser.error("--rows, --keys and --width must be positive")
    functions: dict[str, Block] = {
        "softmax, 4 bits": lambda random, rows: softmax_block(random, rows, keys, 15),
        "softmax, 8 bits": lambda random, rows: softmax_block(random, rows, keys, 255),
        "layer norm, 4 bits": lambda random, rows: norm_block(random, rows, width, True),
        "RMS norm, 4 bits": lambda random, rows: norm_block(random, rows, width, False),
    }
    console, everything = Console(), []
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    notes = Console(stderr=True)
    with Progress(*columns, console=notes, disable=not notes.is_terminal) as progress:
        for name, block in functions.items():
            task = progress.add_task(name, total=arguments.rows * len(bits))

            def done(rows: int, task: Any = task) -> None:
                progress.advance(task, rows)

            counts = count(name, block, arguments.rows, bits, done)
            show(console, counts)
            everything += counts
    if arguments.json is not None:
        part = arguments.json.with_suffix(".part")
        part.write_text(json.dumps([asdict(c) for c in everything], indent=1) + "\n")
        part.replace(arguments.json)
    disproved = [c for c in everything if c.decided_rows_that_differ]
    for c in disproved:
        print(f"{c.function}, {c.bits} bits: a decided row differs", file=sys.stderr)
    return 1 if disproved else 0


if __name__ == "__main__":
    sys.exit(main())
