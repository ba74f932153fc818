"""The engines against each other and against dense formulas, on random and on damaged programs."""

import copy
from ast import literal_eval
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsac.runtime.emulator import Fault, ImageError, Outcome, load_image, run_sample
from elsac.runtime.emulator.common import FAULTS
from elsac.runtime.isa import encode
from elsac.runtime.program import Program
from tests.programs import Builder, random_program

ALPHABETS = ("ternary", "floor", "nearest")
COMPILED = ("fast", "machine")
SEEDS = st.integers(0, 10**6)


def differences(left: Outcome | str, right: Outcome | str) -> list[str]:
    """Name everything in which two outcomes, or the texts of two faults, differ."""
    if isinstance(left, str) or isinstance(right, str):
        return [] if left == right else [f"{left!r} against {right!r}"]
    pairs = {f.name: (getattr(left, f.name), getattr(right, f.name)) for f in fields(Outcome)}
    state, stats = pairs.pop("state"), pairs.pop("stats")
    pairs["tracers"] = state[0].tracers(), state[1].tracers()
    pairs["membranes"] = state[0].membranes(), state[1].membranes()
    pairs |= {f.name: tuple(getattr(s, f.name) for s in stats) for f in fields(left.stats)}
    records = pairs.pop("records")
    if records[0].keys() != records[1].keys():
        return ["records"]
    pairs |= {str(key): (values, records[1][key]) for key, values in records[0].items()}
    return [name for name, (a, b) in pairs.items() if not np.array_equal(a, b)]


def attempt(program: Program, inputs: list[Any], engine: Any, **options: Any) -> Outcome | str:
    """Run a program that passes verification; return the outcome, or why there is none."""
    try:
        return run_sample(load_image(program), inputs, engine, record=True, **options)
    except Fault as fault:
        return str((fault.kind, fault.thread, fault.row, fault.column))
    except ImageError:
        raise
    except ValueError as error:  # the damaged source needs another input
        return str((str(error),))


@given(SEEDS, st.sampled_from(ALPHABETS), st.none() | SEEDS)
@settings(max_examples=60)
def test_engines_agree_and_end_in_the_dense_result(
    seed: int, alphabet: str, jitter: int | None
) -> None:
    builder = random_program(seed, alphabet)
    inputs = builder.samples(np.random.default_rng(seed))
    program = builder.program()
    reference = attempt(program, inputs, "interpreter", jitter=jitter)
    assert isinstance(reference, Outcome)
    assert reference.terminal
    for engine in COMPILED:
        assert not differences(attempt(program, inputs, engine, jitter=jitter), reference)
    # The order theorem: alphabet and arrival order change the way, not the end.
    np.testing.assert_array_equal(reference.tracers, builder.expected(inputs))


@given(SEEDS, st.sampled_from(ALPHABETS), st.integers(0, 6))
@settings(max_examples=30)
def test_engines_agree_at_every_cut(seed: int, alphabet: str, max_steps: int) -> None:
    builder = random_program(seed, alphabet)
    inputs = builder.samples(np.random.default_rng(seed))
    outcomes = [
        attempt(builder.program(), inputs, engine, max_steps=max_steps)
        for engine in ("interpreter", *COMPILED)
    ]
    for outcome in outcomes[1:]:
        assert not differences(outcomes[0], outcome)


@given(SEEDS, st.sampled_from(ALPHABETS), SEEDS)
@settings(max_examples=30)
def test_charge_is_conserved(seed: int, alphabet: str, jitter: int) -> None:
    """At every cut a readout holds its weights times the tracers that were delivered to it."""
    builder = random_program(seed, alphabet)
    program = builder.program()
    inputs = builder.samples(np.random.default_rng(seed))
    image = load_image(program)
    readout, source = builder.layers[-1], builder.layers[-2]
    index = int(program.ports[program.threads[readout.threads[0]]["first_port"]]["on_spikes"])
    segment = program.weight_segments[int(program.code[index + 1]) >> 32]
    size = int(segment["inputs"]) * readout.columns
    weights = program.weights[segment["offset"] :][:size].reshape(-1, readout.columns)
    outcome = run_sample(image, inputs, jitter=jitter, record=True)
    for step in range(outcome.steps):
        parts = {t: outcome.records["tracer", t][step] for t in source.threads}
        tracer = builder.whole(source, parts.__getitem__)
        charge = outcome.records["charge", readout.threads[0]][step]
        np.testing.assert_array_equal(charge, tracer @ weights)


