"""A process of a sweep: takes work from its standard input, answers on its standard output.

Messages are pickles behind their length in 8 bytes; only the process that started it writes them.
When that process ends, however it ends, so does this one.
"""

import gc
import os
import pickle
import queue
import sys
import threading
import traceback
from typing import Any, BinaryIO

_LENGTH = 8


def main() -> None:
    """Serve until the input ends."""
    # Nearly all objects of a compilation live until its end: to look for cycles takes long.
    gc.set_threshold(100_000, 50, 100)
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, tasks), daemon=True).start()
    measurer: Any = None
    while True:
        what, value = tasks.get()
        try:
            if what == "start":
                measurer = _measurer(**value)
                answer: Any = None
            elif what == "build":
                answer = measurer.build(value)
            else:
                answer = measurer.rows(value)
            send(answers, ("done", answer))
        except Exception as error:
            send(answers, _failed(error, value if what == "time" else None))


def send(stream: BinaryIO, message: object) -> None:
    """Write a message."""
    data = pickle.dumps(message)
    stream.write(len(data).to_bytes(_LENGTH, "big") + data)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """Read a message; raise `EOFError` at the end."""
    head = stream.read(_LENGTH)
    data = stream.read(int.from_bytes(head, "big")) if len(head) == _LENGTH else b""
    if not data:
        raise EOFError
    return pickle.loads(data)


def _listen(stream: BinaryIO, tasks: "queue.SimpleQueue[Any]") -> None:
    while True:
        try:
            tasks.put(receive(stream))
        except (EOFError, OSError):
            os._exit(0)  # in the middle of the work: nobody waits for it any more


def _measurer(folder: str, network: str | None) -> Any:
    from elsac.sweep.inputs import stored
    from elsac.sweep.measure import Measurer
    from elsac.sweep.state import State

    state = State(folder)
    return Measurer(state, network, *stored(state))


def _failed(error: Exception, timed: Any) -> tuple[str, Any]:
    """What ends the sweep, and what is the matter of a few configurations alone."""
    from elsac.runtime.bindings import InputError
    from elsac.sweep.errors import SweepError
    from elsac.sweep.measure import refused

    text = " ".join(str(error).split())
    if isinstance(error, InputError | SweepError | OSError):
        return "failed", text
    if isinstance(error, MemoryError):
        return "failed", "out of memory; take fewer --jobs, or fewer samples"
    if os.environ.get("ELSAC_DEBUG", "0") not in ("", "0"):
        traceback.print_exc()
    why = f"internal error: {type(error).__name__}: {text}; please report it"
    return "done", why if timed is None else {row.number: refused(why) for row in timed.rows}


if __name__ == "__main__":
    main()
