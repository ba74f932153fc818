"""Static verification of the handlers: each word in the context of the thread and port that run it.

`verify.py` has checked the tables by then; here operands meet the geometry of the thread.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator import function_checks
from elsac.runtime.emulator.checks import fail, fields, thread_name
from elsac.runtime.isa import ISA, LOGIT_KINDS, Handler, Instruction, IsaError, decode
from elsac.runtime.packets import PacketFormat
from elsac.runtime.program import Program

MAX_UPDATE = 1 << 61
"""Bound of one update of a membrane, so that its sum with any legal membrane fits 64 bits."""

FIRING = ("fire", "max", "flow", "inject", "softmax", "norm", "curve")
"""The instructions that may make a spike of every neuron of the row."""

USES_MEMBRANES = (
    *("acc", "add", "scat", "left", "right"),
    *("fire", "flow", "softmax", "norm", "curve"),
)


@dataclass
class Facts:
    """What verification finds out: the packets, then per thread, and over all membranes."""

    packets: PacketFormat
    firings: NDArray[np.int64]  # [threads] firing instructions of the on-row handler
    sends: NDArray[np.int64]  # [threads] `send` words of the on-row handler
    largest_update: int = field(default=0, init=False)  # magnitude
    weight_bounds: dict[int, int] = field(default_factory=dict, init=False)  # by weight segment


class ThreadCheck:
    """Check the handlers of one thread and add what they show to the facts."""

    def __init__(self, program: Program, number: int, facts: Facts) -> None:
        self.program = program
        self.number = number
        self.facts = facts
        self.thread = fields(program.threads[number])
        # Of the handler that is being checked:
        self.port: dict[str, int] | None = None
        self.largest_spike = 0
        self.loop: dict[str, int] | None = None
        self.where = ""
        # (product, side) -> the rectangles of the factor that ports deliver, as `products.Box`.
        self.areas: dict[tuple[int, str], list[tuple[int, int, int, int]]] = {}

    def run(self) -> None:
        """Raise :class:`ImageError` if any handler may not run here."""
        thread = self.thread
        executed = self._handler(thread["on_row"], Handler.ROW, "on row")
        self.facts.firings[self.number] = sum(name in FIRING for name in executed)
        self.facts.sends[self.number] = executed.count("send")
        if thread["on_step"] >= 0:
            self._handler(thread["on_step"], Handler.STEP, "on step")
        for index in range(thread["ports"]):
            self.port = fields(self.program.ports[thread["first_port"] + index])
            source = self.program.threads[self.port["source"]]
            # Tracers stay in lo..hi, so that no spike is larger than the whole range.
            self.largest_spike = int(source["hi"]) - int(source["lo"])
            self._handler(self.port["on_spikes"], Handler.SPIKES, f"on spikes of port {index}")
            self._handler(self.port["on_end"], Handler.END, f"on end of port {index}")
        function_checks.both_sides(self)

    def _handler(self, first: int, kind: Handler, name: str) -> list[str]:
        """Check the words from `first` to `end` and return their mnemonics."""
        core = self.program.cores[self.thread["core"]]
        start, stop = int(core["first_word"]), int(core["first_word"]) + int(core["words"])
        mnemonics: list[str] = []
        self.loop = None
        for word in range(first, max(first, stop) + 1):
            self.where = f"{thread_name(self.program, self.number)}, word {word} ({name})"
            if not start <= word < stop:
                self.fail(f"outside of the core's words {start}..{stop - 1}, and no end before")
            try:
                instruction, operands = decode(int(self.program.code[word]))
            except IsaError as error:
                self.fail(str(error))
            self._place(instruction, kind)
            for operand in instruction.fields:
                if operand.table is not None:
                    self._index(operand.name, operands[operand.name], operand.table)
            if instruction.mnemonic in USES_MEMBRANES and not self.thread["membrane_bits"]:
                self.fail(f"'{instruction.mnemonic}' in a thread without membranes")
            CHECKS[instruction.mnemonic](self, **operands)
            mnemonics.append(instruction.mnemonic)
            if instruction.mnemonic == "end":
                break
        return mnemonics

    def fail(self, message: str) -> NoReturn:
        """Refuse the program, and name the word."""
        fail(f"{self.where}: {message}")

    def _place(self, instruction: Instruction, kind: Handler) -> None:
        """Check that the instruction may stand in this handler, and on this side of a loop."""
        if not instruction.handlers & kind:
            self.fail(f"'{instruction.mnemonic}' may not stand in this handler")
        if instruction.in_loop is not None and instruction.in_loop != (self.loop is not None):
            side = "inside" if instruction.in_loop else "outside"
            self.fail(f"'{instruction.mnemonic}' may only stand {side} taps and next")

    def _index(self, name: str, index: int, table: str) -> None:
        attribute = {"weights": "weight_segments", "constants": "constant_segments"}
        size = len(getattr(self.program, attribute.get(table, table)))
        if not 0 <= index < size:
            self.fail(f"{name} {index}, but the table '{table}' has {size} entries")

    def equal(self, what: str, value: int, other: str, expected: int) -> None:
        """Refuse two sizes that differ."""
        if value != expected:
            self.fail(f"{what}: {value}, but {other}: {expected}")

    def update(self, magnitude: int) -> None:
        """Bound one update of a membrane."""
        if magnitude >= MAX_UPDATE:
            self.fail(f"one spike may move a membrane by {magnitude}: too much for any core")
        self.facts.largest_update = max(self.facts.largest_update, magnitude)

    # One check per instruction that has something to check.

    def end(self) -> None:
        """Nothing beyond its place."""

    def taps(self, window: int) -> None:
        """The window maps the port's spines to the thread's rows."""
        assert self.port is not None
        entry = fields(self.program.windows[window])
        inputs, outputs = _area(entry, "in"), _area(entry, "out")
        self.equal("the window's input size", inputs, "the port's spines", self.port["spines"])
        self.equal("the window's output size", outputs, "the thread's rows", self.thread["rows"])
        self.loop = entry

    def next(self) -> None:
        """The loop is over."""
        self.loop = None

    def acc(self, weights: int, shift: int) -> None:
        """The segment has the kernel's taps and the thread's columns, and its products fit."""
        assert self.loop is not None
        entry = fields(self.program.weight_segments[weights])
        self.equal("the segment's taps", entry["taps"], "the kernel", _area(self.loop, "kernel"))
        columns = entry["inputs"] // entry["inputs_per_group"] * entry["outputs_per_group"]
        self.equal("the segment's width", columns, "the thread's columns", self.thread["columns"])
        if weights not in self.facts.weight_bounds:
            size = entry["taps"] * entry["inputs"] * entry["outputs_per_group"]
            self.facts.weight_bounds[weights] = self._magnitude(entry["offset"], size)
        # At least 1: the shifted spike alone has to fit, too.
        self.update(max(self.facts.weight_bounds[weights], 1) * self.largest_spike << shift)

    def add(self, constants: int) -> None:
        """The segment has one constant per column, and its products fit."""
        entry = fields(self.program.constant_segments[constants])
        self.equal("the constants", entry["inputs"], "the columns", self.thread["columns"])
        self.update(self._magnitude(entry["offset"], entry["inputs"]) * self.largest_spike)

    def _magnitude(self, offset: int, size: int) -> int:
        values = self.program.weights[offset : offset + size]
        return max(int(values.max()), -int(values.min())) if size else 0

    def scat(self, map: int) -> None:
        """The map starts at the port's spines and stays inside the thread."""
        self._map(map)
        self.update(self.largest_spike)

    def trace(self, base: int) -> None:
        """Spines that the thread's copy does not hold are ignored."""

    def count(self) -> None:
        """Its rows come from the loop."""

    def scount(self, map: int) -> None:
        """The map starts at the port's spines and stays inside the thread."""
        self._map(map)

    def _map(self, index: int) -> None:
        assert self.port is not None
        entry = fields(self.program.maps[index])
        self.equal("the map's spines", entry["spines"], "the port's spines", self.port["spines"])
        targets = self.program.map_targets[entry["target"] : entry["target"] + entry["targets"]]
        size = (self.thread["rows"], self.thread["columns"])
        if ((targets < 0) | (targets >= np.array(size))).any():
            self.fail(f"map {index} names a neuron outside of the thread's {size}")

    def fire(self, stairs: int) -> None:
        """The staircase has the thread's columns, levels and rows."""
        entry = fields(self.program.stairs[stairs])
        thread = self.thread
        self.equal("the staircase's width", entry["columns"], "the columns", thread["columns"])
        self.equal("the staircase's lo", entry["lo"], "the thread's", thread["lo"])
        levels = thread["hi"] - thread["lo"]
        self.equal("the staircase's levels", entry["levels"], "the thread's hi - lo", levels)
        self.row_classes("the staircase", entry)

    def row_classes(self, what: str, entry: dict[str, int]) -> None:
        """Each row has one of the classes of a table, if that has a list of classes."""
        if entry["row_class"] >= 0:
            first, rows = entry["row_class"], self.thread["rows"]
            classes = self.program.row_classes[first : first + rows]
            if len(classes) != rows:
                self.fail(f"{what}'s classes of {rows} rows leave their table")
            if ((classes < 0) | (classes >= entry["classes"])).any():
                self.fail(f"a row has a class outside of 0..{entry['classes'] - 1}")

    def max(self, window: int) -> None:
        """The window maps the copied spines to the thread's rows."""
        entry = fields(self.program.windows[window])
        thread = self.thread
        spines = thread["trace_spines"]
        self.equal("the window's input size", _area(entry, "in"), "the copy's size", spines)
        self.equal("the window's output size", _area(entry, "out"), "the rows", thread["rows"])
        columns = thread["trace_columns"]
        self.equal("the copy's width", columns, "the thread's columns", thread["columns"])

    def flow(self) -> None:
        """Nothing beyond the membranes."""

    def inject(self) -> None:
        """Only a source has an input."""
        if self.thread["input"] < 0:
            self.fail("'inject' in a thread without an input")

    def send(self) -> None:
        """Nothing beyond its place."""

    def report(self, logits: int) -> None:
        """Its columns lie in the thread; `decisions.py` looks at all reports together."""
        entry = fields(self.program.logits[logits])
        last = entry["first"] + (entry["count"] - 1) * entry["stride"]
        if last >= self.thread["columns"]:
            self.fail(f"column {last} is reported, but it has {self.thread['columns']}")
        if LOGIT_KINDS[entry["kind"]] == "charge" and not self.thread["membrane_bits"]:
            self.fail("'report' of charges in a thread without membranes")

    def exit(self, decision: int) -> None:
        """The thread is the one that decides."""
        self.equal(
            "the thread",
            self.number,
            "that decides",
            int(self.program.decisions["thread"][decision]),
        )


CHECKS: dict[str, Callable[..., None]] = {
    name: function_checks.WORDS.get(name) or getattr(ThreadCheck, name)
    for name in (i.mnemonic for i in ISA)
}


def _area(window: dict[str, int], of: str) -> int:
    """Return height times width of a window's `in`, `out` or `kernel`."""
    return window[f"{of}_height"] * window[f"{of}_width"]
