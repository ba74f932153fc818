"""Work in threads: results in order, a bounded number of items underway, errors in their turn."""

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from elsac.runtime.batch import work
from elsac.runtime.batch.threads import AHEAD, ordered
from elsac.runtime.batch.work import Plan, Station, Task
from elsac.runtime.bindings import Host
from elsac.runtime.emulator import Engine, load_image, open_machine, run_sample
from tests.unit.runtime.test_run import tiled


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_results_come_in_order(jobs: int) -> None:
    late = threading.Event()

    def work(item: int) -> int:
        # The first one ends last, wherever there is a second thread.
        if item == 0 and jobs > 1:
            late.wait(10)
        if item == 1:
            late.set()
        return item * item

    assert list(ordered(work, iter(range(30)), jobs)) == [i * i for i in range(30)]


def test_items_are_not_taken_far_ahead() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    for done, _ in enumerate(ordered(lambda item: item, items(), 2), 1):
        assert len(taken) - done < 2 * AHEAD
    assert len(taken) == 100


def test_what_is_needed_first_is_done_once() -> None:
    seen: list[int] = []
    assert list(ordered(lambda item: item, iter([7, 8, 9]), 2, seen.append)) == [7, 8, 9]
    assert seen == [7]


@pytest.mark.parametrize("jitter", [None, 5])
def test_threads_share_what_their_samples_need(
    jitter: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a jitter, samples run on another machine than without."""
    shared: list[Engine] = []

    def opened(*args: Any) -> Engine:
        shared.append(open_machine(*args))
        return shared[-1]

    monkeypatch.setattr(work, "open_machine", opened)
    _, program = tiled()
    station = Station(load_image(program), Host(program), Plan(jitter=jitter), run_sample)
    task = Task(0, {"x": np.ones((1, 5, 4, 3), np.float32)})
    station.share(task)
    rows = [array[0] for array in station._tracers(task)]
    assert isinstance(run_sample(station.image, rows, jitter=jitter).state, type(shared[0]))


def test_the_first_error_in_order_is_raised() -> None:
    second = threading.Event()

    def work(item: int) -> int:
        if item == 3:
            second.wait(10)
            raise ValueError("third")
        if item == 4:
            second.set()
            raise ValueError("fourth")
        return item

    found: list[int] = []
    with pytest.raises(ValueError, match="third"):
        found.extend(ordered(work, iter(range(9)), 2))
    with closing(ordered(work, iter(range(9)), 2)) as results:
        assert [next(results) for _ in range(3)] == [0, 1, 2]


def test_an_interrupt_hands_out_what_is_finished() -> None:
    """The wait for the oldest item is interrupted, as Ctrl-C does it in the main thread."""
    started, go = threading.Event(), threading.Event()

    def work(item: int) -> int:
        if item == 0:
            started.set()
            go.wait(10)
        return item

    def items() -> Iterator[int]:
        yield from (0, 1)
        started.wait(10)
        go.set()
        raise KeyboardInterrupt

    found: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        found.extend(ordered(work, items(), 2))
    assert found[:1] == [0]
    assert found == list(range(len(found)))
