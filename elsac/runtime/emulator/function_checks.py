"""Static verification of products and of functions of rows: their tables, and their words.

Tables are checked on their own by :func:`check_tables`. The checks of words take the
:class:`elsac.runtime.emulator.handlers.ThreadCheck` that meets one, and its operands.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator.checks import check_range, entries, fail, fields, thread_name
from elsac.runtime.products import SIDES, factor_shape, needed, other, sums_shape
from elsac.runtime.program import ALWAYS, NEVER, Program

if TYPE_CHECKING:
    from elsac.runtime.emulator.handlers import ThreadCheck

MAX_SIZE = 1 << 27
"""Most sums of a product, or elements of one of its factors."""
MAX_BITS = 32
"""Widest delivered tracer."""
NUMBER_BITS = 62
"""Bits of N of a normalization, and of the sums of a softmax; products of these have two words."""
SQUARE_BITS = 255
"""Bits of the squares that a normalization compares."""


def check_tables(program: Program) -> None:
    """Check products, softmaxes, norms and curves by themselves."""
    for index, product in entries(program.products):
        _product(program, f"product {index}", product)
    for index, entry in entries(program.softmaxes):
        _softmax(program, f"softmax {index}", entry)
    for index, entry in entries(program.norms):
        _norm(program, f"norm {index}", entry)
    for index, entry in entries(program.curves):
        _curve(program, f"curve {index}", entry)


def delivered(program: Program) -> float:
    """Return how many delivered tracers all products keep."""
    total = 0.0
    for _, product in entries(program.products):
        thread = fields(program.threads[product["thread"]])
        boxes = [needed(product, thread, side).shape for side in SIDES]
        total += sum(float(spines) * columns for spines, columns in boxes)
    return total


def _product(program: Program, where: str, product: dict[str, int]) -> None:
    check_range(f"{where}: thread", product["thread"], 1, len(program.threads))
    for name, value in product.items():
        flag = name == "elementwise" or name.endswith(("_columns", "_transposed"))
        if flag and value not in (0, 1):
            fail(f"{where}: {name} is {value}; expected 0 or 1")
        if name.endswith("_bits") and not 1 <= value <= MAX_BITS:
            fail(f"{where}: {name} is {value}; expected 1..{MAX_BITS}")
    sizes = [product[name] for name in ("heads", "m", "k", "n")]
    if product["elementwise"]:
        if product["heads"] != 1 or product["k"] != 0:
            fail(f"{where}: an element-wise product has 1 head and k = 0, not {sizes}")
        sizes = [product["m"], product["n"]]
    if min(sizes) < 1:
        fail(f"{where}: a matrix is empty: sizes {sizes}")
    shapes = [sums_shape(product), *(factor_shape(product, side) for side in SIDES)]
    if max(rows * columns for rows, columns in shapes) > MAX_SIZE:
        fail(f"{where}: matrices of {shapes} are too large")
    thread = fields(program.threads[product["thread"]])
    rows, columns = shapes[0]
    last = thread["row_base"] + thread["rows"], thread["column_base"] + thread["columns"]
    if last[0] > rows or last[1] > columns:
        fail(
            f"{where}: {rows}x{columns} sums, but {thread_name(program, product['thread'])} holds "
            f"up to row {last[0]} and column {last[1]}"
        )


def _softmax(program: Program, where: str, entry: dict[str, int]) -> None:
    check_range(where, entry["exps"], entry["entries"], len(program.exponentials))
    if entry["entries"] < 1:
        fail(f"{where}: no exponentials; expected 1 or more")
    if entry["multiplier"] < 1 or not 0 <= entry["shift"] <= NUMBER_BITS:
        fail(f"{where}: the scale is {entry['multiplier']} / 2**{entry['shift']}")
    exps = program.exponentials[entry["exps"] : entry["exps"] + entry["entries"]]
    if exps[0] < 1 or exps.min() < 0:
        fail(f"{where}: an exponential is negative, or the first is not above 0")
    _classes(where, entry, entry["absent"] >= 0)
    if entry["absent"] < -1:
        fail(f"{where}: absent elements at {entry['absent']}")


def _classes(where: str, entry: dict[str, int], any_class: bool = True) -> None:
    least = 1 if any_class and entry["row_class"] == -1 else 0
    if entry["row_class"] < -1 or entry["classes"] < least:
        fail(f"{where}: no classes for the rows")


def _norm(program: Program, where: str, entry: dict[str, int]) -> None:
    columns, levels = entry["columns"], entry["levels"]
    if min(columns, levels) < 0:
        fail(f"{where}: negative size")
    check_range(f"{where}: thresholds", entry["offset"], columns * levels, len(program.thresholds))
    check_range(f"{where}: signs", entry["signs"], columns, len(program.weights))
    if entry["rms"] not in (0, 1):
        fail(f"{where}: rms is {entry['rms']}; expected 0 or 1")
    if entry["epsilon"] < 0:
        fail(f"{where}: epsilon is {entry['epsilon']}; expected 0 or more")
    for name in ("fraction", "epsilon_bits"):
        if not 0 <= entry[name] <= NUMBER_BITS:
            fail(f"{where}: {name} is {entry[name]}; expected 0..{NUMBER_BITS}")
    signs = program.weights[entry["signs"] : entry["signs"] + columns]
    if (np.abs(signs.astype(np.int64)) > 1).any():
        fail(f"{where}: a sign is none of -1, 0, 1")
    thresholds = program.thresholds[entry["offset"] : entry["offset"] + columns * levels]
    _rising(where, "thresholds", thresholds, columns, levels)


def _rising(where: str, what: str, values: NDArray[np.int64], rows: int, size: int) -> None:
    table = values.reshape(rows, size)
    if (table[:, 1:] < table[:, :-1]).any():
        fail(f"{where}: its {what} decrease")
    if table.size and (table.min() < ALWAYS or table.max() > NEVER):
        fail(f"{where}: its {what} leave {ALWAYS}..{NEVER}")


def _curve(program: Program, where: str, entry: dict[str, int]) -> None:
    rows, pieces = entry["classes"] * entry["columns"], entry["pieces"]
    if min(entry["classes"], entry["columns"], pieces) < 0:
        fail(f"{where}: negative size")
    check_range(f"{where}: breakpoints", entry["offset"], rows * pieces, len(program.thresholds))
    check_range(f"{where}: levels", entry["levels"], pieces + 1, len(program.levels))
    _classes(where, entry)
    breakpoints = program.thresholds[entry["offset"] : entry["offset"] + rows * pieces]
    _rising(where, "breakpoints", breakpoints, rows, pieces)


# The checks of words.


def factor(check: "ThreadCheck", side: str, product: int, base: int) -> None:
    """The product is the thread's; the source lies inside the factor, in no other port's place;
    its tracers fit their copies, and updates any core.
    """
    entry = _meets(check, side, product, base)
    assert check.port is not None
    source = fields(check.program.threads[check.port["source"]])
    columns, first = factor_shape(entry, side)[1], check.port["column_base"]
    if not 0 <= first <= first + source["columns"] <= columns:
        check.fail(f"the columns {first} to {first + source['columns']} of a factor of {columns}")
    limit = 1 << (entry[f"{side}_bits"] - 1)
    if source["lo"] < -limit or source["hi"] >= limit:
        check.fail(
            f"tracers in {source['lo']}..{source['hi']} do not fit {entry[f'{side}_bits']} bits"
        )
    spines = check.port["first"] + base, check.port["stop"] + base
    area = (*spines, first, first + source["columns"])
    areas = check.areas.setdefault((product, side), [])
    for taken in areas if spines[0] < spines[1] and source["columns"] else ():
        if all(area[i] < taken[i + 1] and taken[i] < area[i + 1] for i in (0, 2)):
            check.fail(f"another port delivers a part of this {side} factor, too")
    areas.append(area)
    check.update(check.largest_spike << (entry[f"{other(side)}_bits"] - 1))


def _meets(check: "ThreadCheck", side: str, product: int, base: int) -> dict[str, int]:
    """The product is the thread's, and has the port's spines."""
    assert check.port is not None
    entry = fields(check.program.products[product])
    check.equal("the product's thread", entry["thread"], "the thread", check.number)
    rows, last = factor_shape(entry, side)[0], base + check.port["spines"]
    if not 0 <= base <= last <= rows:
        check.fail(f"the spines {base} to {last} of a factor of {rows}")
    return entry


def both_sides(check: "ThreadCheck") -> None:
    """A product that has a port for one factor has one for the other, too."""
    for product, side in check.areas:
        if (product, other(side)) not in check.areas:
            name = thread_name(check.program, check.number)
            fail(f"{name}: product {product} has no port for its {other(side)} factor")


def left(check: "ThreadCheck", product: int, base: int) -> None:
    """See :func:`factor`."""
    factor(check, "left", product, base)


def right(check: "ThreadCheck", product: int, base: int) -> None:
    """See :func:`factor`."""
    factor(check, "right", product, base)


def lcount(check: "ThreadCheck", product: int, base: int) -> None:
    """The product is the thread's, and has the port's spines."""
    _meets(check, "left", product, base)


def rcount(check: "ThreadCheck", product: int, base: int) -> None:
    """The product is the thread's, and has the port's spines."""
    _meets(check, "right", product, base)


def softmax(check: "ThreadCheck", softmax: int) -> None:
    """Sums fit a word and numbers two; each row has a class and a column that takes part."""
    program, thread = check.program, check.thread
    entry = fields(program.softmaxes[softmax])
    columns = thread["columns"]
    exps = program.exponentials[entry["exps"] : entry["exps"] + entry["entries"]]
    most = 2 * int(exps.max()) + 1
    total = most * columns
    edge = total * entry["multiplier"] * (2 * abs(thread["hi"]) + 1)
    size = max(most << (entry["shift"] + 1), edge)
    for what, number, bits in (("sums", total, NUMBER_BITS), ("numbers", size, 2 * NUMBER_BITS)):
        if number >= 1 << bits:
            check.fail(
                f"a softmax of {columns} columns needs {what} of {number.bit_length()} bits; at "
                f"most {bits} are possible"
            )
    check.row_classes("the softmax", entry)
    if entry["absent"] < 0:
        return
    check_range(
        f"{check.where}: absent elements",
        entry["absent"],
        entry["classes"] * columns,
        len(program.absent),
    )
    absent = program.absent[entry["absent"] :][: entry["classes"] * columns]
    if ((absent != 0) & (absent != 1)).any():
        check.fail("an absent element is marked by another number than 1")
    if columns and absent.reshape(-1, columns).all(axis=1).any():
        check.fail("a class of rows has no column that takes part")


def norm(check: "ThreadCheck", norm: int) -> None:
    """The table has the thread's columns and levels, and the squares fit their words.

    With d charges of b bits, two's complement, |N| is below d * 2**b and W below
    (d * 2**(b - 1))**2. |N| / sqrt(W) is at most sqrt(d), so that no N comes near NEVER if
    sqrt(d) * 2**fraction is at most 2**61.
    """
    entry, thread = fields(check.program.norms[norm]), check.thread
    check.equal("the norm's columns", entry["columns"], "the thread's columns", thread["columns"])
    check.equal("the norm's lo", entry["lo"], "the thread's", thread["lo"])
    levels = thread["hi"] - thread["lo"]
    check.equal("the norm's levels", entry["levels"], "the thread's hi - lo", levels)
    size = entry["columns"] * entry["levels"]
    thresholds = check.program.thresholds[entry["offset"] : entry["offset"] + size]
    finite = thresholds[(thresholds > ALWAYS) & (thresholds < NEVER)]
    edge = max(int(finite.max()), -int(finite.min())).bit_length() if len(finite) else 0
    width = entry["columns"].bit_length()
    number = width + thread["membrane_bits"]
    spread = 2 * (number - 1)
    left = 2 * (number + entry["fraction"]) + entry["epsilon_bits"]
    under = max(spread + entry["epsilon_bits"], entry["epsilon"].bit_length()) + 1
    if number > NUMBER_BITS:
        check.fail(f"the numbers of a norm need {number} bits; at most {NUMBER_BITS} are possible")
    if max(left, 2 * edge + under) > SQUARE_BITS:
        check.fail(
            f"a norm compares numbers of {max(left, 2 * edge + under)} bits; at most "
            f"{SQUARE_BITS} are possible"
        )
    if 2 * entry["fraction"] + width > 2 * NUMBER_BITS - 2:
        check.fail(f"thresholds of {entry['fraction']} fractional bits leave no room")


def curve(check: "ThreadCheck", curve: int) -> None:
    """The table has the thread's columns, levels within its range, and a class for each row."""
    entry, thread = fields(check.program.curves[curve]), check.thread
    check.equal("the curve's columns", entry["columns"], "the thread's columns", thread["columns"])
    levels = check.program.levels[entry["levels"] : entry["levels"] + entry["pieces"] + 1]
    if levels.min() < thread["lo"] or levels.max() > thread["hi"]:
        check.fail(f"a level of the curve leaves {thread['lo']}..{thread['hi']}")
    check.row_classes("the curve", entry)


WORDS: dict[str, Callable[..., None]] = {
    "left": left,
    "right": right,
    "lcount": lcount,
    "rcount": rcount,
    "softmax": softmax,
    "norm": norm,
    "curve": curve,
}
