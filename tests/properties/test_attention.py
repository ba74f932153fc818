"""Products and functions of rows: the engines against each other and against dense formulas, on
random and on damaged programs.
"""

import copy
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsac.runtime.emulator import Outcome
from elsac.runtime.isa import decode, encode
from elsac.runtime.program import Program
from tests.programs_attention import AttentionBuilder, random_encoder, random_product
from tests.properties.test_engines import (
    ALPHABETS,
    COMPILED,
    SEEDS,
    attempt,
    damage,
    differences,
    refused,
)

NEW_TABLES = ("products", "softmaxes", "norms", "curves", "exponentials", "absent", "levels")


@pytest.mark.parametrize("make", [random_product, random_encoder])
@given(SEEDS, st.sampled_from(ALPHABETS), st.none() | SEEDS)
@settings(max_examples=40, deadline=None)
def test_engines_agree_and_end_in_the_dense_result(
    make: Callable[[int, str], AttentionBuilder], seed: int, alphabet: str, jitter: int | None
) -> None:
    builder = make(seed, alphabet)
    inputs = builder.samples(np.random.default_rng(seed))
    program = builder.program()
    reference = attempt(program, inputs, "interpreter", jitter=jitter)
    assert isinstance(reference, Outcome)
    assert reference.terminal
    for engine in COMPILED:
        assert not differences(attempt(program, inputs, engine, jitter=jitter), reference)
    # The order theorem holds for products as well: their sums end in those of the last tracers.
    np.testing.assert_array_equal(reference.tracers, builder.expected(inputs))


@given(SEEDS, st.sampled_from(ALPHABETS), st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_engines_agree_at_every_cut(seed: int, alphabet: str, max_steps: int) -> None:
    builder = random_encoder(seed, alphabet)
    inputs = builder.samples(np.random.default_rng(seed))
    first, *others = (
        attempt(builder.program(), inputs, engine, max_steps=max_steps)
        for engine in ("interpreter", *COMPILED)
    )
    assert not [differences(first, outcome) for outcome in others if differences(first, outcome)]


def hurt(program: Program, rng: np.random.Generator) -> None:
    """Change one number of a table of products or functions, or one operand, in place."""
    names = [name for name in NEW_TABLES if len(getattr(program, name))]
    if not names or rng.random() < 0.3:
        _other_operand(program, rng)
        return
    table = getattr(program, str(rng.choice(names)))
    if table.dtype.names:
        table = table[str(rng.choice(table.dtype.names))]
    index, info = int(rng.integers(len(table))), np.iinfo(table.dtype)
    old = int(table[index])
    new = int(rng.choice([old + 1, old - 1, 1 - old, 0, -old, 2 * old, info.max, info.min]))
    table[index] = min(max(new, info.min), info.max)


def _other_operand(program: Program, rng: np.random.Generator) -> None:
    names = ("left", "right", "lcount", "rcount", "softmax", "norm", "curve")
    words = [(at, *decode(int(word))) for at, word in enumerate(program.code)]
    places = [w for w in words if w[1].mnemonic in names]
    at, instruction, operands = places[int(rng.integers(len(places)))]
    swaps = {"left": "right", "right": "left", "lcount": "rcount", "rcount": "lcount"}
    name = swaps.get(instruction.mnemonic, "") if rng.random() < 0.3 else ""
    if not name:
        changed = str(rng.choice(list(operands)))
        operands[changed] = max(operands[changed] + int(rng.choice([-1, 1])), 0)
    program.code[at] = encode(name or instruction.mnemonic, **operands)


def test_engines_agree_on_damaged_programs() -> None:
    """What passes verification means the same to all engines; what does not is refused."""
    kinds: Counter[str] = Counter()
    total, changed = 200, 0
    for seed in range(total):
        rng = np.random.default_rng([seed, 5])
        make = random_encoder if seed % 4 else random_product
        builder = make(seed % 30, ALPHABETS[seed % 3])
        inputs = builder.samples(rng)
        program = copy.deepcopy(builder.program())
        for _ in range(int(rng.integers(1, 3))):
            (hurt if rng.random() < 0.7 else damage)(program, rng)
        if refusal := refused(program):
            assert "\n" not in refusal
            kinds["refused"] += 1
            continue
        jitter = None if seed % 2 else seed
        options = {"max_steps": 12, "jitter": jitter}
        reference = attempt(program, inputs, "interpreter", **options)
        for engine in COMPILED:
            found = attempt(program, inputs, engine, **options)
            assert not differences(reference, found), (seed, engine)
        kinds["outcome" if isinstance(reference, Outcome) else "fault"] += 1
        whole = attempt(builder.program(), inputs, "machine", **options)
        changed += bool(differences(reference, whole))
    assert kinds["outcome"] > total // 5
    assert kinds["refused"] > total // 5
    assert kinds["fault"]
    assert changed > kinds["outcome"] // 4
