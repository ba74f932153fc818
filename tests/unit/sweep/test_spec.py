"""What a sweep may say, and what it may not."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elsac.sweep.errors import SweepError
from elsac.sweep.spec import read_spec, spec_of
from tests.unit.sweep.sweeps import SAMPLES, spec


def test_every_value_meets_every_other_in_the_order_of_the_file() -> None:
    found = list(spec(targets=["a", "b"], mapping={"seed": [1, 2, 3]}).everything())
    assert [(v["target"], v["mapping.seed"]) for v in found] == [
        *(("a", 1), ("a", 2), ("a", 3)),
        *(("b", 1), ("b", 2), ("b", 3)),
    ]
    assert all(v["timing.model"] == "pipeline" and v["exit.stable"] == "none" for v in found)


def test_columns_are_the_axes_by_groups_and_those_of_every_table() -> None:
    swept = spec(exit={"stable": 2}, mapping={"seed": 1}, target={"link_bits": 128, "clock_hz": 1})
    assert swept.columns == [
        *("target", "target.link_bits", "target.clock_hz", "mapping.seed", "timing.model"),
        *("timing.pattern", "timing.product", "exit.confidence", "exit.stable"),
    ]


def test_zips_go_together_and_excludes_leave_out() -> None:
    swept = spec(
        timing={"model": ["pipeline", "network"], "pattern": ["spine", "layer"]},
        zip=[{"target": {"mesh_width": [4, 6], "mesh_height": [5, 7]}}],
        exclude=[{"timing": {"model": "network", "pattern": ["layer", "none"]}}],
    )
    found = list(swept.everything())
    assert swept.size == 8
    assert len(found) == 6
    sides = {(v["target.mesh_width"], v["target.mesh_height"]) for v in found}
    assert sides == {(4, 5), (6, 7)}
    assert not [
        v for v in found if (v["timing.model"], v["timing.pattern"]) == ("network", "layer")
    ]


@given(st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=4, unique=True), max_size=4))
def test_the_size_is_the_product(lists: list[list[int]]) -> None:
    names = ("seed", "flit_bits", "effort")
    usable = [[8 + v for v in lists[0]]] if lists else []
    table = {name: values for name, values in zip(names[1:2], usable, strict=False)}
    swept = spec(mapping=table, exit={"stable": [1, *range(2, len(lists) + 2)]})
    everything = list(swept.everything())
    assert len(everything) == swept.size == math.prod([len(lists) + 1, *map(len, usable)])
    assert len({repr(values) for values in everything}) == len(everything)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"sampels": 3}, "unknown key 'sampels'; did you mean 'samples'?"),
    ({"mapping": {"placment": "snake"}}, "'mapping.placment'; did you mean 'placement'?"),
    ({"target": {"link_bit": 128}}, "'target.link_bit'; did you mean 'link_bits'?"),
    ({"target": {"name": "x"}}, "unknown key 'target.name'"),
    ({"target": {"zzz": 1}}, "`elsac targets elsa-6x6` lists the keys"),
    ({"target": ["elsa-6x6"]}, "chips are named by targets"),
    ({"targets": [3]}, "target = 3: expected the name of a target"),
    ({"timing": {"model": ["pipelin"]}}, "no model of time; did you mean 'pipeline'?"),
    ({"mapping": {"placement": "snak"}}, "'snak' is not one of anneal"),
    ({"mapping": {"effort": "high"}}, "expected a whole number, or 'default'"),
    ({"mapping": {"effort": True}}, "expected a whole number, or 'default'"),
    ({"mapping": {"flit_bits": 3}}, "flits of 3 bits"),
    ({"mapping": {"profile_sha256": "x"}}, "unknown key 'mapping.profile_sha256'"),
    ({"exit": {"confidence": [0.5, 1.5]}}, "exit.confidence = 1.5: expected a confidence above 0"),
    ({"exit": {"stable": 0}}, "expected a number of steps"),
    ({"exit": {"stable": []}}, "exit.stable is empty"),
    ({"mapping": {"seed": [1, 2, 1]}}, "mapping.seed: 1 stands there twice"),
    ({"samples": 0}, "samples = 0; expected a whole number"),
    ({"program": "p.bin"}, "expected one of network (an ONNX file) and program"),
    ({"zip": [{"mapping": {"seed": [1, 2], "flit_bits": [8]}}]}, "seed has 2, mapping.flit_bits"),
    ({"zip": [{"mapping": {"seed": [1]}}], "mapping": {"seed": 2}}, "mapping.seed is swept twice"),
    ({"zip": {"mapping": {"seed": [1]}}}, "zip is a list of tables; write [[zip]]"),
    ({"exclude": [{"mapping": {"seed": 2}}]}, "exclude 1: mapping.seed is not swept"),
    ({"exclude": [{}]}, "exclude 1: is empty"),
    ({"exclude": [{"timing": {"model": "pipeline"}}]}, "every configuration is excluded"),
    ({"mapping": {"seed": list(range(200)), "flit_bits": list(range(8, 700))}}, "at most 100,000"),
]


@pytest.mark.parametrize(("table", "why"), REFUSED, ids=[why for _, why in REFUSED])
def test_refusals_name_the_thing(table: dict[str, Any], why: str) -> None:
    with pytest.raises(SweepError) as error:
        spec(**table)
    assert why in str(error.value)
    assert str(error.value).startswith(str(SAMPLES / "sweep.toml"))
    assert "\n" not in str(error.value)


def test_a_program_has_its_mapping() -> None:
    with pytest.raises(SweepError, match="a compiled program has its mapping"):
        spec_of({"program": "p.bin", "input": "x.npz", "mapping": {"seed": 1}}, "s.toml")


def test_the_sample_is_one(tmp_path: Path) -> None:
    assert read_spec(SAMPLES / "sweep.toml").size >= 100
    (tmp_path / "s.toml").write_text("network = ")
    with pytest.raises(SweepError, match=r"s\.toml: not valid TOML"):
        read_spec(tmp_path / "s.toml")
