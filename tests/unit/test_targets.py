"""The presets, the rules of targets, and the page that documents them."""

import dataclasses
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from elsac.targets import Target, TargetError, load_target, target_names

PAGE = Path(__file__).parents[2] / "docs" / "targets.md"
KEYS = [spec.name for spec in dataclasses.fields(Target)]


def test_presets() -> None:
    assert target_names() == [
        "elsa-12x12",
        "elsa-16x16",
        "elsa-2x6x6",
        "elsa-6x6",
        "elsa-6x6-artifact",
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
    assert target.ejection_fifo_bytes_per_core == 4 * 512
    assert (target.memory, target.circuit_sharing) == ("split", "time")
    assert target.spike_rule == "ternary"
    assert load_target("elsa-6x6-shift").spike_rule == "nearest"


def differing(name: str) -> dict[str, Any]:
    """What a preset changes of the published chip."""
    base, target = load_target("elsa-6x6").to_dict(), load_target(name).to_dict()
    own = ("name", "description")
    return {key: v for key, v in target.items() if v != base[key] and key not in own}


def test_artifact_preset() -> None:
    """4000 macros of 64 x 16 x 4 bits in a core of 4 PEs, in one pool; 16-bit membranes; its cycles
    and its accounting.
    """
    assert differing("elsa-6x6-artifact") == {
        "memory": "pooled",
        "pool_sram_bytes_per_pe": 4000 * 64 * 16 * 4 // 8 // 4,
        "membrane_bits_min": 16,
        "fire_cycles": 0,
        "skip_quiet_rows": 0,
        "softmax_cycles": 14,
        "norm_cycles": 20,
        "router_cycles": 8,
        "receive_buffer_bytes_per_core": 0,
        "membrane_column_accesses": 16,
        "first_layer_adds": "free",
        "switch_activity": "free",
        "leaking_macros": "rows",
        "noc_energy_percent": 50.0,
        "offset_uj": 15.950907339734143,
    }
    # As many bytes as the three memories of Table III have.
    paper = load_target("elsa-6x6")
    assert load_target("elsa-6x6-artifact").pool_sram_bytes_per_pe == (
        paper.weight_sram_bytes_per_pe
        + paper.membrane_sram_bytes_per_pe
        + paper.tracer_sram_bytes_per_pe
    )


def test_two_chips_preset() -> None:
    two = load_target("elsa-2x6x6")
    assert two.cores == 2 * load_target("elsa-6x6").cores
    assert (two.mesh_width // two.chip_width, two.mesh_height // two.chip_height) == (2, 1)
    assert differing("elsa-2x6x6") == {
        "mesh_width": 12,
        "chip_width": 6,
        "chip_height": 6,
        "chip_link_hops": 10,
        "flit_destination_bits": 7,
    }


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
        ('inherits = "elsa-6x6"\nfire_pj = -1', "outside 0.0..1000000.0"),
        ('inherits = "elsa-6x6"\nmemory_technology = "dram"', "did you mean 'edram'"),
        ('inherits = "elsa-6x6"\nshift_adder_energy_percent = 5', "'ternary'; expected 0"),
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


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('circuit_sharing = "turns"', "circuit_sharing = 'turns'; expected one of time, space"),
        (
            'memory = "pool"',
            "memory = 'pool'; expected one of split, pooled; did you mean 'pooled'?",
        ),
        ("memory = 1", "memory = 1 is not a text"),
        # A pool has a size, and there is none beside three memories.
        (
            'memory = "pooled"',
            "pool_sram_bytes_per_pe = 0 does not go with memory = 'pooled'; expected above 0",
        ),
        (
            "pool_sram_bytes_per_pe = 512000",
            "pool_sram_bytes_per_pe = 512000 does not go with memory = 'split'; expected 0",
        ),
        ("pool_sram_bytes_per_pe = -1", "pool_sram_bytes_per_pe = -1 is outside 0..1099511627776"),
        # A membrane is not charged more than it may have.
        (
            "membrane_bits_min = 16\nmembrane_bits_max = 12",
            "membrane_bits_min = 16 is above membrane_bits_max = 12",
        ),
        ("membrane_bits_min = 49", "membrane_bits_min = 49 is outside 0..48"),
        # Chips are whole.
        ("chip_width = 4", "chips of chip_width = 4 do not divide mesh_width = 6"),
        ("chip_height = 5", "chips of chip_height = 5 do not divide mesh_height = 6"),
        ("chip_width = 0", "chip_width = 0 is outside 1..256"),
        ("chip_height = 257", "chip_height = 257 is outside 1..256"),
        ("chip_link_hops = 0", "chip_link_hops = 0 is outside 1..1000"),
        ("chip_link_hops = 2.5", "chip_link_hops = 2.5 is not a whole number"),
        ("virtual_channels = 0", "virtual_channels = 0 is outside 1..64"),
        ("virtual_channels = 65", "virtual_channels = 65 is outside 1..64"),
        (
            "ejection_fifo_bytes_per_core = 0",
            "ejection_fifo_bytes_per_core = 0 is outside 1..1073741824",
        ),
    ],
)
def test_keys_of_memory_and_mesh_are_checked(tmp_path: Path, keys: str, message: str) -> None:
    """The whole message follows the file's name, or the target's where keys disagree."""
    path = tmp_path / "t.toml"
    path.write_text(f'inherits = "elsa-6x6"\n{keys}\n')
    with pytest.raises(TargetError) as caught:
        load_target(path)
    assert str(caught.value) in (f"{path}: {message}", f"target 't': {message}")


