"""What the PEs of a thread that forms a product hold of its factors: delivered tracers."""

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.products import SIDES, fields_of
from elsac.runtime.program import Program

Ints = NDArray[np.int64]

WORD_BITS = 64
"""Bits of a word in weight and tracer macros: 16 lanes of 4 bits."""


def columns(program: Program, held: Ints) -> Ints:
    """Columns that a batch adds to in one PE, all that it holds or those of a head, [threads]."""
    found = held.copy()
    for product in map(fields_of, program.products):
        if product["out_columns"] and not product["elementwise"]:
            thread = product["thread"]
            found[thread] = min(product["n"], int(held[thread]))
    return found


def row_of_tracers(program: Program, held: Ints) -> dict[int, tuple[int, int]]:
    """Columns and bits of what a batch reads for a spike, by thread: a row of the right factor's
    tracers, or of the wider ones where elements meet elements.
    """
    wide, found = columns(program, held), {}
    for product in map(fields_of, program.products):
        bits = product["right_bits"]
        if product["elementwise"]:
            bits = max(bits, product["left_bits"])
        found[product["thread"]] = int(wide[product["thread"]]), bits
    return found


def words(program: Program, held: Ints) -> Ints:
    """Words of the delivered tracers of both factors that the fullest PE keeps, [threads]."""
    found = np.zeros(len(program.threads), np.int64)
    for product in map(fields_of, program.products):
        number = product["thread"]
        thread = fields_of(program.threads[number])
        rows = range(thread["row_base"], thread["row_base"] + thread["rows"])
        wide = range(thread["column_base"], thread["column_base"] + thread["columns"])
        high, across = max(thread["pe_rows"], 1), max(int(held[number]), 1)
        found[number] = max(
            sum(
                -(-count * product[f"{side}_bits"] // WORD_BITS)
                for count, side in zip(
                    elements(product, rows[i : i + high], wide[j : j + across]), SIDES, strict=True
                )
            )
            for i in range(0, max(len(rows), 1), high)
            for j in range(0, max(len(wide), 1), across)
        )
    return found


def elements(product: dict[str, int], rows: range, columns: range) -> tuple[int, int]:
    """Elements of the (left, right) factor that the sums in some rows and columns need."""
    if product["elementwise"]:
        left, right = (
            (1 if product[f"{side}_transposed"] else len(rows))
            * (1 if product[f"{side}_columns"] else len(columns))
            for side in SIDES
        )
        return left, right
    left, right = 0, 0
    beside = product["out_columns"]
    size, across = (product["n"], columns) if beside else (product["m"], rows)
    for head in range(product["heads"]):
        own = len(range(max(across.start, head * size), min(across.stop, (head + 1) * size)))
        i, j = (len(rows), own) if beside else (own, len(columns))
        left += i * product["k"] * (j > 0)
        right += j * product["k"] * (i > 0)
    return left, right
