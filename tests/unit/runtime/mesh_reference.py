"""The mesh once more, as plainly as can be: every flit is an object in a list.

Ports and places are numbered as in `elsac.runtime.timing.mesh_state`. All decisions of a cycle are
taken on the state that the cycle before left, then all flits move at once.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

STEPS = ((0, -1), (1, 0), (0, 1), (-1, 0))
Tree = Mapping[int, int]
"""Mask of output ports at each place of a tree."""


@dataclass(eq=False)
class Worm:
    """Flits that stay together: a packet or, before a fork, as much of one as fits a buffer."""

    packet: int
    channel: int
    tree: Tree
    length: int
    starts: bool
    ends: bool


@dataclass
class Flit:
    """One flit in one buffer."""

    worm: Worm
    number: int
    ready: int
    ports: set[int]
    """By which it still has to leave."""


@dataclass
class Reference:
    """A mesh; the parameters are those of `mesh_state.build`, infinity for queues without end."""

    width: int
    height: int
    channels: int
    room: int
    injection: float
    ejection: float
    link_cycles: list[int]
    """Of each link, 5 * place + port."""
    router_cycles: int
    buffers: list[list[deque[Flit]]] = field(init=False)
    """For each place and buffer; the last of a place is its injection queue."""
    ejected: list[int] = field(init=False)

    def __post_init__(self) -> None:
        places = range(self.width * self.height)
        self.buffers = [[deque() for _ in range(4 * self.channels + 1)] for _ in places]
        self.ejected = [0 for _ in places]
        self.busy = [0] * 5 * len(places)
        self.turn = [0] * 5 * len(places)
        self.crossed = [0] * 5 * len(places)
        self.stalled = [0] * 5 * len(places)
        self.owner: dict[tuple[int, int], int] = {}  # (link, channel) -> buffer
        self.heads: list[tuple[int, int]] = []
        self.arrivals: list[tuple[int, int]] = []

    def inject(self, place: int, tree: Tree, channel: int, packet: int, flits: int) -> bool:
        queue = self.buffers[place][-1]
        if len(queue) + flits > self.injection:
            return False
        forks = any(mask & (mask - 1) for mask in tree.values())
        size = min(flits, self.room) if forks else flits
        for first in range(0, flits, size):
            stop = min(first + size, flits)
            worm = Worm(packet, channel, tree, stop - first, first == 0, stop == flits)
            ports = {port for port in range(5) if tree[place] >> port & 1}
            queue.extend(Flit(worm, i, -1, set(ports)) for i in range(stop - first))
        return True

    def there(self, place: int, port: int) -> int:
        dx, dy = STEPS[port]
        return place + dx + dy * self.width

    def into(self, place: int, port: int, channel: int) -> deque[Flit]:
        """The buffer behind a link."""
        return self.buffers[self.there(place, port)][((port + 2) % 4) * self.channels + channel]

    def ask(self, now: int, place: int, buffer: int, port: int) -> Flit | None:
        """The flit of a buffer that may leave by a port now."""
        flits = self.buffers[place][buffer]
        worm = flits[0].worm
        flit = next((f for f in flits if f.worm is worm and port in f.ports), None)
        if flit is None or flit.ready > now:
            return None
        link = 5 * place + port
        if port == 4:
            full = self.ejected[place] >= self.ejection
        else:
            full = len(self.into(place, port, worm.channel)) >= self.room
        owner = self.owner.get((link, worm.channel), buffer)
        if self.busy[link] > now or full or owner != buffer:
            self.stalled[link] += 1
            return None
        return flit

    def cycle(self, now: int) -> int:
        moves = []
        for place, buffers in enumerate(self.buffers):
            for port in range(5):
                link = 5 * place + port
                asking = {}
                for buffer, flits in enumerate(buffers):
                    if flits and (flit := self.ask(now, place, buffer, port)):
                        asking[buffer] = flit
                if asking:
                    turn = self.turn[link]
                    chosen = min(asking, key=lambda buffer: (buffer < turn, buffer))
                    self.stalled[link] += len(asking) - 1
                    moves.append((place, chosen, port, asking[chosen]))
        self.heads, self.arrivals = [], []
        for place, buffer, port, flit in moves:
            worm, link = flit.worm, 5 * place + port
            self.turn[link] = buffer + 1
            self.busy[link] = now + self.link_cycles[link]
            self.crossed[link] += 1
            self.owner[link, worm.channel] = buffer
            if flit.number == worm.length - 1:
                del self.owner[link, worm.channel]
            flit.ports.remove(port)
            if not flit.ports:
                assert self.buffers[place][buffer].popleft() is flit
            if port < 4:
                mask = worm.tree[self.there(place, port)]
                ready = now + self.link_cycles[link] - 1 + self.router_cycles
                ports = {p for p in range(5) if mask >> p & 1}
                self.into(place, port, worm.channel).append(Flit(worm, flit.number, ready, ports))
                continue
            self.ejected[place] += 1
            if flit.number == 0 and worm.starts:
                self.heads.append((place, worm.packet))
            if flit.number == worm.length - 1 and worm.ends:
                self.arrivals.append((place, worm.packet))
        return sum(len(flits) for buffers in self.buffers for flits in buffers)
