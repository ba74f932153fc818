"""Max-plus replay and the queues of a PE, against plain Python."""

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elsac.runtime.timing.maxplus import Actor, MaxPlusError, Port, replay
from elsac.runtime.timing.queues import Stages, Windows, serve

Ints = NDArray[np.int64]


def rows_of(lists: list[list[int]]) -> tuple[Ints, Ints]:
    """Compressed rows."""
    return np.cumsum([0, *map(len, lists)]), np.array([i for each in lists for i in each], np.int64)


def network(seed: int) -> list[Actor]:
    """Four actors of random tables; the last has two sources, the third serves nothing."""
    rng = np.random.default_rng(seed)
    steps, actors = 3, list[Actor]()
    for number, sources in enumerate(([], [0], [1], [0, 2])):
        visits, rows = (int(n) for n in rng.integers(1, 7, 2))
        windows = [rng.integers(0, visits, rng.integers(0, 4)).tolist() for _ in range(rows)]
        ports = [
            Port(
                source,
                rng.integers(0, actors[source].shape[2], visits),
                rng.integers(0, 3, (steps, visits)),
                rng.integers(0, 9, (steps, visits)),
                int(rng.integers(0, 5)),
            )
            for source in sources
        ]
        released = rng.integers(0, 20, (steps, visits)) if not sources else None
        busy = rng.integers(0, 9, (steps, visits))
        actors.append(Actor(busy, *rows_of(windows), ports, released, serves=number != 2))
    return actors


@pytest.mark.parametrize("seed", range(20))
def test_against_plain_python(seed: int) -> None:
    actors = network(seed)
    ready: list[list[list[int]]] = []
    for actor, times in zip(actors, replay(actors), strict=True):
        steps, visits, rows = actor.shape
        free, leaves = 0, []
        for step in range(steps):
            ends = []
            for visit in range(visits):
                there = 0 if actor.released is None else int(actor.released[step, visit])
                for port in actor.ports:
                    came = ready[port.source][step][port.row[visit]]
                    if flits := int(port.flits[step, visit]):
                        came += int(port.base[step, visit]) + flits * port.per_flit
                    there = max(there, came)
                assert times.arrival[step, visit] == there
                end = (max(there, free) if actor.serves else there) + int(actor.busy[step, visit])
                free = end
                ends.append(end)
                assert times.finish[step, visit] == end
            at = actor.window_at
            windows = [actor.window[at[row] : at[row + 1]] for row in range(rows)]
            leaves.append([max((ends[v] for v in window), default=0) for window in windows])
        ready.append(leaves)
        assert times.ready.tolist() == leaves


def test_a_pipeline_is_as_fast_as_its_slowest_actor() -> None:
    """Three actors of 10 spines: fill, then the slowest one's pace, with an empty row for free."""
    at, window = np.arange(11), np.arange(10)
    flits = np.ones((1, 10), np.int64)
    flits[0, 0] = 0
    base = np.full((1, 10), 2)
    actors = [Actor(np.full((1, 10), 3), at, window)]
    for source, busy in enumerate((5, 1)):
        port = Port(source, window, flits, base, 4)
        actors.append(Actor(np.full((1, 10), busy), at, window, [port]))
    first, second, third = replay(actors)
    assert first.ready[0].tolist() == list(range(3, 33, 3))
    # The first row has no flits: no delay. The second is there at 6 + 2 + 4.
    assert second.finish[0, :3].tolist() == [8, 17, 22]
    assert third.finish[0, -1] == 17 + 8 * 5 + 6 + 1