@pytest.mark.parametrize(
    "keys",
    [
        {"circuit_sharing": "space"},
        {"memory": "pooled", "pool_sram_bytes_per_pe": 1},
        {"membrane_bits_min": 12, "membrane_bits_max": 12},
        {"chip_width": 2, "chip_height": 3, "chip_link_hops": 1000},
        {"chip_width": 6, "chip_height": 6},
        # A chip may be larger than the mesh, which then is one chip.
        {"chip_width": 7, "chip_height": 256},
        {"virtual_channels": 64, "ejection_fifo_bytes_per_core": 1},
    ],
)
def test_keys_of_memory_and_mesh_that_go_together(keys: Mapping[str, Any]) -> None:
    target = dataclasses.replace(load_target("elsa-6x6"), **keys)
    assert keys.items() <= target.to_dict().items()
    assert target.sha256 != load_target("elsa-6x6").sha256


def test_targets_from_before_the_keys_of_time_and_energy() -> None:
    """Programs hold their whole target: an old one is refused in one line that says why."""
    old = load_target("elsa-6x6").to_dict()
    del old["router_cycles"], old["fire_pj"]
    with pytest.raises(TargetError, match="old: missing keys router_cycles, fire_pj; set them"):
        Target.from_dict(old, "old")


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


# The page: its tables say what the code says.


def table(heading: str) -> list[list[str]]:
    """The cells of the rows of the one table under a heading of the page."""
    (section,) = (s for s in PAGE.read_text("utf-8").split("\n## ") if s.startswith(heading))
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def number(value: float) -> str:
    """A number as the page writes it."""
    if isinstance(value, int) and value >= 1 << 20 and value & (value - 1) == 0:
        return f"2^{value.bit_length() - 1}"
    return f"{value:,}"


def values(rule: Mapping[str, Any]) -> str:
    """What a key may be, as the page writes it."""
    if "choices" in rule:
        return ", ".join(f"`{choice}`" for choice in rule["choices"])
    if "range" in rule:
        low, high = rule["range"]
        return number(low) if low == high else f"{number(low)} to {number(high)}"
    return "text"


def test_every_key_is_documented() -> None:
    published = load_target("elsa-6x6")
    rows = table("Keys")
    assert [row[0] for row in rows] == [f"`{key}`" for key in KEYS]
    for spec, (_, unit, allowed, value, meaning, source) in zip(
        dataclasses.fields(Target), rows, strict=True
    ):
        here = getattr(published, spec.name)
        shown = f"`{here}`" if isinstance(here, str) else number(here)
        assert allowed == values(spec.metadata), spec.name
        assert value == ("-" if spec.name == "description" else shown), spec.name
        assert bool(unit) == (spec.metadata["type"] is not str), spec.name
        assert meaning and source, spec.name


def test_every_preset_is_documented() -> None:
    def shown(value: object) -> str:
        return f'"{value}"' if isinstance(value, str) else f"{value}"

    assert table("Presets") == [
        [
            f"`{name}`",
            ", ".join(f"`{key} = {shown(v)}`" for key, v in differing(name).items()) or "-",
            load_target(name).description,
        ]
        for name in target_names()
    ]


def test_the_example_of_the_page_is_a_target(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (tmp_path / "mine.toml").write_text(text)
    mine = load_target(tmp_path / "mine.toml")
    assert (mine.cores, mine.flit_bits) == (16, 128)
    assert mine.weight_sram_bytes_per_pe == 2 * load_target("elsa-6x6").weight_sram_bytes_per_pe
