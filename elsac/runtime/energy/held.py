"""What the threads of a program hold in each of their PEs, besides membranes and tracers: weights,
constants, and max-pools' copies of the tracers that they read.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.energy.factors import WORD_BITS, row_of_tracers
from elsac.runtime.handlers import handler
from elsac.runtime.program import Program

Ints = NDArray[np.int64]


class Weights(NamedTuple):
    """Rows of weights of each thread in one PE, all [threads]; see `Shapes`."""

    rows: Ints
    columns: Ints
    bits: Ints
    constant_bits: Ints


class _Rows(NamedTuple):
    """Rows of equal width; words are those of one row."""

    words: int
    rows: int
    columns: int
    bits: int


def weights(program: Program, columns: Ints) -> Weights:
    """The weights and constants of threads that have `columns` in one PE, [threads].

    The widest weights decide what a row is, or the widest constants of a thread without weights;
    all others count for as many such rows as their words fill.
    """
    found = np.zeros((len(program.threads), len(Weights._fields)), np.int64)
    factors = row_of_tracers(program, columns)
    for number, thread in enumerate(program.threads):
        first, held = int(thread["first_port"]), int(columns[number])
        seen: dict[tuple[str, int], _Rows] = {}
        work: set[str] = set()
        for port in program.ports[first : first + int(thread["ports"])]:
            for _, name, operands in handler(program, int(port["on_spikes"])):
                if name == "acc":
                    segment = program.weight_segments[operands["weights"]]
                    seen[name, operands["weights"]] = _segment(segment, held)
                if name == "add":
                    bits = int(program.constant_segments[operands["constants"]]["bits"])
                    row = _Rows(_words(held * bits), 1, held, bits)
                    seen[name, operands["constants"]] = row
                if name in ("acc", "add", "scat", "trace"):
                    work.add(name)
        if number in factors:
            found[number] = 0, *factors[number], 0  # nothing of it is there before a run
        if not seen:
            continue
        main = max(rows for (name, _), rows in seen.items() if name == "acc" or "acc" not in work)
        total = sum(-(-r.rows * r.words // max(main.words, 1)) for r in seen.values())
        # Only where all batches are of constants do counts say how often these are read.
        constant = max(r.bits for r in seen.values()) if work == {"add"} else 0
        found[number] = total, main.columns, main.bits, constant
    return Weights(*found.T)


def _segment(segment: np.void, held: int) -> _Rows:
    """A weight segment, [taps][inputs][outputs of a group], in a PE with `held` columns."""
    taps, inputs, fan_in, width, bits = (
        int(segment[key])
        for key in ("taps", "inputs", "inputs_per_group", "outputs_per_group", "bits")
    )
    wide = min(width, held)
    words = _words(wide * bits)
    if inputs <= fan_in:  # one group
        return _Rows(words, taps * inputs, wide, bits)
    # The inputs whose groups have columns here. Rows that are narrow share words.
    here = min(inputs, fan_in * -(-held // max(width, 1)))
    packed = max(WORD_BITS // max(wide * bits, 1), 1)
    return _Rows(words, -(-taps * here // packed), wide, bits)


def copies(program: Program) -> Ints:
    """Rows of input tracers that one PE of each thread keeps (max-pool), 0 for others, [threads].
    PEs that share rows each keep what their windows reach.
    """
    found = program.threads["trace_spines"].astype(np.int64)
    for number, thread in enumerate(program.threads):
        if not found[number] or thread["pe_rows"] >= thread["rows"]:
            continue
        for _, name, operands in handler(program, int(thread["on_row"])):
            if name == "max":
                window: dict[str, Any] = dict(
                    zip(
                        program.windows.dtype.names or (),
                        program.windows[operands["window"]].tolist(),
                        strict=True,
                    )
                )
                lines = -(-int(thread["pe_rows"]) // window["out_width"])
                reach = (window["kernel_height"] - 1) * window["dilation_height"] + 1
                high = (lines - 1) * window["stride_height"] + reach
                found[number] = min(found[number], high * window["in_width"])
    return found


def _words(bits: int) -> int:
    return -(-bits // WORD_BITS)
