"""Runs samples on the workers of a Dask cluster; needs the extra `cluster`.

The scheduler keeps what it was given until it is done, so a chunk whose worker dies is run again on
another one; a result counts when it has arrived here.
"""

import contextlib
import hashlib
import logging
import os
import signal
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Any

import numpy as np

from elsac.runtime import container
from elsac.runtime.batch.codec import decode
from elsac.runtime.batch.work import Finished, Station, Task
from elsac.runtime.bindings import RunError

LOCAL = "local"
TIMEOUT = 10
"""Seconds in which a scheduler must answer, and have a worker."""

CHUNK = 16
"""Samples that are sent together, at most."""

CHUNK_BYTES = 1 << 20
"""Bytes from which on samples are sent without waiting for others."""

AHEAD = 2
"""Chunks for each thread of the workers that are underway."""

WAITING = 4
"""As many times more samples may wait here for one that comes before them."""

_HINT = "pip install 'elsac[cluster]'"


def run_on_cluster(
    station: Station,
    tasks: Iterator[Task],
    count: int,
    keep: Callable[[Finished], Finished],
    address: str,
    jobs: int,
) -> Generator[Finished, None, None]:
    """Run `count` tasks on a cluster; yield their results in order, `keep` them as they come.

    `address` is that of a scheduler, or "local" for `jobs` processes here (0: one for each CPU).
    Raises :class:`RunError` for a cluster that cannot be used, and what a sample raises.
    """
    try:
        import distributed
    except ImportError:
        raise RunError(f"--scheduler needs Dask, which is not installed: {_HINT}") from None

    with _quiet(), _client(distributed, address, min(jobs or os.cpu_count() or 1, count)) as client:
        run = _Run(distributed, client, address, station)
        try:
            yield from run.results(tasks, count, keep)
        except (OSError, distributed.CancelledError) as error:
            raise RunError(
                f"scheduler {address}: the connection was lost ({_line(error)}); finished samples "
                "are kept if --resume DIR was given"
            ) from None
        finally:
            run.close()


