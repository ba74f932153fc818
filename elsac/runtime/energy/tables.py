"""What rows are compared with when they fire, in the memory of membranes: staircases, breakpoints,
thresholds of norms, exponentials of a softmax.
"""

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.handlers import handler
from elsac.runtime.program import ALWAYS, NEVER, Program

Ints = NDArray[np.int64]


def ends(program: Program) -> list[set[str]]:
    """The instructions of each thread's handler of rows."""
    return [
        {name for _, name, _ in handler(program, int(thread["on_row"]))}
        for thread in program.threads
    ]


def of_rows(program: Program, pes: int) -> tuple[Ints, Ints]:
    """Classes of each thread's table, and the bits that a column has in each of them; 0 without,
    [threads].

    Staircases and curves have a base and a step as wide as the membrane and a code for each level;
    norms have their thresholds and a sign. What there is once for all columns counts in parts: the
    levels of a curve, and exponentials, of which each of a core's `pes` PEs is charged its part.
    """
    found = np.zeros((2, len(program.threads)), np.int64)
    for number, thread in enumerate(program.threads):
        columns = -(-int(thread["columns"]) // max(int(thread["pe_columns"]), 1))
        for _, name, operands in handler(program, int(thread["on_row"])):
            classes, bits = _bits(program, name, operands, int(thread["membrane_bits"]))
            if name == "softmax":
                entry = program.softmaxes[operands["softmax"]]
                first, size = int(entry["exps"]), int(entry["entries"])
                bits += _shared(
                    size * width(program.exponentials[first : first + size]), pes * columns
                )
            if name == "curve":
                entry = program.curves[operands["curve"]]
                first, size = int(entry["levels"]), int(entry["pieces"]) + 1
                once = size * width(program.levels[first : first + size])
                bits += _shared(once, columns * max(classes, 1))
            if bits:
                found[:, number] = classes, bits
    return found[0], found[1]


def _bits(program: Program, name: str, operands: dict[str, int], membrane: int) -> tuple[int, int]:
    """Classes, and bits of a column in each."""
    if name == "fire":
        entry = program.stairs[operands["stairs"]]
        return int(entry["classes"]), 2 * membrane + int(entry["levels"])
    if name == "curve":
        entry = program.curves[operands["curve"]]
        return int(entry["classes"]), 2 * membrane + int(entry["pieces"])
    if name == "norm":
        entry = program.norms[operands["norm"]]
        size, first = int(entry["columns"]) * int(entry["levels"]), int(entry["offset"])
        each = width(program.thresholds[first : first + size])
        return 1, int(entry["levels"]) * each + 2  # a sign is -1, 0 or 1
    if name == "softmax":
        absent = int(program.softmaxes[operands["softmax"]]["absent"])
        return 1, 0 if absent < 0 else int(program.softmaxes[operands["softmax"]]["classes"])
    return 0, 0


def _shared(bits: int, parts: int) -> int:
    return -(-bits // max(parts, 1))


def width(numbers: NDArray[np.signedinteger]) -> int:
    """The least two's complement width of integers; never and always take no more."""
    finite = numbers[(numbers > ALWAYS) & (numbers < NEVER)]
    low, high = int(finite.min(initial=0)), int(finite.max(initial=0))
    return max((-low - 1).bit_length() if low < 0 else 0, high.bit_length()) + 1
