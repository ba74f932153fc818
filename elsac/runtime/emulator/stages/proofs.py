"""What membranes can come to hold, whatever arrives in whatever order.

A membrane is the sum of weight times tracer over all that it hears, where the tracer is what its
source has sent so far. Tracers stay in lo..hi, which hold 0, so each product lies between the least
and the greatest of its values at lo, 0 and hi, and so does every partial sum, whatever the order of
arrival. Rows at the border of a map hear fewer taps; a bound is the greatest over the sets of taps
that rows really have.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator.image import Image
from elsac.runtime.emulator.kernels import Array, compiled
from elsac.runtime.emulator.stages.factors import Product, product_of
from elsac.runtime.emulator.stages.links import Link, spans
from elsac.runtime.emulator.stages.shape import NONE, Stage
from elsac.runtime.program import Program

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Bounds:
    """Least and greatest charge of each column over all rows of a thread, [columns]."""

    least: Ints
    greatest: Ints

    @property
    def bits(self) -> int:
        """Two's complement bits that the charges need."""
        return self._bits(0)

    @property
    def bits_with_one_more(self) -> int:
        """The bits that also hold a charge that is greater than all."""
        return self._bits(1)

    def _bits(self, more: int) -> int:
        top, bottom = int(self.greatest.max(initial=0)) + more, int(self.least.min(initial=0))
        return 1 + max(top.bit_length(), (-bottom - 1).bit_length() if bottom else 0)


def bounds_of(image: Image, stage: Stage, links: list[Link]) -> Bounds:
    """Bound the charges of a stage that hears these links and nothing else."""
    program = image.program
    thread = program.threads[stage.thread]
    least, greatest = np.zeros((2, int(thread["columns"])), np.int64)
    for link in links:
        if link.kind in ("trace", "scat"):
            continue
        make = {"acc": _weighted, "add": _scaled}[link.kind]
        low, high = make(program, stage, link)
        least, greatest = least + low, greatest + high
    gathered = [link for link in links if link.kind == "scat"]
    if gathered:
        # Row by row: what one stream brings to a row, another need not bring to the same one.
        lows, highs = zip(*(_scattered(program, stage, link) for link in gathered), strict=True)
        least = least + np.sum(lows, axis=0).min(axis=0, initial=0)
        greatest = greatest + np.sum(highs, axis=0).max(axis=0, initial=0)
    if stage.product != NONE:
        ends = _multiplied(product_of(program, [stage]))
        least, greatest = least + ends[0], greatest + ends[1]
    if stage.kind == "flow":  # takes from the membrane what it has sent
        least, greatest = least - int(thread["hi"]), greatest - int(thread["lo"])
    return Bounds(least, greatest)


def _multiplied(product: Product) -> tuple[int, int]:
    """Bound sums of products of delivered tracers, whichever of these have arrived."""
    left, right = product.left, product.right
    ends = [a * b for a in (left.lo, left.hi) for b in (right.lo, right.hi)]
    return product.depth * min(ends), product.depth * max(ends)


def _weighted(program: Program, stage: Stage, link: Link) -> tuple[Ints, Ints]:
    entry = program.weight_segments[link.operand]
    inputs, taps = int(entry["inputs"]), int(entry["taps"])
    lo, hi = spans(program, link, int(entry["first_input"]), inputs)
    offset, width = int(entry["offset"]), int(entry["outputs_per_group"])
    weights = program.weights[offset : offset + taps * inputs * width]
    columns = int(program.threads["columns"][stage.thread])
    low, high = np.zeros((2, taps, columns), np.int64)
    bound_taps(weights, lo, hi, int(entry["inputs_per_group"]), width, low, high)
    return _over_rows(link, low, -1) << link.shift, _over_rows(link, high, 1) << link.shift


def _over_rows(link: Link, taps: Ints, sign: int) -> Ints:
    """Return the greatest (sign 1) or least sum over the sets of taps of the rows, [columns]."""
    assert link.vertical is not None and link.horizontal is not None
    taps = taps.reshape(link.vertical.kernel, link.horizontal.kernel, -1)
    sums = [
        taps[ys][:, xs].sum(axis=(0, 1))
        for ys in link.vertical.tap_sets()
        for xs in link.horizontal.tap_sets()
    ]
    return np.asarray(sign * np.max([sign * s for s in sums], axis=0), np.int64)


def _scaled(program: Program, stage: Stage, link: Link) -> tuple[Ints, Ints]:
    entry = program.constant_segments[link.operand]
    lo, hi = spans(program, link, int(entry["first_input"]), int(entry["inputs"]))
    first = int(entry["offset"])
    factors = program.weights[first : first + int(entry["inputs"])].astype(np.int64)
    assert link.vertical is not None and link.horizontal is not None
    most = max(map(len, link.vertical.tap_sets())) * max(map(len, link.horizontal.tap_sets()))
    products = np.stack([factors * lo, factors * hi]) * most
    return np.minimum(products, 0).min(axis=0), np.maximum(products, 0).max(axis=0)


def _scattered(program: Program, stage: Stage, link: Link) -> tuple[Ints, Ints]:
    """Bound what an index map brings, [rows, columns]."""
    entry, port = program.maps[link.operand], link.bands[0].ports[0]
    source, thread = program.threads[port.source], program.threads[stage.thread]
    start, target = int(entry["indptr"]), int(entry["target"])
    channels = int(entry["channels"])
    bounds = program.map_indptr[start : start + int(entry["spines"]) * channels + 1]
    pairs = program.map_targets[target : target + int(entry["targets"])]
    cell = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    spine, column = np.divmod(cell, max(channels, 1))
    column -= port.column_base
    heard = (spine >= port.first) & (spine < port.stop)
    heard &= (column >= 0) & (column < int(source["columns"]))
    fans = np.zeros((int(thread["rows"]), int(thread["columns"])), np.int64)
    np.add.at(fans, tuple(pairs[heard].T), 1)
    return fans * int(source["lo"]), fans * int(source["hi"])


@compiled
def bound_taps(
    weights: Array, lo: Array, hi: Array, per_group: int, width: int, low: Array, high: Array
) -> None:
    """Add the least and the greatest of weight times tracer to low and high, [taps, columns]."""
    inputs = len(lo)
    for tap in range(low.shape[0]):
        for channel in range(inputs):
            least, greatest = lo[channel], hi[channel]
            start = (tap * inputs + channel) * width
            column = channel // per_group * width
            for i in range(width):
                weight = np.int64(weights[start + i])
                one, other = weight * least, weight * greatest
                low[tap, column + i] += min(one, other)
                high[tap, column + i] += max(one, other)
