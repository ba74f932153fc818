"""The networks, targets and options that the invariants are tried on, and how to look at a run."""

from collections.abc import Iterator

import pytest

from elsac.compiler import Options
from elsac.runtime.emulator import Outcome
from tests.properties.support import (
    NETWORKS,
    SHIFT,
    Chip,
    Ints,
    Key,
    images_of,
)

SMALL = [name for name in NETWORKS if name not in ("qoperator_cnn", "concat_upsample")]
"""Networks of 4 bits, whose runs are short enough to be looked at after each step."""

UNITS = Options(effort=0, coding="spikes")
FLOOR = Options(effort=0, shift_rule="floor")


def cases() -> Iterator[tuple[Key, str, Options]]:
    """Networks, each with a target and options; the 8-bit ones only where they take few steps."""
    for name in NETWORKS:
        yield name, SHIFT, FLOOR
        if name in SMALL:
            yield name, "elsa-6x6", UNITS


each_case = pytest.mark.parametrize(
    ("key", "target", "options"), list(cases()), ids=lambda v: v if isinstance(v, str) else ""
)


def one_sample(chip: Chip, key: Key, seed: int = 0) -> list[Ints]:
    return chip.rows(images_of(key, 1, seed))[0]


def states(chip: Chip, outcome: Outcome) -> tuple[list[Ints], dict[int, Ints]]:
    """The tracers of all threads, and the membranes of those that have some."""
    tracers = [chip.tracer(outcome, t) for t in range(len(chip.threads))]
    membranes = {
        t: chip.membrane(outcome, t) for t, e in enumerate(chip.threads) if e["membrane_bits"]
    }
    return tracers, membranes
