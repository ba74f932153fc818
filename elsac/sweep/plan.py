"""What has to be done for a sweep: each program once, each timing once, and the rows of each."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from elsac.compiler import Options, pipeline, portable
from elsac.context import CompileError
from elsac.runtime.energy import program_target
from elsac.runtime.meter import check_target
from elsac.runtime.program import Program
from elsac.runtime.timing.models import TimingError, check_options
from elsac.sweep.axes import DEFAULT, NONE, TARGET
from elsac.sweep.errors import SweepError
from elsac.sweep.reads import compiler_keys, timing_keys
from elsac.sweep.spec import Spec, Values
from elsac.targets import Target, TargetError, load_target


@dataclass(frozen=True)
class Row:
    """A line of the table that comes from a timing."""

    number: int
    """From 0 on, in the order of the table."""
    target: dict[str, Any]
    """The chip whose energies and areas count."""
    confidence: float | None
    stable: int | None

    @property
    def exits(self) -> bool:
        """Whether answers may end early."""
        return self.confidence is not None or self.stable is not None


@dataclass(frozen=True)
class Timed:
    """A timing of a program, which serves all rows that differ in energies and exits alone."""

    key: str
    program: str
    """Key of a :class:`Built`."""
    target: dict[str, Any]
    """The chip whose cycles count: that of the first row."""
    model: str
    pattern: str
    product: str
    rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Built:
    """A program that is compiled, and run, once."""

    key: str
    target: dict[str, Any]
    options: dict[str, Any]
    """Of :class:`elsac.compiler.Options`; empty if the program is given."""


@dataclass
class Plan:
    """All of it; `values` and `refused` say what a row is, and why it has no figures."""

    spec: Spec
    values: list[Values] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    """Number of a configuration that cannot be -> why, in a line."""
    programs: dict[str, Built] = field(default_factory=dict)
    timings: dict[str, Timed] = field(default_factory=dict)

    def timings_of(self, program: str) -> list[Timed]:
        """Return the timings of a program, in order."""
        return [timed for timed in self.timings.values() if timed.program == program]

    def counts(self, samples: int) -> list[tuple[str, str]]:
        """Say how much work it is."""
        given = self.spec.program is not None
        return [
            ("configurations", f"{len(self.values):,}"),
            ("cannot be", f"{len(self.refused):,}{self._why()}"),
            ("compilations", "0  (the program is given)" if given else f"{len(self.programs):,}"),
            ("functional runs", f"{len(self.programs):,}  (of {samples:,} samples)"),
            ("timings", f"{len(self.timings):,}  (of {samples:,} samples)"),
        ]

    def _why(self) -> str:
        return f"  (the first: {self.refused[min(self.refused)]})" if self.refused else ""


def plan_of(spec: Spec, program: Program | None = None) -> Plan:
    """Plan a sweep; `program` is the compiled one, if the sweep names one.

    Raises :class:`SweepError` for a value with which no configuration can be.
    """
    plan = Plan(spec)
    builder = _Builder(spec, program)
    for number, values in enumerate(spec.everything()):
        plan.values.append({TARGET: builder.own_name, **values})
        try:
            built, timed, row = builder.parts(number, values)
        except (TargetError, CompileError, TimingError) as error:
            plan.refused[number] = " ".join(str(error).split())
            continue
        plan.programs.setdefault(built.key, built)
        plan.timings.setdefault(timed.key, timed).rows.append(row)
    _refuse_useless(plan)
    return plan


class _Builder:
    """From the values of a configuration to the keys of its work."""

    def __init__(self, spec: Spec, program: Program | None) -> None:
        self.spec, self.program = spec, program
        self.own = None if program is None else program_target(program)
        self.own_name = "" if self.own is None else self.own.name
        self.target: Callable[[str | None], Target] = cache(self._load)
        self.chip: Callable[[str], Target] = cache(self._chip)
        self.table: Callable[[str], dict[str, Any]] = cache(lambda text: self.chip(text).to_dict())
        self.digest: Callable[[frozenset[str], str], str] = cache(self._digest)
        self.pipeline: Callable[[str, str], tuple[str, dict[str, Any]]] = cache(self._pipeline)

    def parts(self, number: int, values: Values) -> tuple[Built, Timed, Row]:
        """Return the work of a configuration; errors say why it cannot be."""
        chip_text = _json({k: v for k, v in values.items() if k.startswith(TARGET)})
        chip = self.chip(chip_text)
        model, pattern, product = (values[f"timing.{n}"] for n in ("model", "pattern", "product"))
        table = self.table(chip_text)
        if self.program is not None:
            check_target(self.program, chip)
            check_options(self.program, chip, model, pattern)
            built = Built("program", {}, {})
        else:
            if model == "network" and pattern != "spine":
                raise TimingError(
                    f"the model 'network' has no pattern '{pattern}'; use the model 'pipeline'"
                )
            mapping = _json({k: v for k, v in values.items() if k.startswith("mapping.")})
            steps, options = self.pipeline(chip_text, mapping)
            key = _hash(steps, self.digest(compiler_keys(), chip_text))
            built = Built(key, table, options)
        chips = self.digest(timing_keys(), chip_text)
        key = _hash(built.key, model, pattern, product, chips)
        timed = Timed(key, built.key, table, model, pattern, product)
        exits = (values["exit.confidence"], values["exit.stable"])
        confidence, stable = (None if value == NONE else value for value in exits)
        return built, timed, Row(number, table, confidence, stable)

    def _load(self, name: str | None) -> Target:
        if name is None:
            assert self.own is not None
            return self.own
        return chip_named(self.spec, name)

    def _chip(self, text: str) -> Target:
        """The chip of the axes of a target, as JSON."""
        values = json.loads(text)
        base = self.target(values.pop(TARGET, None))
        if not values:
            return base
        table = base.to_dict() | {k.partition(".")[2]: v for k, v in values.items()}
        return Target.from_dict(table, f"target '{base.name}'")

    def _digest(self, keys: frozenset[str], chip: str) -> str:
        return _hash(_json({key: self.table(chip)[key] for key in sorted(keys)}))

    def _pipeline(self, chip: str, mapping: str) -> tuple[str, dict[str, Any]]:
        """The passes of a configuration, which determine its program, and its options."""
        chosen = {k.partition(".")[2]: v for k, v in json.loads(mapping).items()}
        chosen = {k: v for k, v in chosen.items() if v != DEFAULT}
        if "profile" in chosen:
            chosen["profile"] = str(self.spec.folder / chosen["profile"])
        options = Options(**chosen)
        return pipeline(self.chip(chip), portable(options)), asdict(options)


def chip_named(spec: Spec, name: str) -> Target:
    """Return a preset, or the target of a file beside the sweep; raise :class:`TargetError`."""
    own = name.endswith(".toml") or len(Path(name).parts) > 1
    return load_target(spec.folder / name if own else name)


def _refuse_useless(plan: Plan) -> None:
    """Refuse a value that no configuration can have: it is a mistake, and not a corner."""
    good: dict[str, list[Any]] = {}
    for number, values in enumerate(plan.values):
        if number not in plan.refused:
            for axis, value in values.items():
                if value not in (known := good.setdefault(axis, [])):
                    known.append(value)
    # Of all values the one that is refused alone: the first configuration often has good ones too.
    for number, why in plan.refused.items():
        values = plan.values[number]
        bad = [axis for axis, value in values.items() if value not in good.get(axis, [])]
        if bad:
            shown = ", ".join(f"{axis} = {values[axis]!r}" for axis in bad[:1] if good)
            where = f"{plan.spec.path}: {shown}: " if shown else f"{plan.spec.path}: "
            raise SweepError(where + why)


def axes_of(plan: Plan) -> Iterator[tuple[str, list[Any]]]:
    """Yield the axes with more than one value, and these, in the order of the table."""
    for name in plan.spec.columns:
        found: list[Any] = []
        for values in plan.values:
            if values.get(name) not in found:
                found.append(values.get(name))
        if len(found) > 1:
            yield name, found


def _json(table: Mapping[str, Any]) -> str:
    return json.dumps(table, sort_keys=True, separators=(",", ":"))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
