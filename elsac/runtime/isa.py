"""The instruction set of an ELSA core: one table for dialect, encoder, disassembler, engines and
docs.

A core runs threads. A thread is one actor: a tile (a range of columns) of one layer, with its
segments of weight, membrane and tracer memory. It owns four kinds of handler, each a run of words
that finishes with ``end``:

- *on spikes* (one per input port): a packet of at most :data:`PACKET_SPIKES` spikes of one spine
  has arrived;
- *on end* (one per input port): the last spike of that spine of this step has been served;
- *on row*: every input that a row waits for has ended, so the row may fire;
- *on step* (only where an answer can end a sample early): the thread has served the whole step. It
  runs only if the host has set the exit registers (`emulator/exits.py`).

Words are 64 bits: opcode (8), ``a`` (8, unsigned), ``b`` (16, unsigned), ``c`` (32, signed).
Source: ELSA paper, section on the neural core (im2col unit, mini-batch spiking Gustavson product,
ST-BIF fire logic, flit generator); the encoding is this project's own.
"""

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

PACKET_SPIKES = 16
"""Most spikes that one *on spikes* event serves (the paper's mini-batch)."""

WORD_BITS = 64

EXIT_RULES = ("class", "objectness")
"""What the confidence of a running answer is: the greatest probability of a class, by softmax of
all logits; or the greatest objectness, the sigmoid of a logit."""

LOGIT_KINDS = ("charge", "tracer")
"""What `report` reads: the membranes of a thread, or its tracers."""

LOGIT_FRACTION = 24
"""Fractional bits of a logit. Logits are to the base 2: that of a real x is x * log2(e)."""

EXP_STAGES, EXP_STAGE_BITS, EXP_FRACTION = 4, 6, 30
EXPS = EXP_STAGES << EXP_STAGE_BITS
"""Entries of an exponential table. A stage has EXP_STAGE_BITS bits of a fraction of LOGIT_FRACTION
bits, the highest first, and for each of their values v the power 2**-v in EXP_FRACTION fractional
bits. A factor of each stage gives 2**-fraction."""


class Handler(IntFlag):
    """The handlers in which an instruction may stand."""

    SPIKES = 1
    END = 2
    ROW = 4
    STEP = 8


@dataclass(frozen=True)
class Field:
    """One operand of an instruction: its name, the slot of the word that holds it, its meaning."""

    name: str
    slot: str  # "a" (8 bits, unsigned), "b" (16 bits, unsigned), "c" (32 bits, signed)
    meaning: str
    table: str | None = None  # the program table that the operand indexes, if it does

    @property
    def range(self) -> tuple[int, int]:
        """Least and greatest value that the slot can hold."""
        return {"a": (0, 255), "b": (0, 65535), "c": (-(1 << 31), (1 << 31) - 1)}[self.slot]


@dataclass(frozen=True)
class Instruction:
    """One row of the ISA table."""

    opcode: int
    mnemonic: str
    fields: tuple[Field, ...]
    handlers: Handler
    in_loop: bool | None  # True: only between taps and next; False: only outside; None: either
    meaning: str


_WINDOW = Field("window", "c", "geometry of the im2col unit", "windows")
_FACTOR = (
    Field("product", "b", "which elements meet, and where the sums lie", "products"),
    Field("base", "c", "added to the spine: its place in the factor"),
)

