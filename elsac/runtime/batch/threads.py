"""Work that threads do side by side, with results in the order of the work."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

AHEAD = 4
"""Items for each thread that are taken before the result of the oldest one is handed out."""

T = TypeVar("T")
R = TypeVar("R")


def ordered(
    work: Callable[[T], R],
    items: Iterator[T],
    jobs: int,
    before: Callable[[T], None] = lambda item: None,
) -> Generator[R, None, None]:
    """Do `work` for every item in `jobs` threads; at most `AHEAD * jobs` items are underway.

    One job needs no thread; with more, `before` is called once, with the first item. An error is
    raised when it is the turn of its item, so that the first one in order is raised. An interrupt
    lets the threads end what they have begun, and hands out the results that follow one another
    before it goes on. Who does not take all results closes the generator, which ends its threads.
    """
    if jobs == 1:
        yield from map(work, items)
        return
    underway: deque[Future[R]] = deque()
    with ThreadPoolExecutor(jobs, "elsac") as pool:
        try:
            for number, item in enumerate(items):
                if number == 0:
                    before(item)
                underway.append(pool.submit(work, item))
                if len(underway) >= AHEAD * jobs:
                    yield _oldest(underway)
            while underway:
                yield _oldest(underway)
        except KeyboardInterrupt:
            for future in underway:
                future.cancel()
            while underway and not underway[0].cancelled():
                yield _oldest(underway)
            raise
        finally:
            for future in underway:
                future.cancel()


def _oldest(underway: deque[Future[R]]) -> R:
    """Wait for the oldest item; it stays where it is if the wait is interrupted."""
    result = underway[0].result()
    underway.popleft()
    return result
