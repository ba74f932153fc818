"""Configurations share programs and timings as far as nothing that they read differs."""

from typing import Any

import pytest

from elsac.sweep.errors import SweepError
from elsac.sweep.plan import plan_of
from elsac.sweep.reads import compiler_keys, timing_keys
from tests.unit.sweep.sweeps import plan, spec

SHARED: list[tuple[dict[str, Any], tuple[int, int, int]]] = [
    ({"exit": {"confidence": ["none", 0.5, 0.9], "stable": ["none", 2]}}, (6, 1, 1)),
    ({"target": {"memory_technology": ["sram", "edram"], "fire_pj": [1, 2.5]}}, (4, 1, 1)),
    ({"target": {"clock_hz": [100_000_000, 200_000_000]}}, (2, 1, 1)),
    ({"target": {"router_cycles": [1, 2, 8]}}, (3, 1, 3)),
    ({"target": {"link_bits": [128, 512]}}, (2, 2, 2)),
    ({"timing": {"pattern": ["spine", "layer"], "product": ["outer", "inner"]}}, (4, 1, 4)),
    ({"mapping": {"placement": ["snake", "hilbert"]}, "timing": {"model": ["pipeline", "network"]}},
     (4, 2, 4)),
    ({"mapping": {"placement": ["default", "snake"], "routing": ["default", "xy"]}}, (4, 1, 1)),
    ({"targets": ["elsa-6x6", "elsa-6x6-shift"], "target": {"fire_pj": [1, 2]}}, (4, 2, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("table", "counts"), SHARED, ids=[str(t) for t, _ in SHARED])
def test_counts(table: dict[str, Any], counts: tuple[int, int, int]) -> None:
    found = plan(**table)
    assert (len(found.values), len(found.programs), len(found.timings)) == counts
    rows = [row.number for timed in found.timings.values() for row in timed.rows]
    assert sorted(rows) == list(range(counts[0]))
    assert not found.refused


def test_sharing_follows_what_is_read() -> None:
    for key in ("fire_cycles", "virtual_channels", "offset_uj", "weight_sram_bytes_per_pe"):
        here = plan(target={key: [2, 3]})
        assert len(here.programs) == 1 + (key in compiler_keys())
        assert len(here.timings) == 1 + (key in compiler_keys() | timing_keys())


def test_what_cannot_be_has_a_line_and_no_work() -> None:
    found = plan(
        targets=["elsa-6x6", "elsa-6x6-shift"],
        mapping={"shift_rule": ["default", "floor"]},
        timing={"model": ["pipeline", "network"], "pattern": ["spine", "layer"]},
    )
    assert len(found.values) == 16
    said = set(found.refused.values())
    assert len(said) == 2
    assert any("the model 'network' has no pattern 'layer'" in why for why in said)
    assert any("target 'elsa-6x6' has ternary spikes" in why for why in said)
    assert len(found.refused) == 7
    rows = {row.number for timed in found.timings.values() for row in timed.rows}
    assert rows == set(range(16)) - set(found.refused)


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"target": {"link_bits": [128, 0]}}, "target.link_bits = 0: .*outside"),
        ({"target": {"packet": "bear"}}, "did you mean 'baer'"),
        ({"target": {"mesh_width": [6, 1.5]}}, "mesh_width = 1.5 is not a whole number"),
        ({"targets": ["elsa-6x6", "elsa-7x7"]}, "unknown target 'elsa-7x7'"),
        ({"targets": ["elsa-6x6", "no.toml"]}, "cannot be read"),
        ({"mapping": {"shift_rule": ["default", "floor"]}}, "needs a shift target"),
    ],
)
def test_a_value_that_nothing_can_have_is_refused(table: dict[str, Any], why: str) -> None:
    with pytest.raises(SweepError, match=why):
        plan_of(spec(**table))
