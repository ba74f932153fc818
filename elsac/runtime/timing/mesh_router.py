"""One router of the mesh: what `mesh.py` says, flit by flit."""

from elsac.runtime.timing.mesh_compiled import inlined, lowest
from elsac.runtime.timing.mesh_routes import (
    FORKS,
    LOCAL,
)
from elsac.runtime.timing.mesh_state import (
    ARRIVED,
    BACK,
    BASE,
    BUSY,
    CHANNEL,
    COME,
    CROSSED,
    CYCLES,
    EJECTED,
    ENDS,
    FIRST,
    FLAGS,
    FLITS,
    FREE,
    FREED,
    HEAD,
    IN_FLIGHT,
    LANE,
    LENGTH,
    MARKS,
    MASK,
    NODE,
    OCCUPIED,
    OWNER,
    PACKET,
    PEAK,
    QUEUED,
    RING,
    SENT,
    STALLED,
    STARTED,
    STARTS,
    TAIL,
    TURN,
    WAITED,
    WANT,
    Mesh,
)


@inlined
def bring_up(mesh: Mesh, place: int, row: int) -> None:
    """Make the next worm of a buffer the one in front."""
    fifos, worms, nodes = mesh.fifos, mesh.worms, mesh.nodes
    worm = fifos[row, BASE] + (fifos[row, HEAD] & fifos[row, RING])
    node, length, marks = worms[worm, NODE], worms[worm, FLITS], worms[worm, MARKS]
    if mesh.dimension_order:
        dx, dy = nodes[node, 0] - nodes[place, 0], nodes[node, 1] - nodes[place, 1]
        if dx != 0:
            mask = 2 if dx > 0 else 8
        elif dy != 0:
            mask = 4 if dy > 0 else 1
        else:
            mask = 16
    else:
        mask = nodes[node, LOCAL]
    if row == place * mesh.slots + 4 * mesh.channels:
        fifos[row, CHANNEL] = worms[worm, LANE]
        if marks & FORKS and length > mesh.fifo_flits:
            length = mesh.fifo_flits
            marks &= ~ENDS
    fifos[row, LENGTH] = length
    fifos[row, FLAGS] = marks
    fifos[row, MASK] = mask
    fifos[row, WANT] = mask
    for port in range(5):
        fifos[row, SENT + port] = 0


