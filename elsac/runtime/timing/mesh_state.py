"""The state of a mesh of routers, as arrays for the kernels of `mesh.py`, and what builds it.

Ports and places are numbered as in `mesh_routes.py`. The directed link that leaves place p by port
o has the number 5 * p + o; o = 4 is the way into the core.

A router has a first-in-first-out buffer for each virtual channel of each of its four input links,
one injection queue, and a place to note who uses each channel into the core. Each is a row of
`Mesh.fifos`, those of place p from row p * Mesh.slots on: port * channels + channel for a link,
4 * channels for the injection queue.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.timing.mesh_routes import LOCAL, PORTS, Trees, nodes_of

# Columns of `fifos`. Flits are numbered as they come in, so that two counters tell what is there.
COME = 0  # flits that have come
FIRST = 1  # number of the first flit of the worm in front
LENGTH = 2  # flits of the worm in front
WANT = 3  # output ports that the worm in front has not passed whole
MASK = 4  # all of its output ports
SENT = 5  # five columns: flits of the worm in front that left by each port
HEAD = 10  # number of the worm in front
TAIL = 11  # worms that have come
FREE = 12  # room for flits, as the sender knows it
OWNER = 13  # the buffer of the sending router whose worm is on its way in here, or -1
CHANNEL = 14  # virtual channel of the worm in front
BASE = 15  # first entry in `worms`
RING = 16  # entries in `worms` - 1
FLAGS = 17  # of the worm in front
PEAK = 18  # most flits that were here at once
BACK = 19  # the link that leads here
COLUMNS = 20

# Columns of `worms`, a ring for each buffer.
PACKET, NODE, FLITS, MARKS, LANE = range(5)
WORM_COLUMNS = 5
ENDS, STARTS = 1, 2
"""Marks: the worm holds the last flit of its packet; the first. And FORKS: its tree forks."""

# Columns of `links`.
CYCLES = 0  # cycles that a flit occupies the link
BUSY = 1  # first cycle in which the link is free
TURN = 2  # the buffer that is asked first
CROSSED = 3  # flits that crossed
STALLED = 4  # cycles that flits waited for this link, its channel or room behind it
WAITED = 5  # cycles that flits stayed in the buffers behind the link beyond the router's own
LINK_COLUMNS = 6

# Columns of `routers`.
OCCUPIED = 0  # buffers with flits, as bits
QUEUED = 1  # flits in the injection queue
EJECTED = 2  # flits in the ejection queue
ROUTER_COLUMNS = 3

# Entries of `counters`.
IN_FLIGHT = 0  # flits in injection queues and buffers; a flit that forks counts for each copy
FREED = 1  # entries of `freed` in use
ARRIVED = 2  # entries of `arrivals` in use
STARTED = 3  # entries of `heads` in use
MOVED = 4  # moves of flits in the last cycle
STILL = 5  # cycles in a row without a move, with flits in flight
MOVES = 6  # moves of flits in all
COUNTERS = 7

NEVER_FULL = 1 << 40


class Mesh(NamedTuple):
    """A mesh of routers with all flits in it. Made by :func:`build`, changed by `mesh.py`."""

    width: int
    height: int
    channels: int
    """Virtual channels of a link."""
    slots: int
    """Rows of `fifos` for each place: 5 * channels + 1."""
    fifo_flits: int
    """Room of a buffer, in flits."""
    ring_bits: int
    """Each buffer has 1 << ring_bits entries in `ready`."""
    router_cycles: int
    injection_flits: int
    ejection_flits: int
    patience: int
    """Cycles without a move after which nothing moves any more unless a core acts."""
    dimension_order: bool
    """A tree is the number of the place that its packets go to, by way of X first."""
    fifos: NDArray[np.int32]
    """[places * slots, COLUMNS]"""
    ready: NDArray[np.int32]
    """[places * slots << ring_bits]: first cycle in which a flit may leave its buffer."""
    worms: NDArray[np.int32]
    """[entries, WORM_COLUMNS]: the worms in each buffer, in order."""
    nodes: NDArray[np.int32]
    """[nodes, 5]: the nodes of all trees; next node by each link, then the mask of output ports.
    In dimension order: [places, 5], x and y of each place."""
    roots: NDArray[np.int32]
    """[trees, 2]: first node of a tree, and FORKS or 0."""
    sources: NDArray[np.int32]
    """[trees]: place where a tree begins; none in dimension order."""
    routers: NDArray[np.int64]
    """[places, ROUTER_COLUMNS]"""
    active: NDArray[np.int64]
    """[ceil(places / 64)]: routers with flits, as bits."""
    links: NDArray[np.int64]
    """[places * 5, LINK_COLUMNS]"""
    freed: NDArray[np.int32]
    """Buffers that got room in this cycle; their senders know in the next."""
    arrivals: NDArray[np.int32]
    """[places, 2]: (place, packet) of the packets whose last flit was ejected in this cycle."""
    heads: NDArray[np.int32]
    """[places, 2]: the same of first flits."""
    asking: NDArray[np.int64]
    """[5]: scratch: buffers that ask for each output port."""
    counters: NDArray[np.int64]


def build(
    width: int,
    height: int,
    virtual_channels: int = 1,
    vc_fifo_flits: int = 4,
    injection_flits: int = 0,
    ejection_flits: int = 0,
    link_cycles: int = 1,
    router_cycles: int = 1,
    trees: Trees | None = None,
    link_factors: NDArray[np.int64] | None = None,
    injection_packets: int = 1024,
) -> Mesh:
    """Make an empty mesh of width x height routers.

    - `injection_flits`, `ejection_flits`: room of the queues of each core; 0: without end.
    - `injection_packets`: room of each injection queue in packets, if it is without end in flits.
    - `link_cycles` >= 1: cycles that a flit takes on a link, `router_cycles` >= 1 in each router.
    - `trees`: the routing tables. Without, packets go X first, then Y, and the tree of a packet is
      the number of the place that it goes to.
    - `link_factors`, [places * 5]: a link is this many times slower than `link_cycles`.

    Raises ValueError for numbers out of range and for tables that are no trees on this mesh.
    """
    places = width * height
    limits = {
        "width": (width, 1, 1024),
        "height": (height, 1, 1024),
        "virtual_channels": (virtual_channels, 1, 15),
        "vc_fifo_flits": (vc_fifo_flits, 1, 1 << 20),
        "injection_flits": (injection_flits, 0, 1 << 30),
        "ejection_flits": (ejection_flits, 0, 1 << 30),
        "link_cycles": (link_cycles, 1, 1 << 16),
        "router_cycles": (router_cycles, 1, 1 << 16),
        "injection_packets": (injection_packets, 1, 1 << 24),
    }
    for name, (value, low, high) in limits.items():
        if not low <= value <= high:
            raise ValueError(f"{name} is {value}; expected {low}..{high}")
    factors = np.ones(places * PORTS, np.int64) if link_factors is None else link_factors
    if factors.shape != (places * PORTS,) or factors.min() < 1 or factors.max() > 1 << 16:
        raise ValueError(f"link_factors: expected {places * PORTS} numbers in 1..{1 << 16}")
    slots = PORTS * virtual_channels + 1
    ring = _power_of_two(vc_fifo_flits)
    queue = _power_of_two(injection_flits or injection_packets)
    links = np.zeros((places * PORTS, LINK_COLUMNS), np.int64)
    links[:, CYCLES] = factors * link_cycles
    links[LOCAL::PORTS, CYCLES] = link_cycles
    nodes, roots, sources = nodes_of(width, height, trees)
    return Mesh(
        width=width,
        height=height,
        channels=virtual_channels,
        slots=slots,
        fifo_flits=vc_fifo_flits,
        ring_bits=ring.bit_length() - 1,
        router_cycles=router_cycles,
        injection_flits=injection_flits or NEVER_FULL,
        ejection_flits=ejection_flits or NEVER_FULL,
        patience=router_cycles + int(links[:, CYCLES].max()),
        dimension_order=trees is None,
        fifos=_fifos(width, height, virtual_channels, vc_fifo_flits, ring, queue),
        ready=np.full(places * slots * ring, -(1 << 31), np.int32),
        worms=np.zeros((places * ((slots - 1) * ring + queue), WORM_COLUMNS), np.int32),
        nodes=nodes,
        roots=roots,
        sources=sources,
        routers=np.zeros((places, ROUTER_COLUMNS), np.int64),
        active=np.zeros((places + 63) // 64, np.int64),
        links=links,
        freed=np.zeros(places * slots, np.int32),
        arrivals=np.zeros((places, 2), np.int32),
        heads=np.zeros((places, 2), np.int32),
        asking=np.zeros(PORTS, np.int64),
        counters=np.zeros(COUNTERS, np.int64),
    )


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()


def _fifos(
    width: int, height: int, channels: int, fifo_flits: int, ring: int, queue: int
) -> NDArray[np.int32]:
    places, slots = width * height, PORTS * channels + 1
    fifos = np.zeros((places, slots, COLUMNS), np.int32)
    fifos[:, :, OWNER] = -1
    fifos[:, :, FREE] = fifo_flits
    fifos[:, 4 * channels :, FREE] = 1 << 30  # the ejection queue counts for itself
    fifos[:, : 4 * channels, CHANNEL] = np.arange(4 * channels) % channels
    fifos[:, :, RING] = ring - 1
    fifos[:, 4 * channels, RING] = queue - 1
    sizes = np.full((places, slots), ring)
    sizes[:, 4 * channels] = queue
    fifos[:, :, BASE] = (np.cumsum(sizes) - sizes.ravel()).reshape(places, slots)
    for port, step in enumerate((-width, 1, width, -1)):
        links = PORTS * (np.arange(places) + step) + (port + 2) % 4
        fifos[:, port * channels : (port + 1) * channels, BACK] = links[:, None]
    return fifos.reshape(places * slots, COLUMNS)
