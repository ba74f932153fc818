"""The chips that elsac compiles for: one frozen dataclass, loaded from TOML.

A target file is flat. `inherits = "elsa-6x6"` (a preset, or a path beside the file) takes over
every key but `name` and `description`; what the file says itself wins. Units stand in the key
names. Source of the presets: ELSA paper (ISCA 2026, arXiv 2605.20802), Table III and the flit
format.
"""

import difflib
import hashlib
import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from elsac.targets.chip import ChipKeys
from elsac.targets.energy import EnergyKeys
from elsac.targets.timing import TimingKeys

_PRESETS = Path(__file__).parent
_OWN_KEYS = ("name", "description")  # never inherited


class TargetError(ValueError):
    """A target that does not exist, cannot be read or makes no sense; one line, with a remedy."""


@dataclass(frozen=True)
class Target(EnergyKeys, TimingKeys, ChipKeys):
    """One chip. Every instance is valid: the constructor raises :class:`TargetError` otherwise."""

    def __post_init__(self) -> None:
        for spec in fields(self):
            _check_value(self.name, spec.name, getattr(self, spec.name), spec.metadata)
        ternary = self.alphabet == "ternary"
        if ternary != (self.shift_rule == "none"):
            expected = "none" if ternary else "nearest or floor"
            raise TargetError(
                f"target '{self.name}': shift_rule = '{self.shift_rule}' does not go with "
                f"alphabet = '{self.alphabet}'; expected {expected}"
            )
        if ternary != (self.flit_exponent_bits == 0):
            raise TargetError(
                f"target '{self.name}': flit_exponent_bits = {self.flit_exponent_bits} does not go "
                f"with alphabet = '{self.alphabet}'; expected {'0' if ternary else '1 to 6'}"
            )
        if (self.memory == "pooled") != (self.pool_sram_bytes_per_pe > 0):
            expected = "above 0" if self.memory == "pooled" else "0"
            raise TargetError(
                f"target '{self.name}': pool_sram_bytes_per_pe = {self.pool_sram_bytes_per_pe} "
                f"does not go with memory = '{self.memory}'; expected {expected}"
            )
        if ternary and self.shift_adder_energy_percent:
            raise TargetError(
                f"target '{self.name}': shift_adder_energy_percent = "
                f"{self.shift_adder_energy_percent} does not go with alphabet = 'ternary'; "
                "expected 0"
            )
        if self.membrane_bits_min > self.membrane_bits_max:
            raise TargetError(
                f"target '{self.name}': membrane_bits_min = {self.membrane_bits_min} is above "
                f"membrane_bits_max = {self.membrane_bits_max}"
            )
        for side in ("width", "height"):
            mesh, chip = getattr(self, f"mesh_{side}"), getattr(self, f"chip_{side}")
            if mesh % chip and chip < mesh:
                raise TargetError(
                    f"target '{self.name}': chips of chip_{side} = {chip} do not divide "
                    f"mesh_{side} = {mesh}"
                )
        if self.cores > 1 << self.flit_destination_bits:
            raise TargetError(
                f"target '{self.name}': {self.flit_destination_bits} destination bits cannot name "
                f"{self.cores} cores; raise flit_destination_bits to "
                f"{(self.cores - 1).bit_length()} or make the mesh smaller"
            )
        if self.flit_bits % 8:
            raise TargetError(
                f"target '{self.name}': flit_bits = {self.flit_bits} is no multiple of 8"
            )
        header = (
            self.flit_destination_bits
            + self.flit_type_bits
            + self.flit_spine_bits
            + self.flit_check_bits
        )
        spike = self.flit_position_bits + self.flit_sign_bits + self.flit_exponent_bits
        if header + spike > self.flit_bits:
            raise TargetError(
                f"target '{self.name}': a flit of {self.flit_bits} bits has no room for its header "
                f"({header} bits) and one spike ({spike} bits); raise flit_bits"
            )

    @property
    def cores(self) -> int:
        """Cores on the mesh."""
        return self.mesh_width * self.mesh_height

    @property
    def spike_rule(self) -> str:
        """The alphabet in one word, as program headers say it: ternary, nearest or floor."""
        return "ternary" if self.alphabet == "ternary" else self.shift_rule

    @property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the canonical JSON of :meth:`to_dict`."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return every key and value, in JSON types; :meth:`from_dict` takes it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], where: str = "target") -> Self:
        """Build a target from all its keys; raise :class:`TargetError`, which names `where`."""
        known = [spec.name for spec in fields(cls)]
        for key in table:
            if key not in known:
                raise TargetError(f"{where}: unknown key '{key}'{_nearest(key, known)}")
        missing = [name for name in known if name not in table]
        if missing:
            raise TargetError(
                f"{where}: missing key{'s' * (len(missing) > 1)} {', '.join(missing)}; "
                'set them, or inherit them with inherits = "elsa-6x6"'
            )
        values = dict(table)
        for spec in fields(cls):
            value = values[spec.name]
            if spec.metadata["type"] is float and type(value) is int:
                values[spec.name] = float(value)  # TOML and JSON write 1.0 as 1
            _check_value(where, spec.name, values[spec.name], spec.metadata)
        return cls(**values)


