"""A mesh of wormhole routers, cycle by cycle.

Each input port of a router has a buffer for each virtual channel, with credits; a flit that leaves
a buffer in cycle t may leave the next one in cycle t + router_cycles + (cycles of the link - 1),
and the sender knows of the room that it left in cycle t + 1. A directed link takes one flit in
its cycles; among the buffers that ask for it the next in turn is served (round robin). So a packet
of n flits that meets no other is ejected, its last flit, in cycle

    now + sum over its links of (router_cycles + cycles - 1) + (n - 1) * most cycles of a link

if it was injected before cycle `now` and the buffers hide the way of a credit: on a link of one
cycle that is router_cycles + 1 flits of room; with less, B flits cross in router_cycles + 1 cycles.

The flits of a worm stay together on their virtual channel: a link's channel belongs to the worm
from its first flit to its last. A packet is one worm. But where its tree forks, a packet that is
longer than a buffer goes as several, each no longer than a buffer, one after the other.

Forks copy asynchronously: each branch gets the flits as soon as it has room, whatever its siblings
do, and a flit leaves the buffer when all branches have it. Since the whole worm fits the buffer in
front of the fork, a branch never waits for another. A worm that holds one link then waits only for
those that continue it, as `elsac.mapping.routing.deadlock` has it; if these waits have no circle,
every flit moves on in the end, provided cores take up what arrives. Were a worm longer than
the buffer, a branch that waits would also hold up those beside it, and the certificate would not
cover that.

All of it is deterministic. Cycle numbers fit 31 bits.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.timing.mesh_compiled import borrow, compiled, inlined, lowest
from elsac.runtime.timing.mesh_router import bring_up, serve
from elsac.runtime.timing.mesh_routes import (
    PORTS,
    ProgramTrees,
    Trees,
    tables,
    trees_of_program,
)
from elsac.runtime.timing.mesh_state import (
    ARRIVED,
    BACK,
    BASE,
    COME,
    CROSSED,
    EJECTED,
    ENDS,
    FLITS,
    FREE,
    FREED,
    HEAD,
    IN_FLIGHT,
    LANE,
    MARKS,
    MOVED,
    MOVES,
    NODE,
    OCCUPIED,
    PACKET,
    PEAK,
    QUEUED,
    RING,
    STALLED,
    STARTED,
    STARTS,
    STILL,
    TAIL,
    WAITED,
    Mesh,
    build,
)

__all__ = [
    "LinkStatistics",
    "Mesh",
    "ProgramTrees",
    "Trees",
    "arrived",
    "borrow",
    "build",
    "cycle",
    "ejected",
    "inject",
    "link_flits",
    "link_statistics",
    "release",
    "started",
    "stuck",
    "tables",
    "trees_of_program",
]


@compiled
def inject(mesh: Mesh, place: int, tree: int, channel: int, packet: int, flits: int) -> bool:
    """Put a packet of `flits` >= 1 flits into the injection queue of a place.

    `tree` is a tree that begins there (in dimension order: the place to go to), `channel` its
    virtual channel, `packet` a number that :func:`arrived` gives back. False, and nothing done, if
    the queue has no room for all of it. A packet that is injected before :func:`cycle` of some
    cycle may move in it. ValueError for a tree that begins elsewhere, and the like.
    """
    mesh = borrow(mesh)
    if mesh.dimension_order:
        begins = 0 <= tree < mesh.width * mesh.height
    else:
        begins = 0 <= tree < mesh.sources.size and mesh.sources[tree] == place
    if not (begins and 0 <= channel < mesh.channels and flits >= 1):
        raise ValueError("expected a tree that begins here, a channel of the mesh, 1 flit or more")
    fifos, worms, counters = mesh.fifos, mesh.worms, mesh.counters
    row = place * mesh.slots + 4 * mesh.channels
    head, tail = fifos[row, HEAD], fifos[row, TAIL]
    if mesh.routers[place, QUEUED] + flits > mesh.injection_flits:
        return False
    if np.int32(tail - head) > fifos[row, RING]:
        return False
    worm = fifos[row, BASE] + (tail & fifos[row, RING])
    worms[worm, PACKET] = packet
    worms[worm, FLITS] = flits
    worms[worm, LANE] = channel
    if mesh.dimension_order:
        worms[worm, NODE] = tree
        worms[worm, MARKS] = STARTS | ENDS
    else:
        worms[worm, NODE] = mesh.roots[tree, 0]
        worms[worm, MARKS] = STARTS | ENDS | mesh.roots[tree, 1]
    fifos[row, TAIL] = tail + 1
    fifos[row, COME] += flits
    if head == tail:
        bring_up(mesh, place, row)
    mesh.routers[place, QUEUED] += flits
    mesh.routers[place, OCCUPIED] |= 1 << (4 * mesh.channels)
    mesh.active[place >> 6] |= 1 << (place & 63)
    counters[IN_FLIGHT] += flits
    return True


@compiled
def cycle(mesh: Mesh, now: int) -> int:
    """Let all routers work for one cycle and return the flits that are in flight after it.

    `now` grows from call to call. Cycles in which the last call returned 0 and nothing was injected
    since may be left out.
    """
    mesh = borrow(mesh)
    counters, active = mesh.counters, mesh.active
    counters[ARRIVED] = 0
    counters[STARTED] = 0
    for i in range(counters[FREED]):
        mesh.fifos[mesh.freed[i], FREE] += 1
    counters[FREED] = 0
    counters[MOVED] = 0
    if counters[IN_FLIGHT] == 0:
        return 0
    moved = 0
    for word in range(active.size):
        places = active[word]
        while places != 0:
            bit = lowest(places)
            places &= places - 1
            place = (word << 6) + bit
            moved += serve(mesh, now, place)
            if mesh.routers[place, OCCUPIED] == 0:
                active[word] &= ~(1 << bit)
    counters[MOVED] = moved
    counters[MOVES] += moved
    counters[STILL] = 0 if moved else counters[STILL] + 1
    return int(counters[IN_FLIGHT])


@inlined
def arrived(mesh: Mesh) -> int:
    """Return how many packets' last flits came into an ejection queue in this cycle.

    They are mesh.arrivals[i] = (place, packet). First flits: `mesh.heads`, `started`.
    """
    return int(mesh.counters[ARRIVED])


@inlined
def started(mesh: Mesh) -> int:
    """Return how many packets' first flits came into an ejection queue in this cycle."""
    return int(mesh.counters[STARTED])


