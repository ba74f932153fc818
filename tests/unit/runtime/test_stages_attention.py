"""Transformers as stages: products of activations, softmax, norms and curves."""

from typing import Any

import numpy as np
import pytest

from elsac.runtime.emulator import load_image, open_machine
from elsac.runtime.emulator.kernels import bare
from elsac.runtime.emulator.row_functions import norm_row, softmax_row
from elsac.runtime.emulator.stages import NoStages, plan_of
from elsac.runtime.emulator.stages import fields as at
from elsac.runtime.emulator.stages.memory import Memory
from elsac.runtime.emulator.stages.responding import ask
from elsac.runtime.packets import Baer
from tests.programs_attention import random_encoder, random_product
from tests.stages import ALPHABETS, CODINGS, check, run, same
from tests.tokens import Shape, Tokens, tiles

TOKENS, HEADS, WIDTH = 7, 3, 5
PART: Any = ask
ASK: Any = bare(PART.py_func)


def attention(
    alphabet: str = "ternary",
    coding: str = "bitplane",
    seed: int = 0,
    down: int = 1,
    across: int = 1,
    whole: bool = True,
    absent: Any = None,
    bounds: tuple[int, int] = (-7, 7),
    one: bool = False,
) -> Tokens:
    """Queries, keys and values of three inputs; a softmax, its product with the values, a linear
    layer with a curve, and a norm of the sum of layers.
    """
    b = Tokens(alphabet, seed)
    columns = HEADS * WIDTH
    x = [b.tokens(TOKENS, columns, *bounds, coding, tiles=across) for _ in range(3)]
    if one:
        x = [x[0]] * 3
    scores = Shape(HEADS, TOKENS, WIDTH, TOKENS, 1, 0, 1, 1)
    softmax = b.softmax(TOKENS, 0.05, 20, (17, 8), absent)
    cuts = tiles(scores.sums, down, 1)
    p = b.product(x[0], x[1], scores, softmax, 0, 15, cuts, whole=whole)
    mixed = Shape(HEADS, TOKENS, TOKENS, WIDTH, right_columns=1, out_columns=1)
    fire = b.stairs(columns, -8, 7, 40)
    cuts = tiles(mixed.sums, down, across)
    o = b.product(p, x[2], mixed, fire, -8, 7, cuts, whole=whole)
    curve = b.curve(70, -5, 9, 100, classes=2, one=one)
    y = b.behind([o], 70, curve, -5, 9, tiles((TOKENS, 70), 1, across))
    b.behind([o, x[0]], columns, b.norm(columns, -8, 7, 20), -8, 7, weights=False)
    b.read(o, "charge")
    b.read(y, "tracer")
    return b


def checked(builder: Any, seed: int, **options: Any) -> Any:
    return check(builder.program(), builder.samples(np.random.default_rng(seed)), **options)


@pytest.mark.parametrize("alphabet", ALPHABETS)
@pytest.mark.parametrize("coding", CODINGS)
def test_attention_in_every_alphabet_and_coding(alphabet: str, coding: str) -> None:
    for seed in range(3):
        outcome = checked(attention(alphabet, coding, seed), seed)
        assert outcome.stats.sops.sum() > 0
    checked(attention(alphabet, coding), 1, engine="interpreter")


@pytest.mark.parametrize("whole", [True, False])
def test_tiles_run_as_one(whole: bool) -> None:
    """Also where a tile begins within a head, and where it hears only what it needs."""
    for down, across in ((2, 1), (4, 2), (21, 4)):
        builder = attention(down=down, across=across, whole=whole)
        checked(builder, down)
        plan = plan_of(load_image(builder.program()))
        groups = [g for g in plan.groups if g.product is not None]
        assert len(groups) == 2
        assert len(groups[0].stages) == down


def test_both_factors_may_be_one_layer() -> None:
    checked(attention(one=True), 0)


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_frames_of_a_stream(alphabet: str) -> None:
    """Delivered tracers, levels and rows on their way outlive a sample."""
    builder = attention(alphabet, "spikes", down=2)
    program, rng = builder.program(), np.random.default_rng(3)
    frames = [builder.samples(rng) for _ in range(4)]
    one, other = load_image(program), load_image(program)
    fast = open_machine(one, frames[0], "fast")
    slow = open_machine(other, frames[0], "machine")
    for frame in frames:
        left = run(one, frame, "fast", machine=fast, max_steps=9)
        same(left, run(other, frame, "machine", machine=slow, max_steps=9))


def test_absent_keys() -> None:
    causal = np.triu(np.ones((TOKENS, TOKENS), int), 1)
    for absent in (causal, causal[:1], np.eye(1, TOKENS, 2, dtype=int)):
        checked(attention(absent=absent), 5)


def test_factors_of_a_whole_byte() -> None:
    """A right factor beyond signed bytes is kept less its middle."""
    for bounds in ((-127, 127), (-3, 250), (-250, 3)):
        checked(attention(bounds=bounds), 2)


def test_factors_of_more_than_a_byte_are_left_to_the_machine() -> None:
    program = attention(bounds=(-130, 130)).program()
    with pytest.raises(NoStages, match="more than a byte"):
        plan_of(load_image(program))


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_random_programs(alphabet: str) -> None:
    """Products in every layout, tiles of every cut."""
    ran = undecided = 0
    for seed in range(30):
        for make in (random_product, random_encoder):
            builder = make(seed, alphabet)
            program, inputs = builder.program(), builder.samples(np.random.default_rng(seed))
            expected = run(load_image(program), inputs, "machine")
            image = load_image(program)
            if any(entry["coding"] == "analog" for entry in program.bindings["inputs"]):
                continue
            plan_of(image)
            same(run(image, inputs, "fast"), expected)
            ran += 1
            undecided += int(expected.stats.undecided.sum())  # type: ignore[union-attr]
    assert ran > 30
    assert undecided > 0


