"""What a Dask worker does: it keeps the program that it was sent, and runs samples of it.

This module and the arguments of :func:`run_chunk` are what client and worker must agree on, so the
worker compares versions before it reads anything else.
"""

import contextlib
import pickle
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from distributed import WorkerPlugin
from numpy.typing import NDArray

from elsac import __version__
from elsac.runtime import container
from elsac.runtime.batch.codec import RECORD_VERSION, encode
from elsac.runtime.batch.work import Plan, Station, Task
from elsac.runtime.bindings import Host, InputError, RunError
from elsac.runtime.emulator import load_image, run_sample
from elsac.runtime.program import FORMAT_VERSION
from elsac.runtime.timing.result import TimingError

STATIONS = 2
"""Loaded programs that a worker keeps, the last ones used."""

Versions = dict[str, Any]


def versions() -> Versions:
    """Return what must be equal on both sides for results to be the same."""
    return {"elsac": __version__, "program format": FORMAT_VERSION, "records": RECORD_VERSION}


@dataclass(frozen=True)
class Failure:
    """A sample that could not be run."""

    number: int
    kind: Literal["input", "run", "timing", "versions"]
    text: str

    def error(self) -> Exception:
        """Return what the sample would have raised here."""
        kinds = {"input": InputError, "timing": TimingError}
        return kinds.get(self.kind, RunError)(self.text)


class ProgramPlugin(WorkerPlugin):
    """Brings a program to every worker once, and to those that come later as they come."""

    def __init__(self, sha256: str, program: bytes) -> None:
        self.sha256, self.program = sha256, program

    def setup(self, worker: Any) -> None:
        """Keep the program."""
        with _LOCK:
            users, _ = _PROGRAMS.get(self.sha256, (0, b""))
            _PROGRAMS[self.sha256] = users + 1, self.program

    def teardown(self, worker: Any) -> None:
        """Let go of it, if no other run needs it."""
        with _LOCK:
            users, data = _PROGRAMS.get(self.sha256, (1, b""))
            _PROGRAMS[self.sha256] = users - 1, data
            if users <= 1:
                del _PROGRAMS[self.sha256]


_LOCK = threading.RLock()
_PROGRAMS: dict[str, tuple[int, bytes]] = {}
_STATIONS: OrderedDict[tuple[str, bytes], Station] = OrderedDict()


def packed_plan(station: Station) -> bytes:
    """Return plan and meter of a station as the workers take them."""
    meter = None if station.meter is None else (station.meter.target, *station.meter.options)
    return pickle.dumps((station.plan, meter))


def run_chunk(
    expected: Versions,
    sha256: str,
    plan: bytes,
    numbers: list[int],
    arrays: dict[str, NDArray[Any]],
) -> list[NDArray[np.uint8] | Failure]:
    """Run some samples of the program of this hash; arrays are (samples, *shape).

    Returns for each sample the bytes of :func:`encode`, or why there are none.
    """
    if (text := mismatch(expected, versions())) is not None:
        text = f"a worker has another elsac: {text}"
        return [Failure(number, "versions", text) for number in numbers]
    tasks = [
        Task(number, {name: array[place : place + 1] for name, array in arrays.items()})
        for place, number in enumerate(numbers)
    ]
    station = _station(sha256, plan, tasks[0])
    results: list[NDArray[np.uint8] | Failure] = []
    for task in tasks:
        number = task.number
        try:
            results.append(np.frombuffer(encode(station.run(task)), np.uint8))
        except InputError as error:
            results.append(Failure(number, "input", str(error)))
        except RunError as error:
            results.append(Failure(number, "run", str(error)))
        except TimingError as error:
            results.append(Failure(number, "timing", str(error)))
    return results


def mismatch(here: Versions, there: Versions) -> str | None:
    """Say what differs between the client's versions and a worker's."""
    for name in here:
        if here[name] != there.get(name):
            return f"{name} {there.get(name)}, but {here[name]} here; install the same on both"
    return None


def _station(sha256: str, plan: bytes, task: Task) -> Station:
    """Return a program ready to run, loaded once for each plan; `task` is any of its samples."""
    with _LOCK:
        key = sha256, plan
        if key not in _STATIONS:
            _STATIONS[key] = _loaded(_PROGRAMS[sha256][1], plan)
            with contextlib.suppress(RunError):  # of a sample that does not fit: it says so itself
                _STATIONS[key].share(task)
            while len(_STATIONS) > STATIONS:
                _STATIONS.popitem(last=False)
        _STATIONS.move_to_end(key)
        return _STATIONS[key]


def _loaded(data: bytes, packed: bytes) -> Station:
    plan, options = pickle.loads(packed)
    assert isinstance(plan, Plan)
    program = container.from_bytes(data)
    meter = None
    if options is not None:
        from elsac.runtime.meter import Meter

        meter = Meter(program, *options)
    return Station(load_image(program), Host(program), plan, run_sample, meter)