def target_names() -> list[str]:
    """Return the names of the presets, sorted."""
    return sorted(path.stem for path in _PRESETS.glob("*.toml"))


def load_target(name_or_path: str | Path) -> Target:
    """Return a preset by its name, or the target in a TOML file.

    Anything with a folder in it or with the suffix `.toml` is a path. Raises :class:`TargetError`.
    """
    path = _locate(str(name_or_path), Path())
    return Target.from_dict(_read(path, ()), _where(path))


def _locate(reference: str, folder: Path) -> Path:
    if reference.endswith(".toml") or len(Path(reference).parts) > 1:
        return folder / reference
    names = target_names()
    if reference not in names:
        raise TargetError(
            f"unknown target '{reference}'{_nearest(reference, names)}; presets: "
            f"{', '.join(names)}; a file of your own ends in .toml"
        )
    return _PRESETS / f"{reference}.toml"


def _where(path: Path) -> str:
    return f"target '{path.stem}'" if path.parent == _PRESETS else str(path)


def _read(path: Path, heirs: tuple[Path, ...]) -> dict[str, Any]:
    """Return the keys of one file over those that it inherits; `heirs` are the files on the way."""
    where = _where(path)
    if path.resolve() in heirs:
        raise TargetError(f"{where}: inherits from itself; remove one `inherits`")
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise TargetError(f"{where}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise TargetError(f"{where}: not UTF-8 text at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        raise TargetError(f"{where}: not valid TOML: {error}") from None
    parent = table.pop("inherits", None)
    known = [spec.name for spec in fields(Target)]
    for key in table:
        if key not in known:
            raise TargetError(f"{where}: unknown key '{key}'{_nearest(key, known)}")
    inherited: dict[str, Any] = {}
    if parent is not None:
        if not isinstance(parent, str) or not parent or "\0" in parent:
            raise TargetError(f"{where}: inherits = {parent!r}; expected a preset or a path")
        inherited = _read(_locate(parent, path.parent), (*heirs, path.resolve()))
    for key in _OWN_KEYS:
        inherited.pop(key, None)
    return {"name": path.stem, "description": "", **inherited, **table}


def _check_value(where: str, key: str, value: object, rule: Mapping[str, Any]) -> None:
    expected: type = rule["type"]
    words = {str: "a text", int: "a whole number", float: "a number"}
    if type(value) is not expected:  # exactly: a bool is no number here
        raise TargetError(f"{where}: {key} = {value!r} is not {words[expected]}")
    if "choices" in rule and value not in rule["choices"]:
        raise TargetError(
            f"{where}: {key} = '{value}'; expected one of {', '.join(rule['choices'])}"
            f"{_nearest(str(value), rule['choices'])}"
        )
    if "range" in rule:
        low, high = rule["range"]
        if not (isinstance(value, int | float) and math.isfinite(value) and low <= value <= high):
            raise TargetError(f"{where}: {key} = {value} is outside {low}..{high}")


def _nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" or nothing."""
    close = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean '{close[0]}'?" if close else ""
