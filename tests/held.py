"""Processes of elsac that stop at a moment of the test's choice, however busy the machine is.

`python -m tests.held FOLDER MOMENT MODULE:NAME COUNT ARGUMENTS...` is `elsac ARGUMENTS...`, except
that the call number COUNT of a function writes `FOLDER/stopped`, before or after it does its work,
and then waits for `FOLDER/go`.
"""

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


class Held:
    """A process that has stopped."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path) -> None:
        self._process, self._folder, self.pid = process, folder, process.pid

    def end(self, signal: int | None = None) -> tuple[int, str]:
        """Send a signal, if any, and let it go on; its code and its standard error."""
        if signal is not None:
            self._process.send_signal(signal)
        (self._folder / "go").touch()
        return self._process.wait(), (self._folder / "stderr").read_text()


@contextmanager
def held(folder: Path, moment: str, place: str, count: int, *arguments: object) -> Iterator[Held]:
    """Start elsac and wait until it has stopped; `folder` is a new one, `moment` before or after.

    The process is at its end when the context is left.
    """
    folder.mkdir()
    command = [sys.executable, "-m", "tests.held", str(folder), moment, place, str(count)]
    command += map(str, arguments)
    # Not a pipe, which processes that it has started may hold open.
    with (
        open(folder / "stderr", "wb") as error,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=error) as process,
    ):
        try:
            while not (folder / "stopped").exists():
                if process.poll() is not None:
                    raise AssertionError(f"it ended: {(folder / 'stderr').read_text()}")
                time.sleep(0.005)
            yield Held(process, folder)
        finally:
            process.kill()


def main() -> None:
    """Run elsac as said above."""
    folder, moment, place, count, *arguments = sys.argv[1:]
    module, _, name = place.partition(":")
    *owners, last = name.split(".")
    owner: Any = reduce(getattr, owners, import_module(module))
    work, calls, parent = getattr(owner, last), itertools.count(1), os.getppid()

    def stop() -> None:
        (Path(folder) / "stopped").touch()
        while not (Path(folder) / "go").exists() and os.getppid() == parent:
            time.sleep(0.005)

    def stopping(*args: Any, **options: Any) -> Any:
        now = next(calls) == int(count)
        if now and moment == "before":
            stop()
        result = work(*args, **options)
        if now and moment == "after":
            stop()
        return result

    setattr(owner, last, stopping)
    from elsac.cli import cli

    cli.main(arguments, prog_name="elsac")


if __name__ == "__main__":
    main()