# The quick way of a row, against the exact one.


def machine(builder: Tokens) -> tuple[Any, Memory, int]:
    """The plan, a memory, and the address of the line of the last stage."""
    plan = plan_of(load_image(builder.program()))
    return plan, Memory(plan), int(plan.line_of[-1])


def asked(plan: Any, memory: Memory, me: int, charges: Any) -> tuple[Any, bool]:
    """Aims of row 0, and whether a level of it is open."""
    memory.scratch[: len(charges)] = charges
    memory.doubts[:] = 0
    functions = (plan.ints, plan.floats, plan.exact, *memory.functions)
    open_level = ASK(plan.tables, functions, me, 0)
    first = int(plan.tables[me + at.AIMS])
    return memory.aims[first : first + len(charges)].tolist(), bool(open_level)


@pytest.mark.parametrize("fraction", [10, 13, 24, 40])
def test_quick_softmax(fraction: int) -> None:
    rng = np.random.default_rng(fraction)
    columns, hi = 70, 15
    b = Tokens()
    x = b.tokens(1, 4, -7, 7, "spikes")
    scale = (4369, 16)
    b.behind([x], columns, b.softmax(columns, 0.01, fraction, scale), 0, hi)
    plan, memory, me = machine(b)
    # Entries of few bits would be wrong too often.
    assert (plan.tables[plan.tables[me + at.FUNCTION] + at.QUICK] >= 0) == (fraction > 10)
    exps = np.array(b.tables["exponentials"])
    levels, doubts = np.zeros(columns, np.int64), 0
    for number in range(2000):
        charges = rng.integers(0, int(rng.choice([3, 300, 3000])), columns).astype(np.int32)
        numbers = (scale[0], scale[1], np.zeros(0, np.int8), -1, 0, hi)
        open_level = softmax_row(charges, 0, columns, exps, 0, len(exps), *numbers, levels, 0)
        aims, found = asked(plan, memory, me, charges)
        assert (aims, found) == (levels.tolist(), open_level), number
        doubts += open_level
    assert doubts < 2000
    assert doubts > 0 or fraction > 13


def test_quick_softmax_of_rounded_entries() -> None:
    """The quick table's entries are all rounded up, so that its sums are too large by thousands."""
    columns, hi, scale = 30000, 255, (16843009, 32)
    b = Tokens(packets=Baer(position=15))
    x = b.tokens(1, 4, -7, 7, "spikes")
    b.behind([x], columns, b.softmax(columns, 9.0, 31, scale), 0, hi)
    table = [1 << 31, (1 << 15) + 1, 33]
    b.tables["exponentials"][:] = table
    plan, memory, me = machine(b)
    assert plan.tables[plan.tables[me + at.FUNCTION] + at.QUICK] >= 0
    # One charge leads, so many are one behind: where is its level just above a tie?
    many = np.arange(1, columns)
    quotients = table[0] / (table[0] + many * table[1]) * 2.0 ** scale[1] / scale[0]
    above = np.argsort((quotients + 0.5) % 1)[:40].tolist()
    exps, levels = np.array(table), np.zeros(columns, np.int64)
    quick = {}
    for number in [*above, *range(0, columns - 1, 500)]:
        charges = np.full(columns, -3, np.int32)
        charges[0], charges[1 : 1 + many[number]] = 0, -1
        numbers = (scale[0], scale[1], np.zeros(0, np.int8), -1, 0, hi)
        open_level = softmax_row(charges, 0, columns, exps, 0, len(exps), *numbers, levels, 0)
        memory.levels[:] = -1
        assert asked(plan, memory, me, charges) == (levels.tolist(), open_level), many[number]
        quick[number] = memory.levels[0] == -1  # which the exact way would have written
    assert sum(quick.values()) > 50


@pytest.mark.parametrize("rms", [False, True])
@pytest.mark.parametrize("bent", [False, True])
def test_quick_norm(rms: bool, bent: bool) -> None:
    """Thresholds on a line take the quick way, others the exact one."""
    rng = np.random.default_rng(1)
    columns, lo, hi, fraction = 70, -8, 7, 16
    b = Tokens()
    x = b.tokens(1, columns, -7, 7, "spikes")
    b.behind([x], columns, b.norm(columns, lo, hi, fraction, rms, bent), lo, hi, weights=False)
    plan, memory, me = machine(b)
    assert (plan.tables[plan.tables[me + at.FUNCTION] + at.SLOPES] >= 0) == (not bent)
    entry = b.tables["norms"][0]
    thresholds, signs = np.array(b.tables["thresholds"]), np.array(b.tables["weights"], np.int32)
    levels, doubts = np.zeros(columns, np.int64), 0
    for number in range(2000):
        most = int(rng.choice([1, 5, 1000]))
        charges = rng.integers(-most, most + 1, columns).astype(np.int32)
        numbers = (signs, entry[1], lo, hi - lo, fraction, entry[6], entry[7], int(rms))
        open_level = norm_row(charges, 0, columns, thresholds, entry[0], *numbers, levels, 0)
        aims, found = asked(plan, memory, me, charges)
        assert (aims, found) == (levels.tolist(), open_level), number
        doubts += open_level
    assert 0 < doubts < 2000
