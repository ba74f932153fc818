"""A mesh of routers as one writes it first: every cycle looks at every buffer of every router.

The same network as `elsac.runtime.timing.mesh` with X-Y routes, router_cycles = link_cycles = 1 and
endless queues at the cores, without its statistics; the same packets arrive in the same cycles.
"""

from typing import Any

import numpy as np
from numba import njit

DESTINATION, PACKET, IS_LAST = range(3)


@njit(cache=True, nogil=True)
def output_port(place: int, destination: int, width: int) -> int:
    """North, east, south, west or here, X first."""
    dx = destination % width - place % width
    dy = destination // width - place // width
    if dx != 0:
        return 1 if dx > 0 else 3
    if dy != 0:
        return 2 if dy > 0 else 0
    return 4


@njit(cache=True, nogil=True)
def simulate(
    width: int, height: int, channels: int, room: int, traffic: Any, arrivals: Any
) -> tuple[int, int]:
    """Send `traffic` (see `mesh_traffic.py`) until all of it has arrived.

    Fills arrivals[packet] with the cycle of its last flit; returns the cycles and the hops of all
    flits, the last one into the core included.
    """
    places, packets = width * height, traffic.cycles.size
    flits = np.zeros((places, 4, channels, room, 3), np.int64)
    head = np.zeros((places, 4, channels), np.int64)
    count = np.zeros((places, 4, channels), np.int64)
    before = np.zeros((places, 4, channels), np.int64)
    owner = np.full((places, 5, channels), -1, np.int64)
    turn = np.zeros((places, 5), np.int64)
    queue = np.zeros((places, packets), np.int64)  # packets that each core has to send
    queued, front = np.zeros(places, np.int64), np.zeros(places, np.int64)
    sent = np.zeros(places, np.int64)  # flits of the packet in front
    moves = np.zeros((5 * places, 4), np.int64)
    want, packet_of = np.zeros(4 * channels + 1, np.int64), np.zeros(4 * channels + 1, np.int64)
    dx, dy = np.array([0, 1, 0, -1]), np.array([-1, 0, 1, 0])
    now, offered, done, hops = 0, 0, 0, 0
    while done < packets:
        while offered < packets and traffic.cycles[offered] <= now:
            place = traffic.places[offered]
            queue[place, queued[place]] = offered
            queued[place] += 1
            offered += 1
        before[:] = count
        moving = 0
        for place in range(places):
            asking = False
            for buffer in range(4 * channels + 1):
                want[buffer] = -1
                if buffer == 4 * channels:
                    if front[place] == queued[place]:
                        continue
                    packet = queue[place, front[place]]
                    destination = traffic.trees[packet]
                else:
                    side, channel = buffer // channels, buffer % channels
                    if before[place, side, channel] == 0:
                        continue
                    flit = flits[place, side, channel, head[place, side, channel]]
                    destination, packet = flit[DESTINATION], flit[PACKET]
                want[buffer] = output_port(place, destination, width)
                packet_of[buffer] = packet
                asking = True
            if not asking:
                continue
            for port in range(5):
                for step in range(4 * channels + 1):
                    buffer = (turn[place, port] + step) % (4 * channels + 1)
                    if want[buffer] != port:
                        continue
                    channel = traffic.channels[packet_of[buffer]]
                    if owner[place, port, channel] not in (-1, buffer):
                        continue
                    if port < 4:
                        there = place + dx[port] + dy[port] * width
                        if before[there, (port + 2) % 4, channel] == room:
                            continue
                    moves[moving, 0], moves[moving, 1] = place, buffer
                    moves[moving, 2], moves[moving, 3] = port, packet_of[buffer]
                    moving += 1
                    break
        for move in range(moving):
            place, buffer, port, packet = moves[move]
            channel = traffic.channels[packet]
            if buffer == 4 * channels:
                sent[place] += 1
                last = sent[place] == traffic.flits[packet]
                if last:
                    sent[place] = 0
                    front[place] += 1
            else:
                side = buffer // channels
                last = flits[place, side, channel, head[place, side, channel], IS_LAST] == 1
                head[place, side, channel] = (head[place, side, channel] + 1) % room
                count[place, side, channel] -= 1
            owner[place, port, channel] = -1 if last else buffer
            turn[place, port] = (buffer + 1) % (4 * channels + 1)
            hops += 1
            if port == 4:
                if last:
                    arrivals[packet] = now
                    done += 1
            else:
                there, side = place + dx[port] + dy[port] * width, (port + 2) % 4
                end = (head[there, side, channel] + count[there, side, channel]) % room
                flit = flits[there, side, channel, end]
                flit[DESTINATION] = traffic.trees[packet]
                flit[PACKET] = packet
                flit[IS_LAST] = last
                count[there, side, channel] += 1
        now += 1
    return now, hops
