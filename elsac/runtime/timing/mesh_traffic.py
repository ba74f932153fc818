"""Packets that are known beforehand, sent over a mesh: for measurements and tests of the mesh."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.timing.mesh import cycle, inject, release
from elsac.runtime.timing.mesh_compiled import borrow, compiled
from elsac.runtime.timing.mesh_state import ARRIVED, EJECTED, STILL, Mesh

Ints = NDArray[np.int32]


class Traffic(NamedTuple):
    """Packets in the order of their cycles, [packets] each; their numbers are their positions."""

    cycles: Ints
    """In which the core wants to send; where the queue is full, as soon as it has room."""
    places: Ints
    trees: Ints
    channels: Ints
    flits: Ints


class Outcome(NamedTuple):
    """What came of a traffic."""

    cycles: int
    """Cycles until everything had arrived, or until nothing moved any more."""
    in_flight: int
    """Flits that are stuck, or were on their way at the end: 0 if all went well."""
    arrivals: Ints
    """[arrivals, 3]: (cycle, place, packet) of the last flits, as they came."""


def replay(
    mesh: Mesh,
    traffic: Traffic,
    *,
    start: int = 0,
    stop: int = 1 << 30,
    period: int = 0,
    expected: int = 0,
) -> Outcome:
    """Send a traffic over an empty mesh, until everything has arrived or nothing moves any more.

    With `period` > 0, each core takes one flit up in every `period` cycles; with 0 nothing is taken
    up, which asks for ejection queues without end. `stop` is the cycle after the last, in any case.
    At most `expected` arrivals are recorded.
    """
    record = np.zeros((expected, 3), np.int32)
    cycles, in_flight, arrivals = _replay(mesh, traffic, start, stop, period, record)
    return Outcome(cycles, in_flight, record[: min(expected, arrivals)])


@compiled
def _replay(
    mesh: Mesh, traffic: Traffic, start: int, stop: int, period: int, record: Any
) -> tuple[int, int, int]:
    """Return the cycle after the last one, the flits that are in flight, and the arrivals."""
    mesh = borrow(mesh)
    packets = traffic.cycles.size
    following = np.full(packets, -1, np.int32)  # packets that wait at a core, as linked lists
    places = mesh.routers.shape[0]
    first = np.full(places, -1, np.int32)
    last = np.full(places, -1, np.int32)
    busy = np.zeros(places, np.int32)  # places with such packets
    busy_count = 0
    now, offered, arrivals, flying = start, 0, 0, 0
    while now < stop:
        if flying == 0 and busy_count == 0:
            if offered == packets:
                break
            now = max(now, traffic.cycles[offered])
        while offered < packets and traffic.cycles[offered] <= now:
            place = traffic.places[offered]
            if first[place] < 0:
                first[place] = offered
                busy[busy_count] = place
                busy_count += 1
            else:
                following[last[place]] = offered
            last[place] = offered
            offered += 1
        kept = 0
        for i in range(busy_count):
            place = busy[i]
            packet = first[place]
            while packet >= 0 and inject(
                mesh,
                place,
                traffic.trees[packet],
                traffic.channels[packet],
                packet,
                traffic.flits[packet],
            ):
                packet = following[packet]
            first[place] = packet
            if packet >= 0:
                busy[kept] = place
                kept += 1
        busy_count = kept
        flying = cycle(mesh, now)
        for i in range(mesh.counters[ARRIVED]):
            if arrivals < record.shape[0]:
                record[arrivals, 0] = now
                record[arrivals, 1] = mesh.arrivals[i, 0]
                record[arrivals, 2] = mesh.arrivals[i, 1]
            arrivals += 1
        if period > 0 and now % period == 0:
            for place in range(places):
                if mesh.routers[place, EJECTED] > 0:
                    release(mesh, place, 1)
        now += 1
        if mesh.counters[STILL] > mesh.patience + period:
            break
    return now, flying, arrivals
