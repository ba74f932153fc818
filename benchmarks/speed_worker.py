"""Runners in processes of their own, so that each has its cores, its threads and its libraries.

The parent sends one JSON object on a line and waits for one. Only one runner works at a time, so
what is measured in turns is measured on the same machine in the same minutes.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

HERE = Path(__file__).parent
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "ELSAC_THREADS",
)


class Runner(Protocol):
    """One way to run one network on one image."""

    def facts(self) -> dict[str, Any]:
        """What is worth knowing about it, in JSON types."""

    def run(self) -> None:
        """The work that is timed."""

    def answer(self) -> dict[str, Any]:
        """What the work gives: `integers`, lists by ONNX output; perhaps `spikes_per_step`."""


class Missing(Exception):
    """A peer cannot run here; says why, and what helps."""


def serve(make: Callable[[dict[str, Any]], Runner]) -> None:
    """Answer requests until the input ends. Libraries may print: their output goes to stderr."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    runner: Runner | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "open":
                start = time.perf_counter()
                runner = make(request)
                reply = {"facts": runner.facts(), "open_s": time.perf_counter() - start}
            else:
                assert runner is not None
                reply = timed(runner.run) if request["do"] == "run" else runner.answer()
        except Missing as missing:
            reply = {"missing": str(missing)}
        except Exception as error:  # the parent says which peer broke, and goes on
            reply = {"missing": f"{type(error).__name__}: {str(error).strip()[:300]}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def timed(work: Callable[[], object]) -> dict[str, Any]:
    """Seconds of one call: of the clock, and of all threads of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


class Worker:
    """The parent's end of a process that runs one script of this folder."""

    def __init__(self, python: str, script: str, threads: int, scratch: Path) -> None:
        self.name = script
        cores = sorted(os.sched_getaffinity(0))
        mine = set(cores[-threads:])
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
        environment.setdefault("TORCHINDUCTOR_CACHE_DIR", str(scratch / "inductor"))
        self.log = scratch / f"{Path(script).stem}.log"
        code = (
            f"import os, runpy, sys; os.sched_setaffinity(0, {mine}); "
            f"sys.path.insert(0, {str(HERE)!r}); sys.argv = [{script!r}]; "
            f"runpy.run_path({str(HERE / script)!r}, run_name='__main__')"
        )
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [python, "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
            )

    def ask(self, **request: Any) -> dict[str, Any]:
        """One request and its reply. Raises :class:`Missing` where the peer cannot do it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            tail = self.log.read_text(errors="replace").strip().splitlines()[-1:]
            raise Missing(f"{self.name} ended: {''.join(tail) or 'it said nothing'}")
        reply: dict[str, Any] = json.loads(line)
        if "missing" in reply:
            raise Missing(reply["missing"])
        return reply

    def close(self) -> None:
        """End the process that this worker started."""
        if self.process.stdin is not None:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def can_import(python: str, *modules: str) -> bool:
    """Whether an interpreter has modules, found without loading them."""
    names = ", ".join(repr(m) for m in modules)
    code = f"from importlib.util import find_spec as f; exit(not all(map(f, [{names}])))"
    try:
        return subprocess.run([python, "-c", code], capture_output=True).returncode == 0
    except OSError:
        return False