ISA: tuple[Instruction, ...] = (
    Instruction(
        0,
        "end",
        (),
        Handler.SPIKES | Handler.END | Handler.ROW | Handler.STEP,
        False,
        "The handler is done.",
    ),
    Instruction(
        1,
        "taps",
        (_WINDOW,),
        Handler.SPIKES | Handler.END,
        False,
        "Loop over the (row, tap) pairs that the current spine feeds, in ascending tap order; the "
        "body runs to `next`.",
    ),
    Instruction(2, "next", (), Handler.SPIKES | Handler.END, True, "End of the body of `taps`."),
    Instruction(
        3,
        "acc",
        (
            Field("weights", "c", "weight segment", "weights"),
            Field("shift", "a", "left shift of every weight, in bits"),
        ),
        Handler.SPIKES,
        True,
        "For each spike of the packet: add (weight row << shift) * value to the membranes of the "
        "row (MM-sc).",
    ),
    Instruction(
        4,
        "add",
        (Field("constants", "c", "constant segment", "constants"),),
        Handler.SPIKES,
        True,
        "For each spike of the packet: add constant * value to its column's membrane of the row "
        "(residual, pooling).",
    ),
    Instruction(
        5,
        "scat",
        (Field("map", "c", "index map", "maps"),),
        Handler.SPIKES,
        False,
        "For each spike of the packet: add value to every membrane that the index map names for "
        "its spine and channel.",
    ),
    Instruction(
        6,
        "trace",
        (Field("base", "c", "added to the spine: its place in the copy"),),
        Handler.SPIKES,
        False,
        "For each spike of the packet: add value to the thread's own copy of the input tracer, "
        "unless the copy does not hold the spine (max-pool).",
    ),
    Instruction(
        7,
        "count",
        (),
        Handler.END,
        True,
        "Count the row's dependencies down by one; at zero run the thread's on-row handler for it.",
    ),
    Instruction(
        8,
        "scount",
        (Field("map", "c", "index map", "maps"),),
        Handler.END,
        False,
        "Count down, once each, the rows that the index map names for the current spine; at zero "
        "run on-row.",
    ),
    Instruction(
        9,
        "fire",
        (Field("stairs", "c", "threshold staircase", "stairs"),),
        Handler.ROW,
        None,
        "One ST-BIF step of every neuron of the row: compare charge and staircase, spike, move "
        "the tracer.",
    ),
    Instruction(
        10,
        "max",
        (_WINDOW,),
        Handler.ROW,
        None,
        "Move every tracer of the row towards the maximum of the input tracers in its window "
        "(pads are absent).",
    ),
    Instruction(
        11,
        "flow",
        (),
        Handler.ROW,
        None,
        "Spike what the membranes of the row hold and take it from them (index maps, "
        "concatenation).",
    ),
    Instruction(
        12,
        "inject",
        (),
        Handler.ROW,
        None,
        "Spike the part of the row's input that the input coding assigns to this step.",
    ),
    Instruction(
        13,
        "send",
        (),
        Handler.ROW,
        None,
        "Bundle the row's spikes into packets, send them on the thread's route, then the end of "
        "the spine.",
    ),
    Instruction(
        14,
        "report",
        (Field("logits", "c", "part of the running answer", "logits"),),
        Handler.STEP,
        None,
        "Tell the thread that decides the running logits, those that have changed since the last "
        "step.",
    ),
    Instruction(
        15,
        "exit",
        (Field("decision", "c", "rule and logits", "decisions"),),
        Handler.STEP,
        None,
        "End the sample if the running answer satisfies the exit registers: send the kill token to "
        "every core.",
    ),
    Instruction(
        16,
        "left",
        _FACTOR,
        Handler.SPIKES,
        False,
        "For each spike of the packet, an element of the left factor: add value * the delivered "
        "tracers of the right factor that it meets to the membranes, then move its own delivered "
        "tracer (MM-ss).",
    ),
    Instruction(
        17,
        "right",
        _FACTOR,
        Handler.SPIKES,
        False,
        "For each spike of the packet, an element of the right factor: add value * the delivered "
        "tracers of the left factor that it meets to the membranes, then move its own delivered "
        "tracer (MM-ss).",
    ),
    Instruction(
        18,
        "lcount",
        _FACTOR,
        Handler.END,
        False,
        "Count down, once each, the rows whose product needs the current spine of the left factor; "
        "at zero run on-row.",
    ),
    Instruction(
        19,
        "rcount",
        _FACTOR,
        Handler.END,
        False,
        "Count down, once each, the rows whose product needs the current spine of the right "
        "factor; at zero run on-row.",
    ),
    Instruction(
        20,
        "softmax",
        (Field("softmax", "c", "table of exponentials and scale", "softmaxes"),),
        Handler.ROW,
        None,
        "Move every tracer of the row towards the level of its charge's softmax.",
    ),
    Instruction(
        21,
        "norm",
        (Field("norm", "c", "constants of a normalization", "norms"),),
        Handler.ROW,
        None,
        "Move every tracer of the row towards the level of its normalized charge.",
    ),
    Instruction(
        22,
        "curve",
        (Field("curve", "c", "breakpoints and levels", "curves"),),
        Handler.ROW,
        None,
        "Move every tracer of the row towards the level that its charge has on a curve.",
    ),
)

BY_MNEMONIC: dict[str, Instruction] = {i.mnemonic: i for i in ISA}
BY_OPCODE: dict[int, Instruction] = {i.opcode: i for i in ISA}
_SHIFT = {"a": 8, "b": 16, "c": 32}
_MASK = {"a": 0xFF, "b": 0xFFFF, "c": 0xFFFFFFFF}


class IsaError(ValueError):
    """A word or an operand that the ISA table does not allow."""


def encode(mnemonic: str, **operands: int) -> int:
    """Return the 64-bit word of one instruction; raise :class:`IsaError` for a bad operand."""
    instruction = BY_MNEMONIC.get(mnemonic)
    if instruction is None:
        raise IsaError(
            f"unknown instruction '{mnemonic}'; expected one of {', '.join(BY_MNEMONIC)}"
        )
    names = {f.name for f in instruction.fields}
    if set(operands) != names:
        raise IsaError(f"'{mnemonic}' takes the operands {sorted(names)}, got {sorted(operands)}")
    word = instruction.opcode
    for field in instruction.fields:
        low, high = field.range
        value = int(operands[field.name])
        if not low <= value <= high:
            raise IsaError(f"'{mnemonic}': {field.name} = {value} is outside {low}..{high}")
        word |= (value & _MASK[field.slot]) << _SHIFT[field.slot]
    return word


def decode(word: int) -> tuple[Instruction, dict[str, int]]:
    """Return the instruction and its operands; raise :class:`IsaError` for a word that encodes
    nothing.

    Slots that the instruction does not use must be zero, so that every legal word has one text
    form.
    """
    word = int(word)
    instruction = BY_OPCODE.get(word & 0xFF)
    if instruction is None:
        raise IsaError(f"word {word:#018x}: opcode {word & 0xFF} is not defined")
    operands: dict[str, int] = {}
    rest = word & ~0xFF
    for field in instruction.fields:
        value = (word >> _SHIFT[field.slot]) & _MASK[field.slot]
        rest &= ~(_MASK[field.slot] << _SHIFT[field.slot])
        if field.slot == "c" and value >> 31:
            value -= 1 << 32
        operands[field.name] = value
    if rest:
        raise IsaError(f"word {word:#018x}: '{instruction.mnemonic}' leaves unused bits set")
    return instruction, operands


def words(*instructions: tuple[str, dict[str, int]]) -> NDArray[np.uint64]:
    """Encode a sequence of (mnemonic, operands) into an array of words."""
    return np.array([encode(name, **operands) for name, operands in instructions], dtype=np.uint64)