def broken(**changes: Any) -> list[Actor]:
    usual: dict[str, Any] = {
        "source": 0,
        "row": np.zeros(2, np.int64),
        "flits": np.zeros((1, 2), np.int64),
        "base": np.zeros((1, 2), np.int64),
        "per_flit": 1,
    }
    window_at, window = changes.pop("windows", ([0, 1], [1]))
    first = Actor(np.ones((1, 2), np.int64), *map(np.array, (window_at, window)))
    return [first, Actor(np.ones((1, 2), np.int64), *rows_of([[0]]), [Port(**usual | changes)])]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": 1}, "actor 1 waits for actor 1, which is not before"),
        ({"row": np.array([0, 1])}, "a row outside 0..0"),
        ({"row": np.array([0])}, "a row outside"),
        ({"flits": np.zeros((1, 3), np.int64)}, "has not 1 steps of 2 visits"),
        ({"base": np.zeros((2, 2), np.int64)}, "has not 1 steps of 2 visits"),
        ({"windows": ([0, 1], [2])}, "outside 0..1"),
        ({"windows": ([0, 2], [1])}, "no compressed rows"),
    ],
)
def test_refuses(changes: dict[str, Any], message: str) -> None:
    replay(broken())
    with pytest.raises(MaxPlusError, match=message):
        replay(broken(**changes))


def plain_pe(
    taps: list[list[int]],
    fires: list[list[int]],
    late: list[int],
    spikes: list[list[int]],
    its: Stages,
) -> tuple[list[list[int]], list[int]]:
    """The queues of a PE as they are described."""
    queues: OrderedDict[int, int] = OrderedDict()
    loaded, busy, batches = 0, [], []
    for step in spikes:
        line, count = [], 0
        for visit, number in enumerate(step):
            loaded %= its.load
            cycles = 0
            for row in taps[visit] * number:
                leave = None
                if row in queues and queues[row] == its.depth:
                    leave = row
                elif row not in queues and len(queues) == its.queues:
                    leave = next(iter(queues))
                if leave is not None:
                    words = queues[leave] * its.words
                    cycles += max(-(-loaded // its.load), -(-words // its.ports), its.adds, 1)
                    count += 1
                    loaded = 0
                    if leave == row:
                        queues[row] = 0
                    else:
                        del queues[leave]
                queues[row] = queues.get(row, 0) + 1
                loaded += 1
            for row in fires[visit]:
                if row in queues:
                    ports, adds = its.ports, its.adds
                    if late[row]:
                        ports, adds = its.late_ports, its.late_adds
                    held = queues.pop(row)
                    cycles += max(-(-held * its.words // ports), adds, 1)
                    count += 1
                    loaded = max(0, loaded - held)
            line.append(cycles)
        busy.append(line)
        batches.append(count)
    return busy, batches


@pytest.mark.parametrize("seed", range(20))
def test_queues_against_plain_python(seed: int) -> None:
    rng = np.random.default_rng(seed)
    visits, rows = 12, 9
    taps = [rng.permutation(rows)[: rng.integers(0, 6)].tolist() for _ in range(visits)]
    # A row fires after the last visit that feeds it, each row once.
    last = [max((v for v in range(visits) if row in taps[v]), default=0) for row in range(rows)]
    fires = [[row for row in range(rows) if last[row] == v] for v in range(visits)]
    late = rng.integers(0, 2, rows).tolist()
    spikes = rng.integers(0, 8, (3, visits))
    stages = Stages(
        queues=int(rng.integers(1, 6)),
        depth=int(rng.integers(1, 6)),
        load=int(rng.integers(1, 9)),
        words=int(rng.integers(1, 5)),
        ports=int(rng.integers(1, 5)),
        late_ports=3,
        adds=int(rng.integers(1, 4)),
        late_adds=1,
    )
    served = serve(Windows(*rows_of(taps), *rows_of(fires), np.array(late)), spikes, stages)
    busy, batches = plain_pe(taps, fires, late, spikes.tolist(), stages)
    assert served.busy.tolist() == busy
    assert served.batches.tolist() == batches


def test_every_spike_is_in_one_batch() -> None:
    """A row that gets 40 spikes at once is served in batches of 16, 16 and 8."""
    one = np.array([0, 1]), np.array([0])
    stages = Stages(32, 16, 32, 1, 1, 1, 1, 1)
    served = serve(Windows(*one, *one, np.zeros(1, np.int64)), np.array([[40]]), stages)
    assert served.batches.tolist() == [3]
    assert served.busy.tolist() == [[16 + 16 + 8]]  # one weight row a cycle
