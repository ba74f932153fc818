"""What a PE has to do for a product of activations, by the rules of the timing models.

A spike of the left factor is to its row of sums what any spike is to a row: it waits in a queue for
a batch, and a batch reads rows of the right factor's delivered tracers. A spike of the right factor
adds a column of the left one's to a column of sums, as long as the rows of one head in the PE.
Spikes of one spine share such a batch only if they are of one column: those of keys are, those of
values are not. docs/timing.md has the rules, `elsac/runtime/timing/meeting.py` what is charged.
"""

from functools import cache
from math import ceil

from elsac.dialects import token
from elsac.dialects.products import AnyProduct, ElementwiseAttr, ProductAttr
from elsac.passes.capacity import Part
from elsac.targets import Target

HAIR = 1e-9
"""What rounding of sums may add opens no batch."""

Rates = tuple[float, ...]


def product_cycles(actor: token.ActorOp, product: AnyProduct, part: Part, target: Target) -> int:
    """Busy cycles of one PE of a tile in a run."""
    rates: dict[str, Rates] = {}
    for value, step in zip(actor.inputs, list(actor.body.block.ops)[:-1], strict=True):
        if isinstance(step, token.FactorOp):
            owner = value.owner
            assert isinstance(owner, token.ActorOp | token.SourceOp)
            rates[step.side.data] = token.rates(owner.rates)
    left, right = rates["left"], rates["right"]
    rows = up(part.lines / part.pe_lines)
    turns = up(up(part.columns / part.pe_columns) / target.circuits_per_pe)
    fire = max(len(left), len(right)) * rows * turns * target.fire_cycles
    if isinstance(product, ElementwiseAttr):
        # Single columns: an access to a row for all spikes of a spine.
        return fire + sum(rate > 0 for rate in (*left, *right)) * rows * turns
    return (
        fire
        + sum(rows * left_cycles(product, part, rate, target) for rate in left)
        + sum(right_cycles(product, part, rate, target) for rate in right)
    )


def left_cycles(product: ProductAttr, part: Part, rate: float, target: Target) -> int:
    """Cycles of the left factor's spikes for one row of sums in a step."""
    _, _, k, n = product.sizes
    beside = product.out.data == "columns"
    heads = met(product, part)[0] if beside else 1
    wide = up(part.columns / part.pe_columns)
    turns = up((min(n, wide) if beside else wide) / target.circuits_per_pe)
    spikes = heads * k * rate
    # Spines that bring spikes to a row: a matrix has its rows in one spine, or a number in each.
    spines = heads if product.left.data == "rows" else 1
    load = spines * up(spikes / spines / (2 * target.adder_inputs))
    if product.left_transposed.data:
        spines, load = spines * k, 0
    # Other rows take its queue in between, if they are too many.
    if up(part.lines / part.pe_lines) <= target.input_queues:
        spines = 1
    batches = min(spines * up(spikes / spines / target.adder_inputs), up(spikes))
    return max(turns * batches, load)


def right_cycles(product: ProductAttr, part: Part, rate: float, target: Target) -> int:
    """Cycles of the right factor's spikes in a step."""
    _, _, k, _ = product.sizes
    heads, columns = met(product, part)
    rows = up(part.lines / part.pe_lines)
    long = rows if product.out.data == "columns" else up(rows / heads)
    turns = up(long / target.circuits_per_pe)
    # Heads of which one spine has elements.
    beside = heads if product.right.data == "columns" else 1
    if product.right_transposed.data:
        spines, spikes = heads // beside * columns, beside * k * rate
        batches: float = beside * up(k * rate / target.adder_inputs)
    else:
        spines, spikes = heads // beside * k, beside * columns * rate
        batches = spikes
    load = up(spikes / (2 * target.adder_inputs))
    return spines * max(up(batches * turns / part.pe_columns), load)


def met(product: ProductAttr, part: Part) -> tuple[int, int]:
    """The heads that a PE's sums belong to, and the columns of each of them in its tile."""
    heads, m, _, n = product.sizes
    if product.out.data == "rows":
        return spanned(up(part.lines / part.pe_lines), m, heads * m), part.columns
    found = spanned(part.columns, n, heads * n)
    return found, up(part.columns / found)


@cache
def spanned(numbers: int, size: int, total: int) -> int:
    """The most blocks of a size that numbers out of so many belong to, which begin at a multiple of
    how many they are.
    """
    ranges = ((first, min(first + numbers, total)) for first in range(0, total, numbers))
    return max((stop - 1) // size - first // size + 1 for first, stop in ranges)


def up(number: float) -> int:
    """Rounded up, but for a hair."""
    return ceil(number - HAIR)
