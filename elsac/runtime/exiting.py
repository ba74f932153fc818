"""Exits as a user asks for them: a confidence and a patience become the registers of a program.

A program without a decision, or with a host tail that makes something else of its logits than class
probabilities, is refused with the reason and what can be done.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from elsac.runtime.bindings import Host, RunError
from elsac.runtime.emulator import Registers
from elsac.runtime.emulator.exits import register_of
from elsac.runtime.isa import EXIT_RULES, LOGIT_FRACTION
from elsac.runtime.program import Program

SAME_CLASSES = frozenset(
    ("Identity", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Cast")
)
SOFTMAX = frozenset(("Softmax", "LogSoftmax", "ArgMax"))
"""Operators behind which softmax of the logits still is what the network says of its classes."""

SAME_ORDER = frozenset(("Sigmoid", "Tanh", "Exp"))
"""Operators behind which the greatest logit still is the greatest."""

_WITHOUT = "--max-steps N cuts a run without it"


@dataclass(frozen=True)
class Exit:
    """When an answer is good enough: confidence above 0 and below 1, and steps of the same class.

    With both, both are asked for.
    """

    confidence: float | None = None
    stable: int | None = None

    @property
    def text(self) -> str:
        """The same in words."""
        parts = []
        if self.confidence is not None:
            parts.append(f"confident to {self.confidence:g}")
        if self.stable is not None:
            parts.append(f"stable for {self.stable} step{'s' * (self.stable > 1)}")
        return " and ".join(parts)


def rule_of_program(program: Program) -> str | None:
    """Return the rule of a program's decision, None if it has none."""
    return EXIT_RULES[int(program.decisions["rule"][0])] if len(program.decisions) else None


def registers_for(program: Program, host: Host, exit: Exit) -> Registers:
    """Return what the exit unit is set to; raise :class:`RunError` if the program cannot exit."""
    if (why := obstacle(program, host, exit.confidence is not None)) is not None:
        raise RunError(f"the program cannot exit early: {why}")
    rule = rule_of_program(program)
    assert rule is not None
    try:
        level = None if exit.confidence is None else register_of(rule, exit.confidence)
        return Registers(level, exit.stable or 0)
    except ValueError as error:
        raise RunError(f"exit: {error}") from None


def obstacle(program: Program, host: Host, confidence: bool = True) -> str | None:
    """Return why a program has no confidence, or (if that is not asked for) no class to keep.

    None if it has.
    """
    rule = rule_of_program(program)
    if rule is None:
        return _why_none(host)
    if rule == "class" and (op := _odd_operator(program, host, confidence)) is not None:
        return (
            f"its logits go through {op} on the host, so that they are not those of class "
            f"probabilities; {_WITHOUT}"
        )
    return None


def _why_none(host: Host) -> str:
    """Say why the compiler has made no decision, as far as the bindings tell."""
    again = f"compile the network again, without --exit none; {_WITHOUT}"
    if len(host.values) != 1:
        return (
            f"{len(host.values)} tensors leave the chip, one with the logits is expected; {again}"
        )
    value = host.values[0]
    rows, columns = value.reading.size
    if rows != 1 or columns < 2:
        return (
            f"its answer '{value.name}' has {rows} rows of {columns}, not one of classes; compile "
            f"with --exit objectness for a detector, or {_WITHOUT}"
        )
    return f"it has no exit code; {again}"


def _odd_operator(program: Program, host: Host, confidence: bool) -> str | None:
    """Return an operator between the logits and the first output that changes what they mean."""
    fine = SAME_CLASSES | SOFTMAX | (frozenset() if confidence else SAME_ORDER)
    needed = {next(iter(host.outputs))} if host.outputs else set()
    for node in reversed(host.nodes):
        if needed.isdisjoint(node["outputs"]):
            continue
        plain = node["op"] == "DequantizeLinear" and _same_scale(program, host, node["inputs"])
        if node["op"] not in fine and not plain:
            return str(node["op"])
        needed |= set(_first(node["inputs"]))
        if node["op"] in SOFTMAX:
            fine = SAME_CLASSES  # a softmax of a softmax is another one
    return None if host.values[0].name in needed else "nothing that leads to the first output"


def _same_scale(program: Program, host: Host, names: list[str]) -> bool:
    """Return whether a DequantizeLinear has the scale with which the chip makes logits."""
    scale = host.arrays.get(names[1]) if len(names) > 1 else None
    if host.values[0].factor is not None or scale is None or scale.size != 1:
        return False
    entry = program.logits[0]
    unit = math.log2(math.e) * 2.0 ** (LOGIT_FRACTION + int(entry["shift"]))
    multiplier = float(program.scales[int(entry["scales"]), 0])
    return math.isclose(multiplier, float(scale.item()) * unit, rel_tol=1e-6)


def _first(names: Iterable[str]) -> list[str]:
    return list(names)[:1]
