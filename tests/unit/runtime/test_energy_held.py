"""Energy of what threads hold besides plain weights: groups, copies, staircases, constants; of PEs
that are partly used, and of flits of other sizes.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elsac.runtime.energy import COMPONENTS, KINDS, area, energy, program_shapes
from elsac.runtime.isa import words
from elsac.runtime.program import Program
from tests.programs import Builder
from tests.unit.runtime.test_energy import ARTIFACT, ELSA, dynamic, shapes


def held_by(made: Program, **thread: int) -> dict[str, int]:
    """The shape of a program's last thread, which gets other entries in its table first."""
    for name, value in thread.items():
        made.threads[name][-1] = value
    form = program_shapes(ELSA, made)
    return {f.name: getattr(form, f.name)[-1].item() for f in dataclasses.fields(form)}


def grouped(groups: int, columns: int, **thread: int) -> dict[str, int]:
    builder = Builder(seed=3)
    builder.conv(builder.source((4, 4), 64, -4, 3, "spikes"), columns, groups=groups)
    return held_by(builder.program(), **thread)


def test_weights_of_groups() -> None:
    # 9 taps of 64 inputs at 8 bits, one output each: 8 rows fill a word, and one is read alone.
    form = grouped(64, 64)
    assert (form["weight_rows"], form["weight_columns"]) == (9 * 64 // 8, 1)
    # 4 PEs share the columns, and each has 16 of the inputs.
    form = grouped(64, 64, pe_columns=4)
    assert (form["weight_rows"], form["weight_columns"]) == (9 * 16 // 8, 1)
    # 4 groups of 16 outputs, 128 bits a row; a PE of 8 columns has half of one group's rows.
    form = grouped(4, 64)
    assert (form["weight_rows"], form["weight_columns"]) == (9 * 64, 16)
    form = grouped(4, 64, pe_columns=8)
    assert (form["weight_rows"], form["weight_columns"]) == (9 * 16, 8)
    # One group: every PE has its columns of all inputs.
    form = grouped(1, 64, pe_columns=4)
    assert (form["weight_rows"], form["weight_columns"]) == (9 * 64, 16)


def test_energy_of_groups() -> None:
    deep = shapes(columns=64, weight_columns=1, weight_bits=8)
    whole = shapes(columns=64, weight_bits=8)
    assert dynamic(form=deep, batch_spikes=10) == pytest.approx({"weights": 10 * 0.256})
    assert dynamic(form=whole, batch_spikes=10) == pytest.approx({"weights": 10 * 8 * 0.256})
    # 16 spikes at most hit 16 of the 128 adder trees; of 8 columns all are hit.
    assert dynamic(form=deep, adds=10) == pytest.approx({"adders": 10 * 35.648 * 16 / 128})
    few = shapes(columns=8, weight_columns=1)
    assert dynamic(form=few, adds=10) == pytest.approx({"adders": 10 * 35.648 * 8 / 128})
    # In 300 columns, a third of them in each of three turns.
    long = shapes(columns=300, weight_columns=1)
    assert dynamic(form=long, adds=3) == pytest.approx({"adders": 35.648 * 16 / 128})


@pytest.mark.parametrize(("parts", "used"), [([1], 1), ([1, 1], 2), ([2, 3], 4), ([4, 4], 4)])
def test_pes_of_partly_used_cores(parts: list[int], used: int) -> None:
    """Parts of threads take PEs of their own while there are any."""
    builder = Builder(seed=3)
    image = builder.source((4, 4), 2, -4, 3, "spikes")
    for _ in parts:
        builder.conv(image, 24)
    made = builder.program()
    made.threads["pe_columns"][1:] = parts
    form = program_shapes(ELSA, made)
    items = energy(ELSA, form, {}, ELSA.clock_hz // 1000).by_component()
    assert items["adders"] == pytest.approx(used * 21888)
    assert items["fire"] == pytest.approx(used * 3848)
    assert items["flit_generator"] == pytest.approx(used * 726.4)
    assert items["queues"] == pytest.approx(used * 32 * 48.388)
    assert items["im2col"] == pytest.approx(368.6)
    space = dict(zip(COMPONENTS, area(ELSA, form).sum(0).tolist(), strict=True))
    assert space["adders"] == pytest.approx(used * 0.033997)
    assert space["queues"] == pytest.approx(used * 32 * 0.000311456)
    assert space["im2col"] == pytest.approx(0.000487494)


def test_copies_of_tracers() -> None:
    builder = Builder(seed=3)
    builder.maxpool(builder.source((16, 16), 20, -4, 3, "spikes"), kernel=3, stride=2, pad=1)
    made = builder.program()
    form = program_shapes(ELSA, made)
    assert form.membrane_bits[-1] == 0 and form.trace_rows.tolist() == [0, 256]
    # 64 rows of its own and 256 of the input, 20 columns of 3 bits: one word each.
    items = energy(ELSA, form, {}, ELSA.clock_hz // 1000)
    assert items.dynamic.sum() == pytest.approx(320 * 0.170)
    assert items.by_component()["tracers"] == pytest.approx(5 * 91.121)
    assert area(ELSA, form)[:, COMPONENTS.index("tracers")].sum() == pytest.approx(5 * 0.000608522)
    visits = energy(ELSA, form, {"batches": [0, 10]}, 0, loaded=False).by_component()
    assert visits["tracers"] == pytest.approx(10 * 0.426) and not visits["membranes"]
    # A PE with 2 of 8 lines reaches 5 lines of the input.
    assert held_by(made, pe_rows=16)["trace_rows"] == 5 * 16


def test_staircases() -> None:
    builder = Builder(seed=3)
    image = builder.source((4, 4), 2, -4, 3, "spikes")
    builder.conv(image, 20, hi=7, bits=24, classes=3)
    form = held_by(builder.program())
    assert (form["stair_classes"], form["stair_bits"]) == (3, 2 * 24 + 7)
    # 3 classes of 55 bits fill 11 rows of 16 bits behind 64 rows of membranes: 2 macros, not 1.
    plain, stairs = shapes(), shapes(stair_classes=3, stair_bits=55)
    second = ELSA.clock_hz // 1000
    with_, without = (energy(ELSA, s, {}, second) for s in (stairs, plain))
    more = {k: v - without.by_component()[k] for k, v in with_.by_component().items()}
    assert more.pop("membranes") == pytest.approx(2 * 2 * 261.494)
    assert more.pop("loading") == pytest.approx(2 * 2 * 11 * 0.480)
    assert not any(more.values())
    grown = area(ELSA, stairs).sum() - area(ELSA, plain).sum()
    assert grown == pytest.approx(2 * 2 * 0.00169583)
    # Circuits keep the thresholds of their columns from row to row.
    assert dynamic(form=stairs, fires=10) == dynamic(fires=10)


def test_constants() -> None:
    builder = Builder(seed=3)
    image = builder.source((4, 4), 20, -4, 3, "spikes")
    builder.total([image, image])
    made = builder.program()
    form = program_shapes(ELSA, made)
    # Two ports with 20 constants of 8 bits: 3 words each.
    assert (form.weight_rows[-1], form.constant_bits[-1]) == (2, 8)
    cost = energy(ELSA, form, {"batches": [0, 10]}, 0, loaded=False).by_component()
    assert cost["weights"] == pytest.approx(10 * 3 * 0.256)
    leak = energy(ELSA, form, {}, ELSA.clock_hz // 1000, loaded=False).by_component()
    assert leak["weights"] == pytest.approx(3 * 91.121)
    # Next to weights their batches cannot be told apart.
    made.ports["on_spikes"][-1] = program_with_weights(made)
    mixed = held_by(made)
    assert mixed["constant_bits"] == 0 and mixed["weight_bits"] == 4
    assert mixed["weight_rows"] == 20 + 2  # 80 bits and 160 bits: 2 words and 3, which fill 2 rows


def program_with_weights(made: Program) -> int:
    """Append a handler that adds a row of 4-bit weights for each of 20 inputs; return its word."""
    segment = np.array([(0, 1, 0, 20, 20, 20, 4)], made.weight_segments.dtype)
    made.weight_segments = np.concatenate([made.weight_segments, segment])
    number = len(made.weight_segments) - 1
    handler = words(("acc", {"weights": number, "shift": 0}), ("end", {}))
    made.code = np.concatenate([made.code, handler])
    return len(made.code) - len(handler)


def test_accumulators_cost_no_adds() -> None:
    """As `docs/targets.md` says: they leak, and no more."""
    form = shapes(reads_input=True)
    keys = ("accumulator_pj", "accumulator_mm2", "accumulator_leak_nw")
    for key in keys:
        changed: dict[str, Any] = {key: 100.0}
        other = dataclasses.replace(ARTIFACT, **changed)
        same = (
            energy(other, form, {"adds": 9}, 9).total
            == energy(ARTIFACT, form, {"adds": 9}, 9).total
        )
        assert same == (key != "accumulator_leak_nw")
        assert area(other, form).sum() == area(ARTIFACT, form).sum()
    page = (Path(__file__).parents[3] / "docs" / "targets.md").read_text().splitlines()
    for key in keys[:2]:
        assert "recorded, but" in next(line for line in page if line.startswith(f"| `{key}`"))


@pytest.mark.parametrize("bits", [128, 256, 512])
def test_flits_of_other_sizes(bits: int) -> None:
    target = dataclasses.replace(ELSA, flit_bits=bits)
    cost = dynamic(target, flit_hops=3, local_flits=2)
    assert cost["links"] == pytest.approx(38.9713 * bits / 256)
    assert cost["local"] == pytest.approx(2 * 5.033283333 * bits / 256)


def test_linear_in_counts_and_cycles() -> None:
    """Meters find the factors once."""
    form = shapes(
        columns=64, weight_columns=[1, 64, 64], membrane_bits=[12, 12, 0], trace_rows=[0, 0, 9]
    )
    form = dataclasses.replace(form, constant_bits=np.array([0, 5, 0]), stair_bits=form.columns)
    counts = np.arange(3 * len(KINDS)).reshape(3, len(KINDS))
    none = energy(ELSA, form, {}, 0).total
    once, thrice = (energy(ELSA, form, n * counts, n * 100).total for n in (1, 3))
    assert thrice - none == pytest.approx(3 * (once - none))
