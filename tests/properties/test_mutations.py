"""Programs that no compiler would write: whatever the loader accepts, all engines run alike."""

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np
import pytest

from elsac.runtime.emulator import (
    Fault,
    ImageError,
    Outcome,
    Registers,
    load_image,
    run_sample,
)
from elsac.runtime.isa import decode, encode
from elsac.runtime.program import NEVER, Program
from tests.programs import random_program
from tests.properties.support import Ints, chip_of, images_of, one_line

STEPS = 5
ACCEPTED = 200
BATCHES = 4

STRUCTURED = (
    *("threads", "ports", "windows", "weight_segments", "constant_segments", "stairs"),
    *("maps", "routes", "cores", "logits", "decisions"),
)
FLAT = (
    *("weights", "thresholds", "row_classes", "depends", "row_orders", "map_indptr"),
    *("map_targets", "links", "scales", "exps"),
)


@dataclass(frozen=True)
class Subject:
    """A program to mutate, with one sample for it."""

    program: Program
    rows: list[Ints]


@cache
def subjects() -> list[Subject]:
    """Small programs with every kind of instruction: compiled ones and others made by hand."""
    found = []
    for key, target in (
        ("softmax_tail", "elsa-6x6"),
        ("float_bias_mlp", "elsa-6x6"),
        ("two_convs_joined", "elsa-6x6-shift"),
        (3, "elsa-6x6-shift"),
        (7, "elsa-6x6-shift"),
    ):
        chip = chip_of(key, target)
        found.append(Subject(chip.program, chip.rows(images_of(key, 1))[0]))
    for seed, alphabet in ((3, "ternary"), (11, "floor"), (20, "nearest"), (31, "ternary")):
        builder = random_program(seed, alphabet)
        found.append(Subject(builder.program(), builder.samples(np.random.default_rng(seed))))
    return found


def near(rng: np.random.Generator, value: int) -> int:
    """Another value, mostly one that is close."""
    steps = (1, -1, 2, -2, 8, -8, 64)
    choices = [*(value + s for s in steps), -value, 2 * value, 0, 1, -1]
    return int(rng.choice([c for c in choices if c != value]))


def mutate(rng: np.random.Generator, program: Program) -> str:
    """Change one word or one number of a table; say what."""
    kind = rng.choice(["word", "word", "entry", "entry", "flat", "flat"])
    if kind == "word":
        index = int(rng.integers(len(program.code)))
        instruction, operands = decode(int(program.code[index]))
        if operands and rng.random() < 0.7:
            name = str(rng.choice(list(operands)))
            if name == "shift":
                operands[name] = int(rng.integers(0, 40))
            else:
                operands[name] = max(0, operands[name] + int(rng.choice([-2, -1, 1, 2])))
            program.code[index] = encode(instruction.mnemonic, **operands)
            return f"operand of {instruction.mnemonic}"
        program.code[index] = program.code[int(rng.integers(len(program.code)))]
        return f"word for {instruction.mnemonic}"
    if kind == "entry":
        tables = [name for name in STRUCTURED if len(getattr(program, name))]
        name = str(rng.choice(tables))
        table = getattr(program, name)
        column = str(rng.choice(table.dtype.names))
        index = int(rng.integers(len(table)))
        table[column][index] = near(rng, int(table[column][index]))
        return f"{name}.{column}"
    tables = [name for name in FLAT if len(getattr(program, name))]
    name = str(rng.choice(tables))
    flat = getattr(program, name).reshape(-1)
    index = int(rng.integers(len(flat)))
    flat[index] = near(rng, int(flat[index]))
    if name == "thresholds" and rng.random() < 0.3:
        flat[index] = rng.choice([NEVER, -NEVER, 0])
    if name == "weights" and rng.random() < 0.3:
        flat[index] = rng.integers(-(1 << 31), 1 << 31)
    return name


Result = Outcome | tuple[Any, ...]


def result(program: Program, rows: list[Ints], engine: Any, jitter: int | None) -> Result:
    """What a run ends with: an outcome, or what a fault says, or why inputs do not fit."""
    image = load_image(program)
    # Patience and a middling confidence: decisions are looked at in every step.
    exits = Registers(3 << 29, 1) if len(program.decisions) else None
    options: dict[str, Any] = {"max_steps": STEPS, "jitter": jitter, "record": True}
    try:
        return run_sample(image, rows, engine, **options, exits=exits)
    except Fault as fault:
        return "fault", fault.kind, fault.thread, fault.row, fault.column, str(fault)
    except ValueError as error:
        return "inputs", str(error)


def loads(program: Program) -> bool:
    """Whether the loader accepts a program; if not, it says why in one line."""
    try:
        load_image(program)
    except ImageError as error:
        one_line(error)
        return False
    return True


def plain(value: Any) -> Any:
    """Results as something that can be compared."""
    if isinstance(value, np.ndarray):
        return value.shape, value.tobytes()
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, Outcome):
        parts = {f.name: plain(getattr(value, f.name)) for f in fields(value) if f.name != "state"}
        return parts | {name: plain(getattr(value, name)) for name in ("tracers", "membranes")}
    if hasattr(value, "__dataclass_fields__"):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    return value


@pytest.mark.parametrize("batch", range(BATCHES))
def test_engines_agree_on_every_program_that_loads(batch: int) -> None:
    rng = np.random.default_rng(batch)
    accepted = changed = refused = 0
    kinds: Counter[str] = Counter()
    while accepted < ACCEPTED // BATCHES:
        subject = subjects()[int(rng.integers(len(subjects())))]
        program = deepcopy(subject.program)
        what = [mutate(rng, program) for _ in range(int(rng.integers(1, 3)))]
        jitter = int(rng.integers(1000)) if rng.random() < 0.3 else None
        if not loads(program):
            refused += 1
            continue
        fast = result(program, subject.rows, "fast", jitter)
        accepted += 1
        for engine in ("machine", "interpreter"):
            assert plain(fast) == plain(result(program, subject.rows, engine, jitter)), what
        before = result(subject.program, subject.rows, "fast", jitter)
        changed += plain(fast) != plain(before)
        kinds["outcome" if isinstance(fast, Outcome) else str(fast[:2])] += 1
    # The test looks at something: mutations matter, some even break the program's own rules.
    assert changed >= accepted / 3
    assert refused
    assert kinds["outcome"] > accepted / 3
    assert any(kind.startswith("('fault'") for kind in kinds), kinds
