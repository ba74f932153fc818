"""Energy and area: against sums by hand, and against figures of the published artifact."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from elsac.runtime.energy import (
    COMPONENTS,
    GROUPS,
    KINDS,
    EnergyError,
    Shapes,
    area,
    chip_area,
    energy,
    program_shapes,
    program_target,
)
from elsac.runtime.program import Program
from elsac.targets import Target, TargetError, load_target
from tests.programs import Builder

ELSA = load_target("elsa-6x6")
ARTIFACT = load_target("elsa-6x6-artifact")


def shapes(**changes: Any) -> Shapes:
    """One thread: 20 columns in each of 2 PEs, 64 rows, 100 rows of 4-bit weights."""
    usual: dict[str, Any] = {
        "columns": 20,
        "column_parts": 2,
        "row_parts": 1,
        "rows": 64,
        "weight_rows": 100,
        "weight_bits": 4,
        "membrane_bits": 16,
        "tracer_bits": 4,
        "reads_input": False,
        "share": 1.0,
        "core": 0,
        "layer": 0,
    }
    return Shapes.of(**usual | changes)


def dynamic(target: Target = ELSA, form: Shapes | None = None, **counts: float) -> dict[str, float]:
    """Items of one thread that are not 0, without leakage and loading."""
    made = energy(target, form or shapes(), counts, 0, loaded=False)
    assert not made.leakage.any()
    items = dict(zip(COMPONENTS, made.dynamic[0].tolist(), strict=True))
    return {name: value for name, value in items.items() if value}


def test_events_by_hand() -> None:
    # 20 columns of 4 bits are 2 words of 16 lanes; 20 membranes likewise; 20 of 128 adder trees.
    assert dynamic(batches=10) == pytest.approx({"membranes": 10 * 2 * (0.730 + 0.480)})
    assert dynamic(adds=10) == pytest.approx({"adders": 10 * 35.648 * 20 / 128})
    assert dynamic(batch_spikes=10) == pytest.approx({"weights": 10 * 2 * 0.256})
    assert dynamic(taps=10) == pytest.approx({"queues": 10 * (0.136 + 0.092)})
    # The im2col unit and the order controller serve both PEs at once.
    assert dynamic(input_spikes=10) == pytest.approx({"im2col": 10 / 2 * 0.13675})
    assert dynamic(fires=10) == pytest.approx(
        {
            "fire": 10 * 2.9185,
            "membranes": 10 * 2 * (0.730 + 0.480),
            "tracers": 10 * 2 * (0.256 + 0.170),
            "order": 10 / 2 * 0.06255,
            "arbiter": 10 * 0.167,
        }
    )
    assert dynamic(spines=10) == pytest.approx({"flit_generator": 10 * 2 * 1.145})
    assert dynamic(flits=10) == pytest.approx({"switch": 10 * (0.1166 + 1.633 + 0.0077785)})
    assert dynamic(flit_hops=30) == pytest.approx({"links": 10 * 38.9713})
    assert dynamic(local_flits=10) == pytest.approx({"local": 10 * (0.138525 + 14.684275 / 3)})
    assert dynamic(sops=10) == {}


def test_widths() -> None:
    # 20 columns of 8 bits are 160 bits, 3 words of 64; 12-bit membranes cost 12 of 16 bits.
    wide = shapes(weight_bits=8, membrane_bits=12, tracer_bits=3)
    assert dynamic(form=wide, batch_spikes=1)["weights"] == pytest.approx(3 * 0.256)
    fired = dynamic(form=wide, fires=1)
    assert fired["membranes"] == pytest.approx(2 * 12 / 16 * 1.21)
    assert fired["tracers"] == pytest.approx(1 * 0.426)  # 60 bits
    # 300 columns take three turns of the circuits, and switch all adder trees in each pass.
    long = shapes(columns=300)
    assert dynamic(form=long, fires=1)["fire"] == pytest.approx(3 * 2.9185)
    assert dynamic(form=long, adds=3) == pytest.approx({"adders": 3 * 35.648})
    none = shapes(columns=0, column_parts=1, share=0.0)
    assert dynamic(form=none, batches=5, adds=5, flits=1).keys() == {"switch"}


def test_loading_and_leakage() -> None:
    made = energy(ELSA, shapes(), {}, ELSA.clock_hz // 1000)  # one millisecond
    items = made.by_component()
    # 100 rows of weights and 64 of membranes and tracers, 2 words each, in each of two PEs.
    assert made.dynamic.sum() == pytest.approx(2 * 2 * (100 * 0.170 + 64 * (0.480 + 0.170)))
    # nW for a millisecond are pJ.
    assert items["weights"] == pytest.approx(2 * 2 * 2 * 91.121)  # 2 macros high, 2 wide, 2 PEs
    assert items["membranes"] == pytest.approx(2 * 2 * 261.494)
    assert items["tracers"] == pytest.approx(2 * 2 * 91.121)
    assert items["queues"] == pytest.approx(2 * 32 * 48.388)
    assert items["adders"] == pytest.approx(2 * 21888)
    assert items["im2col"] == pytest.approx(368.6)
    assert items["links"] == 0
    half = energy(ELSA, shapes(share=0.5), {}, ELSA.clock_hz // 1000).by_component()
    # Logic is shared with others on the core, macros are not.
    assert half["adders"] == pytest.approx(items["adders"] / 2)
    assert half["queues"] == pytest.approx(items["queues"] / 2)
    assert half["weights"] == items["weights"]
    twice = energy(ELSA, shapes(), {}, ELSA.clock_hz // 500)
    assert twice.leakage.sum() == pytest.approx(2 * made.leakage.sum())


@pytest.mark.parametrize(
    ("key", "value", "component", "before", "after"),
    [
        ("first_layer_adds", "free", "adders", 35.648 * 20 / 128, 0),
        ("switch_activity", "free", "switch", 1.7573785, 0),
        ("noc_energy_percent", 50.0, "links", 12.990433333, 12.990433333 / 2),
        ("noc_energy_percent", 50.0, "local", 5.033283333, 5.033283333 / 2),
        ("memory_technology", "edram", "weights", 2 * 0.256, 2 * 0.686),
    ],
)
def test_accounting(key: str, value: object, component: str, before: float, after: float) -> None:
    counts = dict.fromkeys(("adds", "flits", "flit_hops", "local_flits", "batch_spikes"), 1.0)
    changed = dataclasses.replace(ELSA, **{key: value})  # type: ignore[arg-type]
    form = shapes(reads_input=True)
    assert dynamic(ELSA, form, **counts)[component] == pytest.approx(before)
    assert dynamic(changed, form, **counts).get(component, 0) == pytest.approx(after)
    # Threads that read no input pay for their adds everywhere.
    assert dynamic(changed, shapes(), **counts)["adders"] == pytest.approx(35.648 * 20 / 128)


def test_leaking_macros() -> None:
    rows = dataclasses.replace(ELSA, leaking_macros="rows")
    made, less = (energy(t, shapes(columns=512), {}, 1000).by_component() for t in (ELSA, rows))
    for name in ("weights", "membranes", "tracers"):
        assert made[name] == pytest.approx(32 * less[name])
    assert made["adders"] == less["adders"]


def test_shifters() -> None:
    shift = load_target("elsa-6x6-shift")
    cost = [
        dynamic(dataclasses.replace(shift, shift_adder_energy_percent=p), adds=1)["adders"]
        for p in (0.0, 50.0, 100.0)
    ]
    assert cost == pytest.approx([35.648 * 20 / 128 * f for f in (1, 1.5, 2)])
    assert shift.shift_adder_energy_percent == 50


# layer1.0.conv1 of ResNet-18: N = 64 output channels, K = 576, M = 3136 rows, 16 steps. Published
# artifact, snapshot e06c382, calculateInfoConv_ResNet18_a4w4_with_Noc_1.pth.
CONV = {
    "batches": 4 * 159489,
    "adds": 4 * 159489,
    "batch_spikes": 4 * 2035894,
    "input_spikes": 4 * 232111,
    "taps": 4 * 2035894,
    "fires": 4 * 16 * 3136,
    "spines": 16 * 3136,
}
CONV_CYCLES = 251150
CONV_JOULES = {
    "adders": 2.95267536e-06,
    "fire": 6.05083128e-07,
    "queues": 1.86451302e-06,
    "im2col": 3.22040487e-08,
    "order": 3.21934143e-09,
    "arbiter": 3.37901913e-08,
    "flit_generator": 2.33454787e-07,
}
CONV_MM2 = {
    "membranes": 0.33238268,
    "tracers": 0.119270312,
    "weights": 0.021906792,
    "queues": 0.039866368,
    "adders": 0.135988,
    "fire": 0.01954968,
}


def published_conv() -> Shapes:
    return shapes(columns=16, column_parts=4, rows=3136, weight_rows=576)


def test_a_published_layer() -> None:
    made = energy(ARTIFACT, published_conv(), CONV, CONV_CYCLES)
    items = made.by_component()
    for name, joules in CONV_JOULES.items():
        assert items[name] == pytest.approx(joules * 1e12, rel=3e-4), name
    # The artifact books the loading of memories with the memories.
    memories = (2.08926644e-06 + 1.08516045e-06 + 1.10059722e-07) * 1e12
    ours = sum(items[name] for name in ("weights", "membranes", "tracers", "loading"))
    assert ours == pytest.approx(memories, rel=3e-4)
    assert made.total == pytest.approx(9.01075026e-06 * 1e12, rel=3e-4)


def test_the_area_of_a_published_layer() -> None:
    items = dict(zip(COMPONENTS, area(ARTIFACT, published_conv())[0].tolist(), strict=True))
    for name, mm2 in CONV_MM2.items():
        assert items[name] == pytest.approx(mm2, rel=1e-6), name


def test_chip_area() -> None:
    # 4000 macros and the logic of a core are 2.63 mm^2; the artifact says 2.71 (metrics script).
    artifact = sum(chip_area(ARTIFACT).values()) / 36
    assert artifact == pytest.approx(4 * (1000 * 608.522e-6 + 32 * 311.456e-6 + 0.04), abs=0.01)
    assert abs(artifact / 2.71 - 1) < 0.05
    # Three memories of Table III in macros of 512, 2048 and 512 bytes, and the same logic.
    paper = chip_area(ELSA)
    assert paper["weights"] == pytest.approx(144 * 200 * 608.522e-6)
    assert paper["membranes"] == pytest.approx(144 * 150 * 1695.83e-6)
    assert paper["adders"] == chip_area(ARTIFACT)["adders"] == pytest.approx(144 * 0.033997)
    dense = dataclasses.replace(ELSA, memory_technology="edram")
    assert sum(chip_area(dense).values()) < sum(paper.values())


def test_sums() -> None:
    form = shapes(columns=[20, 20, 40], core=[0, 3, 3], layer=[0, 1, 1])
    counts = np.arange(3 * len(KINDS)).reshape(3, len(KINDS))
    made = energy(ELSA, form, counts, [10, 20, 30], offset=True)
    items = made.picojoules
    assert made.total == pytest.approx(items.sum())
    np.testing.assert_allclose(made.by_layer(), [items[0], items[1] + items[2]])
    np.testing.assert_allclose(made.by_core()[[0, 3]], [items[0], items[1] + items[2]])
    assert not made.by_core()[[1, 2]].any()
    assert sum(made.by_component().values()) == pytest.approx(items.sum())
    assert sum(made.by_group().values()) == pytest.approx(items.sum())
    assert sorted(n for names in GROUPS.values() for n in names) == sorted(COMPONENTS)
    offset = energy(ARTIFACT, form, counts, 0, offset=True)
    assert offset.offset == pytest.approx(15.950907339734143e6)
    assert offset.total == pytest.approx(offset.picojoules.sum() + offset.offset)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"batchs": 1}, "unknown kind 'batchs'"),
        ({"batches": -1}, "a count is -1"),
        ({"batches": float("nan")}, "a count is nan"),
        (np.zeros((2, len(KINDS))), "counts of shape"),
    ],
)
def test_refuses_counts(counts: Any, message: str) -> None:
    with pytest.raises(EnergyError, match=message):
        energy(ELSA, shapes(), counts, 0)


def test_refuses_shapes() -> None:
    with pytest.raises(EnergyError, match="rows of a thread is -1; expected 0 or more"):
        shapes(rows=-1)


def program() -> Program:
    """An input and a convolution, on one core."""
    builder = Builder(seed=3)
    image = builder.source((4, 4), 2, -4, 3, "spikes")
    builder.conv(image, 20)
    return builder.program()


def test_shapes_of_a_program() -> None:
    made = program()
    form = program_shapes(ELSA, made)
    assert len(form) == len(made.threads)
    source = made.threads["input"] >= 0
    assert not form.share[source].any() and not form.columns[source].any()
    work = ~source
    # All threads of a core together leak like one core.
    assert form.share[work].sum() == pytest.approx(1)
    held = form.columns * form.column_parts
    assert (held[work] >= made.threads["columns"][work]).all()
    assert (form.rows * form.row_parts)[work].tolist() == made.threads["rows"][work].tolist()
    assert form.reads_input[work].all()
    assert (form.weight_rows[work] > 0).all() and (form.weight_bits[work] > 0).all()
    # A target may charge more membrane than was proved.
    assert (program_shapes(ARTIFACT, made).membrane_bits[work] >= 16).all()
    assert energy(ELSA, form, {"fires": 1}, 100).total > 0


def test_the_target_of_a_program() -> None:
    made = program()
    made.header["target"] = ELSA.to_dict()
    assert program_target(made) == ELSA
    del made.header["target"]["flit_hop_pj"]
    with pytest.raises(TargetError, match="program: target: missing key flit_hop_pj"):
        program_target(made)
    del made.header["target"]
    with pytest.raises(TargetError, match="has no target; compile again"):
        program_target(made)
