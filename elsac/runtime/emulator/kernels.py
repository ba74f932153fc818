"""The compiled sums of the machine, and the rules of spikes: loops over the columns of one row.

Membranes are 32 bits wide where the image allows it, else 64; weights 32. Everything else is 64
bits and lies in `tables` or `state` (`layout.py`); integers that name a place there are addresses.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from elsac.runtime.caches import drop_stale, listen
from elsac.runtime.emulator.parts import PartCompiler

_HERE = Path(__file__).parent
drop_stale(_HERE, _HERE / "stages", _HERE.parent, _HERE.parent / "packets")
listen()

Array = NDArray[Any]
"""Membranes, weights, or one of the two memories."""

F = TypeVar("F", bound=Callable[..., Any])


# Its types do not know `_nrt`, which says whether owners of arrays are counted.
_njit: Any = numba.njit


def compiled(function: F) -> F:
    """Compile a function at its first call, and keep the machine code on disk."""
    return cast(F, _njit(cache=True, nogil=True, _nrt=True)(function))


def bare(function: F) -> F:
    """Compile a function that neither makes nor cuts arrays: none of their owners are counted.

    Counting costs more than a short loop does, at every call and in every loop.
    """
    return cast(F, _njit(cache=True, nogil=True, _nrt=False)(function))


def inlined(function: F) -> F:
    """Compile a function into each of its callers: for short ones that run all the time.

    A call passes every array as seven numbers, which costs more than such a function does. Python
    cannot call it.
    """
    return _part(function, forceinline=True, _nrt=False)


def part(function: F) -> F:
    """Do :func:`bare` for a function that only compiled code calls; see `parts.py`."""
    return _part(function, _nrt=False)


def part_with_arrays(function: F) -> F:
    """Do :func:`part` for a function that makes or cuts arrays."""
    return _part(function, _nrt=True)


def _part(function: F, **options: bool) -> F:
    wrappers = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    made = _njit(nogil=True, pipeline_class=PartCompiler, **wrappers, **options)
    return cast(F, made(function))


@compiled
def outside(membranes: Array, first: int, columns: int, limit: int) -> int:
    """Return the first column whose membrane is not in -limit..limit-1, or -1."""
    for column in range(columns):
        if not -limit <= membranes[first + column] < limit:
            return column
    return -1


@compiled
def add_row(
    membranes: Array, first: int, weights: Array, a: int, width: int, factor: int, limit: int
) -> bool:
    """Add factor * weights to a row and return whether all sums are in -limit..limit-1.

    A sum v is in range iff v + limit has no bit beyond 2 * limit - 1, so that one OR over the row
    tells. Sums do not wrap: verification has bounded the update. Indices are unsigned because
    those need no check for negative ones, and then the loop becomes vector code.
    """
    kind = membranes.dtype.type
    scale, bias, bits = kind(factor), kind(limit), kind(0)
    m, w = np.uint64(first), np.uint64(a)
    for i in range(np.uint64(width)):
        value = kind(membranes[m + i] + kind(scale * kind(weights[w + i])))
        membranes[m + i] = value
        bits = kind(bits | kind(value + bias))
    return bool((np.int64(bits) & ~(2 * limit - 1)) == 0)


@compiled
def add_four_rows(
    membranes: Array,
    first: int,
    weights: Array,
    base: int,
    state: Array,
    rows: int,
    factors: int,
    width: int,
    limit: int,
) -> bool:
    """Do :func:`add_row` for four weight rows at the price of one load and store of the membranes.

    Every partial sum is checked. After the first that leaves the range, later ones may wrap, which
    the OR forgives.
    """
    kind = membranes.dtype.type
    bias, bits = kind(limit), kind(0)
    f0, f1 = kind(state[factors]), kind(state[factors + 1])
    f2, f3 = kind(state[factors + 2]), kind(state[factors + 3])
    m = np.uint64(first)
    a, b = np.uint64(base + state[rows]), np.uint64(base + state[rows + 1])
    c, d = np.uint64(base + state[rows + 2]), np.uint64(base + state[rows + 3])
    for i in range(np.uint64(width)):
        v0 = kind(membranes[m + i] + kind(f0 * kind(weights[a + i])))
        v1 = kind(v0 + kind(f1 * kind(weights[b + i])))
        v2 = kind(v1 + kind(f2 * kind(weights[c + i])))
        v3 = kind(v2 + kind(f3 * kind(weights[d + i])))
        membranes[m + i] = v3
        low = kind(kind(v0 + bias) | kind(v1 + bias))
        high = kind(kind(v2 + bias) | kind(v3 + bias))
        bits = kind(bits | kind(low | high))
    return bool((np.int64(bits) & ~(2 * limit - 1)) == 0)


@compiled
def accumulate(
    membranes: Array,
    row: int,
    weights: Array,
    base: int,
    width: int,
    limit: int,
    spikes: int,
    state: Array,
    rows: int,
    groups: int,
    factors: int,
) -> int:
    """Add the weight rows of a packet, from `base` + row on, to one row of membranes, in order.

    Rows, groups and factors of the spikes lie at these addresses; a group is the column at which a
    weight row begins. Return the first column whose membrane leaves its range, with the first spike
    that makes one do so, or -1.
    """
    done = 0
    while done < spikes:
        group, factor, start = state[groups + done], state[factors + done], state[rows + done]
        first = row + group
        if (
            done + 4 <= spikes
            and group == state[groups + done + 1]
            and group == state[groups + done + 2]
            and group == state[groups + done + 3]
        ):
            at, by = rows + done, factors + done
            if add_four_rows(membranes, first, weights, base, state, at, by, width, limit):
                done += 4
                continue
            # Take the four back, which restores the row even from wrapped sums; then find the
            # first at fault one by one.
            for i in range(4):
                add_row(
                    *(membranes, first, weights, base + state[at + i]),
                    *(width, -state[by + i], limit),
                )
        if not add_row(membranes, first, weights, base + start, width, factor, limit):
            return int(group + outside(membranes, first, width, limit))
        done += 1
    return -1


@compiled
def bump(membranes: Array, place: int, amount: int, limit: int) -> bool:
    """Add to one membrane and return whether it stays in -limit..limit-1."""
    value = int(membranes[place]) + amount
    membranes[place] = value
    return bool(-limit <= value < limit)


# The rules that pick a spike.


@compiled
def climb(charge: int, tables: Array, at: int, sign: int, room: int, nearest: bool) -> int:
    """Return the size of a spike when a move by 1 holds; `tables[at]` is the tracer's own stair."""
    size = 1
    while 2 * size <= room and crosses(charge, tables, at, sign * 2 * size):
        size *= 2
    if nearest and 2 <= size and 2 * size <= room:
        if crosses(charge, tables, at, sign * (size + size // 2)):
            size *= 2
    return size


@compiled
def crosses(charge: int, tables: Array, at: int, distance: int) -> bool:
    """Return whether the charge has crossed the last stair of a move."""
    if distance > 0:
        return bool(charge >= tables[at + distance])
    return bool(charge < tables[at + distance + 1])


@compiled
def approach(target: int, tracer: int, lo: int, hi: int, alphabet: int) -> int:
    """Return the spike that moves a tracer towards a target within lo..hi, or 0."""
    distance = min(max(target, lo), hi) - tracer
    if distance == 0:
        return 0
    sign = 1 if distance > 0 else -1
    room = hi - tracer if distance > 0 else tracer - lo
    distance *= sign
    size = 1
    if alphabet:
        while 2 * size <= distance:
            size *= 2
        if alphabet == 2 and size >= 2 and 2 * size <= room and distance >= size + size // 2:
            size *= 2
    return sign * size