class _Run:
    """One batch on a cluster."""

    def __init__(self, distributed: Any, client: Any, address: str, station: Station) -> None:
        from elsac.runtime.batch import cluster_worker as worker

        self.distributed, self.client, self.address = distributed, client, address
        self.worker = worker
        self.name = f"elsac-{uuid.uuid4().hex}"
        self._compare()
        data = container.to_bytes(station.image.program)
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.plan = worker.packed_plan(station)
        client.register_plugin(worker.ProgramPlugin(self.sha256, data), name=self.name)
        self._threads, self._asked = 1, float("-inf")
        self.underway: dict[Any, list[int]] = {}

    def close(self) -> None:
        """Leave nothing behind on the cluster."""
        with contextlib.suppress(Exception):
            self.client.cancel(list(self.underway), force=True)
            self.client.unregister_worker_plugin(self.name)

    def results(
        self, tasks: Iterator[Task], count: int, keep: Callable[[Finished], Finished]
    ) -> Iterator[Finished]:
        """Send tasks, and yield their results in order."""
        order: deque[int] = deque()
        arrived: dict[int, Any] = {}
        completed = self.distributed.as_completed(loop=self.client.loop)
        chunks = _chunks(tasks, max(1, min(CHUNK, count // (4 * self.threads()))))
        more = True
        while True:
            room = AHEAD * self.threads()
            while more and len(self.underway) < room and len(order) < room * WAITING * CHUNK:
                chunk = next(chunks, None)
                if chunk is None:
                    more = False
                    break
                order.extend(task.number for task in chunk)
                future = self._submit(chunk)
                completed.add(future)
            if not order:
                return
            future = next(completed)
            numbers = self.underway[future]
            for number, result in zip(numbers, self._gather(future, numbers), strict=True):
                whole = not isinstance(result, self.worker.Failure)
                arrived[number] = keep(decode(result.tobytes())) if whole else result
            del self.underway[future], future
            while order and order[0] in arrived:
                result = arrived.pop(order.popleft())
                if isinstance(result, self.worker.Failure):
                    raise result.error()
                yield result

    def threads(self) -> int:
        """Return the threads of all workers, which come and go."""
        if time.monotonic() > self._asked + 1:
            self._asked = time.monotonic()
            self._threads = max(1, sum(self.client.nthreads().values()))
        return self._threads

    def _submit(self, chunk: list[Task]) -> Any:
        numbers = [task.number for task in chunk]
        arrays = {
            name: np.concatenate([task.arrays[name] for task in chunk]) for name in chunk[0].arrays
        }
        future = self.client.submit(
            *(self.worker.run_chunk, self.worker.versions(), self.sha256, self.plan),
            *(numbers, arrays),
            key=f"{self.name}-{numbers[0]}",
            pure=False,
        )
        self.underway[future] = numbers
        return future

    def _gather(self, future: Any, numbers: list[int]) -> Any:
        try:
            return future.result()
        except self.distributed.KilledWorker:
            span = f"sample {numbers[0]}"
            if len(numbers) > 1:
                span = f"samples {numbers[0]} to {numbers[-1]}"
            raise RunError(
                f"scheduler {self.address}: every worker that ran {span} ended while it did; its "
                "log says why (out of memory?)"
            ) from None

    def _compare(self) -> None:
        """Refuse workers without elsac, or with another one."""

        # A function of its own, so that it travels by value and runs where elsac is missing.
        def ask() -> Any:
            try:
                from elsac.runtime.batch.cluster_worker import versions

                return versions()
            except ImportError as error:
                return str(error)

        here = self.worker.versions()
        for place, there in self.client.run(ask, on_error="return").items():
            if isinstance(there, OSError):
                continue  # it has ended since
            if isinstance(there, dict):
                text = self.worker.mismatch(here, there)
            else:
                text = f"no elsac that runs here ({_line(there)}); install elsac {here['elsac']}"
            if text is not None:
                raise RunError(f"scheduler {self.address}: worker {place} has {text}")


def _chunks(tasks: Iterator[Task], size: int) -> Iterator[list[Task]]:
    """Put tasks together; large ones travel alone."""
    chunk: list[Task] = []
    held = 0
    for task in tasks:
        chunk.append(task)
        held += sum(array.nbytes for array in task.arrays.values())
        if len(chunk) >= size or held >= CHUNK_BYTES:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


@contextlib.contextmanager
def _client(distributed: Any, address: str, jobs: int) -> Iterator[Any]:
    """Connect; start a cluster of processes first, if it is to be a local one."""
    with contextlib.ExitStack() as stack:
        try:
            place: Any = address
            if address == LOCAL:
                with _no_interrupt():
                    cluster = distributed.LocalCluster(
                        n_workers=max(1, jobs),
                        threads_per_worker=1,
                        processes=True,
                        dashboard_address=":0",
                        silence_logs=logging.CRITICAL,
                    )
                place = stack.enter_context(cluster)
            client = stack.enter_context(
                distributed.Client(place, timeout=TIMEOUT, set_as_default=False)
            )
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise RunError(f"scheduler {address}: no answer ({_line(error)})") from None
        try:
            client.wait_for_workers(1, timeout=TIMEOUT)
        except (TimeoutError, OSError):
            raise RunError(
                f"scheduler {address}: has no workers; start some: dask worker {address}"
            ) from None
        yield client


@contextlib.contextmanager
def _no_interrupt() -> Iterator[None]:
    """Start processes that leave Ctrl-C to this one: what is ignored here is ignored by them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's log off the terminal; what goes wrong is raised."""
    names = [n for n in logging.root.manager.loggerDict if n.split(".")[0] == "distributed"]
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _line(error: object) -> str:
    text = " ".join(str(error).split())
    return text or type(error).__name__