@inlined
def ejected(mesh: Mesh, place: int) -> int:
    """Return the flits in the ejection queue of a place."""
    return int(mesh.routers[place, EJECTED])


@inlined
def release(mesh: Mesh, place: int, flits: int) -> None:
    """The core has taken so many flits, at most :func:`ejected`, out of its ejection queue."""
    mesh.routers[place, EJECTED] -= flits


@inlined
def stuck(mesh: Mesh) -> bool:
    """Whether no flit will move again unless a core takes up flits or injects new ones."""
    return bool(mesh.counters[STILL] > mesh.patience)


def link_flits(mesh: Mesh) -> NDArray[np.int64]:
    """Flits that crossed each link, [places, 5]; the last column is what cores got."""
    return mesh.links[:, CROSSED].reshape(-1, PORTS).copy()


class LinkStatistics(NamedTuple):
    """What happened on each link, [places, 5] each, the last column for the ways into cores."""

    flits: NDArray[np.int64]
    """That crossed."""
    stalled: NDArray[np.int64]
    """Cycles that flits, ready to go, waited for the link, its channel or room behind it."""
    waited: NDArray[np.int64]
    """Cycles that flits stayed in the buffers behind the link, the router's own left out; divided
    by the cycles, the flits that wait there on average. 0 for cores."""
    peak: NDArray[np.int64]
    """Most flits at once in any one buffer behind the link. 0 for cores."""


def link_statistics(mesh: Mesh) -> LinkStatistics:
    """Return what happened on the links since the mesh was built."""
    peak = np.zeros(len(mesh.links), np.int64)
    used = mesh.fifos[mesh.fifos[:, PEAK] > 0]
    np.maximum.at(peak, used[:, BACK], used[:, PEAK])
    columns = (mesh.links[:, CROSSED], mesh.links[:, STALLED], mesh.links[:, WAITED], peak)
    return LinkStatistics(*(column.reshape(-1, PORTS).copy() for column in columns))
