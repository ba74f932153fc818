"""The words of the handlers on step, in the order in which they run."""

from typing import NamedTuple

import numpy as np

from elsac.runtime.handlers import handler
from elsac.runtime.program import Program


class Report(NamedTuple):
    """One `report` or (if it decides) one `exit`."""

    thread: int
    word: int
    decides: bool
    row: int
    """The row of `logits`, or of `decisions`."""


def reports_of(program: Program) -> list[Report]:
    """List what the handlers on step of a verified program execute, thread after thread."""
    found = []
    for thread in np.argsort(program.threads["order"]).tolist():
        for word, name, operands in handler(program, int(program.threads["on_step"][thread])):
            decides = name == "exit"
            row = operands["decision" if decides else "logits"]
            found.append(Report(thread, word, decides, row))
    return found
