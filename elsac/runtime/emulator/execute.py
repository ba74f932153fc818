"""All instructions of the reference engine by their mnemonics."""

from collections.abc import Callable

from elsac.runtime.emulator import instructions as basic
from elsac.runtime.emulator import instructions_attention as attention
from elsac.runtime.isa import ISA

EXECUTE: dict[str, Callable[..., None]] = {
    "acc": basic.acc,
    "add": basic.add,
    "scat": basic.scat,
    "trace": basic.trace,
    "count": basic.count,
    "scount": basic.scount,
    "fire": basic.fire,
    "max": basic.maximum,
    "flow": basic.flow,
    "inject": basic.inject,
    "send": basic.send,
    "left": attention.left,
    "right": attention.right,
    "lcount": attention.lcount,
    "rcount": attention.rcount,
    "softmax": attention.softmax,
    "norm": attention.norm,
    "curve": attention.curve,
}
# `taps`, `next` and `end` are the control flow of `Interpreter.run`; `exit_reference.py` has the
# instructions of handlers on step.
assert set(EXECUTE) | {"taps", "next", "end", "report", "exit"} == {i.mnemonic for i in ISA}
