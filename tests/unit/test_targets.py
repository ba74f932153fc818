import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from elsac.targets import Target, TargetError, load_target, target_names


def test_presets() -> None:
    assert target_names() == [
        "elsa-12x12",
        "elsa-16x16",
        "elsa-6x6",
        "elsa-6x6-shift",
        "elsa-8x8",
        "elsa-8x8-shift",
    ]
    for name in target_names():
        target = load_target(name)
        assert target.name == name
        assert target.description
        assert Target.from_dict(target.to_dict()) == target
        assert len(target.sha256) == 64
    assert len({load_target(n).sha256 for n in target_names()}) == len(target_names())


def test_table_3() -> None:
    target = load_target("elsa-6x6")
    assert target.cores == 36
    # 4-bit weights and 12-bit membranes of one PE, as the paper counts them
    assert target.weight_sram_bytes_per_pe * 8 // 4 == 204_800
    assert target.membrane_sram_bytes_per_pe * 8 // 12 == 204_800
    assert target.spike_rule == "ternary"
    assert load_target("elsa-6x6-shift").spike_rule == "nearest"


def test_inherits(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('inherits = "elsa-6x6"\nmesh_width = 3\nsupply_volts = 1\n')
    (tmp_path / "child.toml").write_text('inherits = "mine.toml"\nmesh_height = 2\n')
    child = load_target(tmp_path / "child.toml")
    assert (child.name, child.description) == ("child", "")
    assert (child.mesh_width, child.mesh_height, child.supply_volts) == (3, 2, 1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('inherits = "elsa-6x6"\nmesh_widht = 3', "did you mean 'mesh_width'?"),
        ('inherits = "elsa-6x7"', "unknown target 'elsa-6x7'; did you mean 'elsa-6x6'?"),
        ('inherits = "t.toml"', "inherits from itself"),
        ("inherits = 3", "expected a preset or a path"),
        ('inherits = "../no/where.toml"', "No such file"),
        ("mesh_width = 3", "missing keys"),
        ('inherits = "elsa-6x6"\nmesh_width = "3"', "is not a whole number"),
        ('inherits = "elsa-6x6"\nmesh_width = true', "is not a whole number"),
        ('inherits = "elsa-6x6"\nmesh_width = 0', "outside 1..256"),
        ('inherits = "elsa-6x6"\nmesh_width = 12', "cannot name 72 cores"),
        ('inherits = "elsa-6x6"\nmembrane_bits_max = 49', "outside 2..48"),
        ('inherits = "elsa-6x6"\nsupply_volts = nan', "outside 0.1..10.0"),
        ('inherits = "elsa-6x6"\nalphabet = "shft"', "did you mean 'shift'?"),
        ('inherits = "elsa-6x6"\nalphabet = "shift"', "expected nearest or floor"),
        ('inherits = "elsa-6x6"\nflit_exponent_bits = 2', "expected 0"),
        ('inherits = "elsa-6x6"\nflit_bits = 100', "no multiple of 8"),
        ('inherits = "elsa-6x6"\nflit_bits = 40', "no room"),
        ("mesh_width = = 3", "not valid TOML"),
        ("a = " + "[" * 5000, "not valid TOML"),
    ],
)
def test_refuses(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.toml").write_text(text)
    with pytest.raises(TargetError) as caught:
        load_target(tmp_path / "t.toml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_refuses_files(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="did you mean 'elsa-8x8'"):
        load_target("elsa-8x9")
    with pytest.raises(TargetError, match="No such file"):
        load_target("missing.toml")
    with pytest.raises(TargetError, match="cannot be read"):
        load_target(tmp_path)
    (tmp_path / "t.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(TargetError, match="not UTF-8 text at byte 0"):
        load_target(tmp_path / "t.toml")


def test_replace_is_checked() -> None:
    with pytest.raises(TargetError, match="shift_rule"):
        dataclasses.replace(load_target("elsa-6x6"), shift_rule="floor")


def test_imports_nothing_heavy() -> None:
    code = "import sys, elsac.targets; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
