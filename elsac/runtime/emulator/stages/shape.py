"""What each thread of a program does, read from its words: the form in which rows run fast.

The compiler writes few kinds of handlers: one loop around one instruction, and one instruction that
spikes before one that sends. Threads made of these alone are stages: all that arrives in a step can
be added in any order before all rows spike, since each row waits for all that it is fed. A program
with any other handler is left to the virtual machine (`fast.py`), which runs every program.
"""

from dataclasses import dataclass

from elsac.runtime.emulator.image import Image
from elsac.runtime.handlers import handler
from elsac.runtime.program import Program

NONE = -1

FUNCTIONS = ("softmax", "norm", "curve")
"""Instructions that move rows towards what a function of their charges says."""
MOVES = ("fire", "max", "flow", "inject", *FUNCTIONS)
FACTORS = {"left": "lcount", "right": "rcount"}
"""Instructions for spikes of a factor, and those for the ends of its spines."""


class NoStages(Exception):
    """A program that the stages cannot run; the message says why."""


@dataclass(frozen=True)
class Port:
    """What one port does with the spikes of one spine, and whom it tells of the spine's end."""

    number: int
    source: int
    first: int
    stop: int
    column_base: int
    kind: str
    """`acc`, `add`, `trace`, `scat`, `left`, `right`, or nothing."""
    window: int
    """Of the loop around `acc` or `add`, else NONE."""
    operand: int
    """Weight segment, constant segment, base of the copy, index map, or product."""
    shift: int
    end: str
    """`count`, `scount`, `lcount`, `rcount`, or nothing."""
    end_table: int
    """Window of `count`, map of `scount`, product of the others."""
    base: int = 0
    """Of `left` and `right`: the factor's spine of the source's spine 0."""


@dataclass(frozen=True)
class Stage:
    """One thread."""

    thread: int
    kind: str
    """One of `MOVES`, or nothing."""
    operand: int
    """Staircase of `fire`, window of `max`, table of a function."""
    sends: bool
    ports: tuple[Port, ...]

    @property
    def product(self) -> int:
        """The product whose sums its membranes hold, or NONE."""
        return next((p.operand for p in self.ports if p.kind in FACTORS), NONE)


def stages_of(image: Image) -> list[Stage]:
    """Return the stages of a program in the order in which they run; raise `NoStages`."""
    program = image.program
    if any(b["coding"] == "analog" for b in program.bindings.get("inputs", [])):
        raise NoStages("an input is sent in analog form")
    return [_stage(program, thread) for thread in image.order.tolist()]


def _stage(program: Program, number: int) -> Stage:
    thread = program.threads[number]
    names, operand = [], NONE
    for _, name, operands in handler(program, int(thread["on_row"])):
        names.append(name)
        operand = next(iter(operands.values()), operand)
    if names not in ([], *([n, "send"] for n in MOVES)):
        raise NoStages(f"thread {number}: on row it does {', '.join(names)}")
    first = int(thread["first_port"])
    ports = tuple(_port(program, number, p) for p in range(first, first + int(thread["ports"])))
    kind = names[0] if names else ""
    if kind == "max" and any(p.kind not in ("trace", "") for p in ports):
        raise NoStages(f"thread {number}: 'max' beside sums")
    factors = {p.operand for p in ports if p.kind in FACTORS}
    if len(factors) > 1 or (factors and any(p.kind not in (*FACTORS, "") for p in ports)):
        raise NoStages(f"thread {number}: a product beside other sums")
    if factors and kind not in ("fire", *FUNCTIONS, ""):
        raise NoStages(f"thread {number}: '{kind}' of a product")
    return Stage(number, kind, operand, "send" in names, ports)


def _port(program: Program, thread: int, number: int) -> Port:
    port = program.ports[number]
    kind, window, operand, shift, offset = "", NONE, NONE, 0, 0
    match list(handler(program, int(port["on_spikes"]))):
        case []:
            pass
        case [(_, "taps", outer), (_, "acc" | "add" as kind, inner), (_, "next", _)]:
            window, shift = outer["window"], inner.get("shift", 0)
            operand = inner["weights" if kind == "acc" else "constants"]
        case [(_, "trace" | "scat" as kind, only)]:
            operand = only["base" if kind == "trace" else "map"]
        case [(_, "left" | "right" as kind, only)]:
            operand, offset = only["product"], only["base"]
        case words:
            names = ", ".join(name for _, name, _ in words)
            raise NoStages(f"thread {thread}: port {number} does {names} on spikes")
    end, end_table = "", NONE
    match list(handler(program, int(port["on_end"]))):
        case []:
            pass
        case [(_, "taps", outer), (_, "count", _), (_, "next", _)]:
            end, end_table = "count", outer["window"]
        case [(_, "scount", only)]:
            end, end_table = "scount", only["map"]
        case [(_, "lcount" | "rcount" as end, only)]:
            end_table = only["product"]
            if (FACTORS.get(kind), operand, offset) != (end, end_table, only["base"]):
                raise NoStages(f"thread {thread}: port {number} counts what it does not feed")
        case words:
            names = ", ".join(name for _, name, _ in words)
            raise NoStages(f"thread {thread}: port {number} does {names} at the end of a spine")
    if kind in FACTORS and end != FACTORS[kind]:
        raise NoStages(f"thread {thread}: port {number} feeds what it does not count")
    source, first, stop, base = (
        int(port[name]) for name in ("source", "first", "stop", "column_base")
    )
    return Port(
        number, source, first, stop, base, kind, window, operand, shift, end, end_table, offset
    )
