"""Processes that share the work of a sweep on this machine.

A process goes on with timings of the program that it has built, whose image and activity it holds.
Where there are none left it builds the next program, and where all are built it helps with the
timings of the program that has most of them.
"""

import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from elsac.sweep.errors import SweepError
from elsac.sweep.plan import Built, Timed
from elsac.sweep.worker import receive, send

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Work(NamedTuple):
    """A program, or a timing of one."""

    program: str
    built: Built | None
    timed: Timed | None


class Schedule:
    """Who does what next."""

    def __init__(self, programs: Iterable[Built], timings: Iterable[Timed]) -> None:
        self.waiting = deque(programs)
        self.timings: dict[str, deque[Timed]] = {}
        for timed in timings:
            self.timings.setdefault(timed.program, deque()).append(timed)
        self.built: set[str] = set()

    def next(self, last: str | None) -> Work | None:
        """Return work for a process that used the program `last`; None: there is none now."""
        if last in self.built and self.timings.get(last or ""):
            return self._timing(last or "")
        if self.waiting:
            built = self.waiting.popleft()
            return Work(built.key, built, None)
        open_ = [key for key in self.timings if key in self.built and self.timings[key]]
        if not open_:
            return None
        return self._timing(max(open_, key=lambda key: len(self.timings[key])))

    def _timing(self, key: str) -> Work:
        return Work(key, None, self.timings[key].popleft())

    def refuse(self, key: str) -> list[Timed]:
        """Give up a program that cannot be; return its timings."""
        return list(self.timings.pop(key, ()))


class Worker:
    """A process, and the thread that listens to it."""

    def __init__(self, start: dict[str, Any], answers: "queue.SimpleQueue[Any]") -> None:
        paths = [path or os.getcwd() for path in sys.path]
        environment = {
            **dict.fromkeys(_ONE_THREAD, "1"),
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONSAFEPATH": "1",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "elsac.sweep.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the process that started it
        )
        self.ready = False
        self.work: Work | None = None
        self.last: str | None = None
        self._answers = answers
        self._send(("start", start))
        threading.Thread(target=self._listen, daemon=True).start()

    def give(self, work: Work) -> None:
        """Start a piece of work."""
        self.work, self.last = work, work.program
        self._send(("build", work.built) if work.built is not None else ("time", work.timed))

    def _send(self, message: object) -> None:
        assert self.process.stdin is not None
        try:
            send(self.process.stdin, message)  # type: ignore[arg-type]
        except OSError:
            pass  # it is gone, as the thread finds out too

    def _listen(self) -> None:
        stream: Any = self.process.stdout
        while True:
            try:
                self._answers.put((self, receive(stream)))
            except (EOFError, OSError, ValueError):
                self._answers.put((self, None))
                return

    def stop(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            try:
                stream.close()  # type: ignore[union-attr]
            except OSError:
                pass


def work_through(
    schedule: Schedule, jobs: int, start: dict[str, Any], done: Callable[[Work, Any], None]
) -> None:
    """Do all work of a schedule with `jobs` processes, which get `start` first.

    `done` is called with each piece and its answer, in this process, in the order in which they
    end. Raises :class:`SweepError` if a process fails, and stops all however it ends.
    """
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    workers: list[Worker] = []
    try:
        workers += [Worker(start, answers) for _ in range(jobs)]
        busy = jobs  # each answers to its start
        while busy:
            worker, message = answers.get()
            busy -= 1
            if message is None:
                raise SweepError(_ended(worker.process))
            what, answer = message
            if what == "failed":
                raise SweepError(answer)
            worker.ready = True
            if worker.work is not None:
                if worker.work.built is not None and answer is None:
                    schedule.built.add(worker.work.program)
                done(worker.work, answer)
                worker.work = None
            for idle in [w for w in workers if w.ready and w.work is None]:
                if (work := schedule.next(idle.last)) is not None:
                    idle.give(work)
                    busy += 1
    finally:
        for worker in workers:
            worker.stop()


def _ended(process: "subprocess.Popen[bytes]") -> str:
    code = process.wait()
    what = f"by signal {-code}" if code < 0 else f"with code {code}"
    return (
        f"a process of the sweep ended {what}, perhaps for want of memory; what is finished is "
        "kept: start it again, with fewer --jobs"
    )