def soften(program: Program, rng: np.random.Generator) -> None:
    """Change a value that verification can have no opinion on, or hardly any, in place."""
    kind = int(rng.integers(9))
    if kind == 0:
        _set(program.threads["membrane_bits"], rng, 3, 36, only_positive=True)
    elif kind == 1:
        _set(program.thresholds, rng, -60, 60)
    elif kind == 2:
        _set(program.weights, rng, -100, 100)
    elif kind == 3:
        _set(program.depends, rng, 0, 3)
    elif kind == 4:
        name = str(rng.choice(["pad_top", "pad_left", "stride_width", "dilation_height"]))
        _set(program.windows[name], rng, 0, 4)
    elif kind == 5:
        _set(program.ports["column_base"], rng, -3, 4)
    elif kind == 6:
        _set(program.ports[str(rng.choice(["first", "stop"]))], rng, 0, 9)
    elif kind == 7:
        _set(program.routes[str(rng.choice(["first_spine", "stop_spine"]))], rng, 0, 9)
    else:  # a firing instruction or `send` becomes another, where the thread may run it
        places = np.flatnonzero((program.code & np.uint64(0xFF)) >= 9)
        index = int(rng.choice(places))
        source = index < int(program.threads["on_row"][0]) + 2
        names = ["inject", "send"] if source else ["flow", "send"]
        program.code[index] = encode(str(rng.choice(names)))


def _set(
    array: Any, rng: np.random.Generator, low: int, high: int, only_positive: bool = False
) -> None:
    """Set one entry to something in low..high-1."""
    places = np.flatnonzero(array > 0) if only_positive else np.arange(len(array))
    if len(places):
        array[int(rng.choice(places))] = int(rng.integers(low, high))


def damage(program: Program, rng: np.random.Generator) -> None:
    """Change one field of one table, or one word, in place."""
    names = ["code", "code", "threads", "threads", "ports", "windows", "weight_segments"]
    names += ["constant_segments", "stairs", "maps", "weights", "thresholds", "depends"]
    names += ["map_targets", "map_indptr", "row_classes", "row_orders", "routes", "links"]
    table = getattr(program, str(rng.choice(names)))
    if not len(table):
        return
    index = int(rng.integers(len(table)))
    if table is program.code:
        table[index] = _damaged_word(int(table[index]), rng)
    else:
        if table.dtype.names:
            table = table[str(rng.choice(table.dtype.names))]
        elif table.ndim == 2:
            table = table[:, int(rng.integers(2))]
        info = np.iinfo(table.dtype)
        old = int(table[index])
        options = [old + 1, old - 1, 0, -old, old * 2, int(rng.integers(-9, 40))]
        options += [info.max, info.min] if rng.random() < 0.2 else []
        table[index] = np.clip(int(rng.choice(options)), info.min, info.max)


def _damaged_word(word: int, rng: np.random.Generator) -> int:
    kind = int(rng.integers(4))
    if kind == 0:
        return word ^ 1 << int(rng.integers(64))
    if kind == 1:  # another operand c
        return word & 0xFFFFFFFF | int(rng.integers(0, 6)) << 32
    if kind == 2:  # another shift
        return word & ~0xFF00 | int(rng.integers(0, 30)) << 8
    return word & ~0xFF | int(rng.integers(0, 16))  # another opcode


def damaged(builder: Builder, rng: np.random.Generator) -> Program:
    program = copy.deepcopy(builder.program())
    for _ in range(int(rng.integers(1, 3))):
        (damage if rng.random() < 0.4 else soften)(program, rng)
    return program


def refused(program: Program) -> str:
    """Return why verification refuses a program, or nothing."""
    try:
        load_image(program)
    except ImageError as error:
        return str(error)
    return ""


def test_engines_agree_on_damaged_programs() -> None:
    """What passes verification means the same to all engines; what does not is refused."""
    accepted = changed = 0
    refusals, faults = set(), set()
    total = 200
    for seed in range(total):
        rng = np.random.default_rng([seed, 3])
        builder = random_program(seed % 40, ALPHABETS[seed % 3], layers=3)
        inputs = builder.samples(rng)
        jitter = None if seed % 2 else seed
        program = damaged(builder, rng)
        options = {"max_steps": 25, "jitter": jitter}
        if refusal := refused(program):
            refusals.add(refusal)
            continue
        reference = attempt(program, inputs, "interpreter", **options)
        for engine in COMPILED:
            found = attempt(program, inputs, engine, **options)
            assert not differences(reference, found), (seed, engine)
        accepted += 1
        if isinstance(reference, str):
            faults.add(literal_eval(reference)[0])
        changed += bool(
            differences(reference, attempt(builder.program(), inputs, "fast", **options))
        )
    assert accepted > total // 2
    assert changed > accepted // 3
    assert faults >= set(FAULTS)
    assert not any("\n" in refusal for refusal in refusals)
    assert len(refusals) > 50


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_wide_membranes_run_alike(alphabet: str) -> None:
    """Membranes beyond 31 bits take the 64-bit machine."""
    builder = Builder(alphabet, 5)
    source = builder.source((3, 3), 4, -8, 7, "bitplane")
    layer = builder.conv(source, 6, shift=28, bits=45, lo=-4)
    builder.conv(layer, 2, 1, 1, 0, fires=False)
    inputs = builder.samples(np.random.default_rng(0))
    program = builder.program()
    assert not load_image(program).narrow
    outcome = attempt(program, inputs, "machine")
    assert isinstance(outcome, Outcome)
    for engine in ("interpreter", "fast"):
        assert not differences(outcome, attempt(program, inputs, engine))
    np.testing.assert_array_equal(outcome.tracers, builder.expected(inputs))
