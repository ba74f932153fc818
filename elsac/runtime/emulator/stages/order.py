"""The order in which rows become ready, which no spike can change.

Every spine ends once in a step, whatever it carries, so that the dependency counters run the same
course in every step. It is followed here once; rows that are fed after they have spiked, or that
are never ready, leave the program to the virtual machine.
"""

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator.image import Image
from elsac.runtime.emulator.stages.shape import FACTORS, NONE, NoStages, Port, Stage
from elsac.runtime.products import fields_of, rows_met

Ints = NDArray[np.int64]


def send_orders(image: Image, stages: list[Stage]) -> list[Ints]:
    """Return for each stage its rows in the order in which they run; raise `NoStages`."""
    orders: dict[int, Ints] = {}
    for stage in stages:
        orders[stage.thread] = _order(image, stage, orders)
    return [orders[stage.thread] for stage in stages]


def _order(image: Image, stage: Stage, orders: dict[int, Ints]) -> Ints:
    program = image.program
    thread = program.threads[stage.thread]
    rows, first, start = int(thread["rows"]), int(thread["depends"]), int(thread["row_order"])
    waiting = program.depends[first : first + rows].astype(np.int64)
    told = [_told(image, stage.thread, port, orders[port.source]) for port in stage.ports]
    counted = np.concatenate([np.zeros(0, np.int64), *told])
    if not np.array_equal(np.bincount(counted, minlength=rows), waiting):
        raise NoStages(f"thread {stage.thread}: a row does not wait for all that counts it down")
    for port in stage.ports:
        _check_fed(image, stage, port)
    ready = np.arange(rows)
    if start >= 0:
        ready = program.row_orders[start : start + rows].astype(np.int64)
    ready = ready[waiting[ready] == 0]
    last = np.full(rows, -1, np.int64)
    last[counted] = np.arange(len(counted))  # of equal indices the last one stays
    later = np.flatnonzero(waiting > 0)
    return np.concatenate([ready, later[np.argsort(last[later])]])


def _told(image: Image, thread: int, port: Port, order: Ints) -> Ints:
    """Return the rows that a port counts down, spine by spine as they are sent."""
    if port.end == "" or not _sends(image, port.source):
        return np.zeros(0, np.int64)
    spines = order[(order >= port.first) & (order < port.stop)]
    if port.end in FACTORS.values():
        return _met(image, thread, port, spines)
    indptr, rows = _table(image, port)
    starts, sizes = indptr[spines], indptr[spines + 1] - indptr[spines]
    ends = np.cumsum(sizes)
    places = np.arange(int(ends[-1]) if len(ends) else 0)
    return np.asarray(rows[places + np.repeat(starts - (ends - sizes), sizes)], np.int64)


def _met(image: Image, thread: int, port: Port, spines: Ints) -> Ints:
    """Return the rows of which sums need these spines of a factor, spine by spine."""
    program = image.program
    product, entry = fields_of(program.products[port.operand]), fields_of(program.threads[thread])
    rows = [rows_met(product, entry, port.kind, spine + port.base) for spine in spines.tolist()]
    return np.concatenate([np.zeros(0, np.int64), *(np.array(r, np.int64) for r in rows)])


def _check_fed(image: Image, stage: Stage, port: Port) -> None:
    """Every row that a spine feeds is counted down by it, and so spikes after it."""
    if port.kind in ("", *FACTORS) or not _sends(image, port.source):
        return
    spines = np.arange(port.first, port.stop)
    window = port.window if port.kind in ("acc", "add") else stage.operand
    if port.end == "count" and port.kind != "scat" and (port.kind != "trace" or not port.operand):
        if image.taps.first[window] == image.taps.first[port.end_table]:
            return  # the same window
    if port.kind in ("acc", "add"):
        fed = _pairs(*_window(image, port.window), spines)
    elif port.kind == "scat":
        fed = _pairs(*_map(image, port.operand), spines)
    elif stage.kind != "max":
        raise NoStages(f"thread {stage.thread}: it copies tracers that it does not use")
    else:
        indptr, rows = _window(image, stage.operand)
        size = len(indptr) - 1
        inside = (spines + port.operand >= 0) & (spines + port.operand < size)
        fed = _pairs(indptr, rows, spines[inside] + port.operand)
        fed[0] -= port.operand
    told = _pairs(*_table(image, port), spines) if port.end else np.zeros((2, 0), np.int64)
    many = int(image.program.threads["rows"][stage.thread])
    if not np.isin(fed[0] * many + fed[1], told[0] * many + told[1]).all():
        raise NoStages(f"thread {stage.thread}: port {port.number} feeds rows without a count")


def _sends(image: Image, thread: int) -> bool:
    """Return whether a thread sends spines at all."""
    return bool(image.send_offset[thread + 1] > image.send_offset[thread])


def _table(image: Image, port: Port) -> tuple[Ints, Ints]:
    assert port.end_table != NONE
    return (_window if port.end == "count" else _map)(image, port.end_table)


def _window(image: Image, window: int) -> tuple[Ints, Ints]:
    """Return (indptr, rows): the rows that each spine of a window feeds."""
    entry, first = image.program.windows[window], int(image.taps.first[window])
    spines = int(entry["in_height"]) * int(entry["in_width"])
    return image.taps.indptr[first : first + spines + 1], image.taps.row


def _map(image: Image, index: int) -> tuple[Ints, Ints]:
    first, spines = int(image.map_rows.first[index]), int(image.program.maps["spines"][index])
    return image.map_rows.indptr[first : first + spines + 1], image.map_rows.row


def _pairs(indptr: Ints, rows: Ints, spines: Ints) -> Ints:
    """Return the (spine, row) pairs of some spines, [2, pairs]."""
    starts, sizes = indptr[spines], indptr[spines + 1] - indptr[spines]
    ends = np.cumsum(sizes)
    places = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(
        starts - (ends - sizes), sizes
    )
    return np.stack([np.repeat(spines, sizes), rows[places]])