@inlined
def _move(mesh: Mesh, now: int, place: int, buffer: int, port: int) -> None:
    """Send the next flit of a buffer out by a port."""
    fifos, worms, links, routers = mesh.fifos, mesh.worms, mesh.links, mesh.routers
    counters = mesh.counters
    row = place * mesh.slots + buffer
    link = 5 * place + port
    lane = fifos[row, CHANNEL]
    number = fifos[row, SENT + port]
    flit = fifos[row, FIRST] + number
    ending = number + 1 == fifos[row, LENGTH]
    if port == LOCAL:
        into = place * mesh.slots + 4 * mesh.channels + 1 + lane
        routers[place, EJECTED] += 1
    else:
        there = place + (port & 1) * (2 - port) + (1 - (port & 1)) * (port - 1) * mesh.width
        slot = ((port + 2) & 3) * mesh.channels + lane
        into = there * mesh.slots + slot
        come = fifos[into, COME]
        mesh.ready[(into << mesh.ring_bits) + (come & ((1 << mesh.ring_bits) - 1))] = (
            now + links[link, CYCLES] - 1 + mesh.router_cycles
        )
        fifos[into, COME] = come + 1
        free = fifos[into, FREE] - 1
        fifos[into, FREE] = free
        fifos[into, PEAK] = max(fifos[into, PEAK], mesh.fifo_flits - free)
        routers[there, OCCUPIED] |= 1 << slot
        mesh.active[there >> 6] |= 1 << (there & 63)
        counters[IN_FLIGHT] += 1
    if number == 0 or (port == LOCAL and ending):
        worm = fifos[row, BASE] + (fifos[row, HEAD] & fifos[row, RING])
        marks = fifos[row, FLAGS]
        if port == LOCAL:
            if number == 0 and marks & STARTS:
                mesh.heads[counters[STARTED], 0] = place
                mesh.heads[counters[STARTED], 1] = worms[worm, PACKET]
                counters[STARTED] += 1
            if ending and marks & ENDS:
                mesh.arrivals[counters[ARRIVED], 0] = place
                mesh.arrivals[counters[ARRIVED], 1] = worms[worm, PACKET]
                counters[ARRIVED] += 1
        else:
            tail = fifos[into, TAIL]
            entry = fifos[into, BASE] + (tail & fifos[into, RING])
            worms[entry, PACKET] = worms[worm, PACKET]
            node = worms[worm, NODE]
            worms[entry, NODE] = node if mesh.dimension_order else mesh.nodes[node, port]
            worms[entry, FLITS] = fifos[row, LENGTH]
            worms[entry, MARKS] = marks
            fifos[into, TAIL] = tail + 1
            if tail == fifos[into, HEAD]:
                bring_up(mesh, there, into)
        fifos[into, OWNER] = buffer
    links[link, CROSSED] += 1
    links[link, BUSY] = now + links[link, CYCLES]
    links[link, TURN] = buffer + 1
    fifos[row, SENT + port] = number + 1
    if ending:
        fifos[into, OWNER] = -1
        fifos[row, WANT] &= ~(1 << port)
    least = number + 1
    mask = fifos[row, MASK]
    if mask & (mask - 1):
        for other in range(5):
            if mask >> other & 1:
                least = min(least, fifos[row, SENT + other])
    if least == number + 1:
        counters[IN_FLIGHT] -= 1
        if buffer == 4 * mesh.channels:
            routers[place, QUEUED] -= 1
        else:
            mesh.freed[counters[FREED]] = row
            counters[FREED] += 1
            due = mesh.ready[(row << mesh.ring_bits) + (flit & ((1 << mesh.ring_bits) - 1))]
            links[fifos[row, BACK], WAITED] += now - due
        if flit + 1 == fifos[row, COME]:
            routers[place, OCCUPIED] &= ~(1 << buffer)
        if fifos[row, WANT] == 0:
            fifos[row, FIRST] = flit + 1
            worm = fifos[row, BASE] + (fifos[row, HEAD] & fifos[row, RING])
            rest = worms[worm, FLITS] - fifos[row, LENGTH]
            if rest > 0:
                worms[worm, FLITS] = rest
                worms[worm, MARKS] &= ~STARTS
            else:
                fifos[row, HEAD] += 1
            if fifos[row, HEAD] != fifos[row, TAIL]:
                bring_up(mesh, place, row)


@inlined
def serve(mesh: Mesh, now: int, place: int) -> int:
    """One cycle of a router: ask for links, grant them, send. Returns the moves of flits."""
    fifos, links, asking = mesh.fifos, mesh.links, mesh.asking
    base, channels = place * mesh.slots, mesh.channels
    outputs = 0
    moved = 0
    buffers = mesh.routers[place, OCCUPIED]
    alone = buffers & (buffers - 1) == 0
    while buffers != 0:
        buffer = lowest(buffers)
        buffers &= buffers - 1
        row = base + buffer
        lane = fifos[row, CHANNEL]
        want = fifos[row, WANT]
        while want != 0:
            port = lowest(want)
            want &= want - 1
            number = fifos[row, SENT + port]
            flit = fifos[row, FIRST] + number
            if flit == fifos[row, COME]:
                continue
            if buffer != 4 * channels:
                at = (row << mesh.ring_bits) + (flit & ((1 << mesh.ring_bits) - 1))
                if mesh.ready[at] > now:
                    continue
            link = 5 * place + port
            if port == LOCAL:
                into = base + 4 * channels + 1 + lane
                room = mesh.routers[place, EJECTED] < mesh.ejection_flits
            else:
                there = place + (port & 1) * (2 - port) + (1 - (port & 1)) * (port - 1) * mesh.width
                into = there * mesh.slots + ((port + 2) & 3) * channels + lane
                room = fifos[into, FREE] > 0
            owner = fifos[into, OWNER]
            if links[link, BUSY] > now or not room or (owner != buffer and owner >= 0):
                links[link, STALLED] += 1
                continue
            if alone:
                _move(mesh, now, place, buffer, port)
                moved += 1
                continue
            if outputs >> port & 1 == 0:
                asking[port] = 0
                outputs |= 1 << port
            asking[port] |= 1 << buffer
    while outputs != 0:
        port = lowest(outputs)
        outputs &= outputs - 1
        asked = asking[port]
        late = asked & (-1 << links[5 * place + port, TURN])
        buffer = lowest(late if late != 0 else asked)
        while asked & (asked - 1):
            asked &= asked - 1
            links[5 * place + port, STALLED] += 1
        _move(mesh, now, place, buffer, port)
        moved += 1
    return moved
