"""Reads `sweep.toml`: what is swept over what. docs/sweep.md has every key."""

import itertools
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elsac.sweep.axes import DEFAULTS, GROUPS, TARGET, check_axis, check_value
from elsac.sweep.errors import SweepError, nearest

Values = dict[str, Any]
"""One value for each axis."""

MOST = 100_000
"""Configurations of a sweep, those that are left out included."""

_TEXTS = ("network", "program", "input", "labels")
_KNOWN = (*_TEXTS, "samples", "targets", *GROUPS, "zip", "exclude")


@dataclass(frozen=True)
class Spec:
    """A checked sweep."""

    path: str
    network: Path | None
    """An ONNX file; None: a compiled `program`."""
    program: Path | None
    input: Path
    labels: str | None
    samples: int | None
    """The first so many of the input; None: all."""
    axes: Mapping[str, Sequence[Any]]
    """Axis -> its values, each with each of the others."""
    zips: Sequence[Mapping[str, Sequence[Any]]]
    """Axes whose values go together, place by place."""
    exclude: Sequence[Mapping[str, Sequence[Any]]]
    """A configuration is left out that has one of the values on every axis named."""

    @property
    def columns(self) -> list[str]:
        """All axes, in the order of the groups: those named, and those of every table."""
        named = {*self.axes, *(name for table in self.zips for name in table), TARGET, *DEFAULTS}
        order = {name: i for i, name in enumerate([*self.axes, *itertools.chain(*self.zips)])}
        return sorted(
            named,
            key=lambda name: (
                GROUPS.index(name.partition(".")[0]),
                name != TARGET,
                list(DEFAULTS).index(name) if name in DEFAULTS else order.get(name, 0),
            ),
        )

    @property
    def folder(self) -> Path:
        """Relative paths are those of the sweep's own folder."""
        return Path(self.path).parent

    def everything(self) -> Iterator[Values]:
        """Yield the configurations in the order of the table: the last axis moves fastest."""
        sides: list[list[Values]] = [[{n: v} for v in vs] for n, vs in self.axes.items()]
        for table in self.zips:
            rows = zip(*table.values(), strict=True)
            sides.append([dict(zip(table, row, strict=True)) for row in rows])
        for parts in itertools.product(*sides):
            values = {**DEFAULTS, **{n: v for part in parts for n, v in part.items()}}
            if not any(all(values.get(n) in vs for n, vs in e.items()) for e in self.exclude):
                yield values

    @property
    def size(self) -> int:
        """Configurations, those that are left out included."""
        count = 1
        for values in self.axes.values():
            count *= len(values)
        for table in self.zips:
            count *= len(next(iter(table.values())))
        return count


def read_spec(path: str | Path) -> Spec:
    """Read and check a file; raise :class:`SweepError`, which names it."""
    try:
        table = tomllib.loads(Path(path).read_text("utf-8"))
    except UnicodeDecodeError as error:
        raise SweepError(f"{path}: not UTF-8 text at byte {error.start}") from None
    except OSError as error:
        raise SweepError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise SweepError(f"{path}: not valid TOML: {error}") from None
    return spec_of(table, str(path))


def spec_of(table: Mapping[str, Any], path: str) -> Spec:
    """Check a sweep as TOML gives it; `path` stands in messages, its folder before paths."""
    for key in table:
        if key not in _KNOWN:
            raise SweepError(f"{path}: unknown key '{key}'{nearest(key, _KNOWN)}")
    texts = {key: _text(path, key, table[key]) for key in _TEXTS if key in table}
    if ("network" in texts) == ("program" in texts):
        raise SweepError(f"{path}: expected one of network (an ONNX file) and program (compiled)")
    if "input" not in texts:
        raise SweepError(f"{path}: no input; name the .npz file with the samples")
    samples = table.get("samples")
    if samples is not None and (type(samples) is not int or samples < 1):
        raise SweepError(f"{path}: samples = {samples!r}; expected a whole number, 1 or more")
    swept = {k: v for k, v in table.items() if k == "targets" or k in GROUPS}
    axes = {name: _several(path, name, value) for name, value in _flat(path, swept)}
    for name, values in axes.items():
        if (twice := _twice(values)) is not None:
            raise SweepError(f"{path}: {name}: {twice!r} stands there twice")
    zips = [_zip(f"{path}: zip {i}", part) for i, part in _tables(path, table, "zip")]
    taken = set(axes)
    for part in zips:
        if both := sorted(taken & set(part)):
            raise SweepError(f"{path}: {both[0]} is swept twice; name it in one place")
        taken |= set(part)
    if "program" in texts and (mapping := [n for n in taken if n.startswith("mapping.")]):
        raise SweepError(
            f"{path}: {min(mapping)}: a compiled program has its mapping; give network in place of "
            "program"
        )
    if "network" in texts and TARGET not in taken:
        axes = {TARGET: ["elsa-6x6"], **axes}
    taken |= {TARGET, *DEFAULTS}
    exclude = []
    for i, part in _tables(path, table, "exclude"):
        where = f"{path}: exclude {i}"
        found = {name: _several(where, name, value) for name, value in _flat(where, part)}
        if not found:
            raise SweepError(f"{where}: is empty; it would leave out everything")
        for name in found:
            if name not in taken:
                raise SweepError(f"{where}: {name} is not swept{nearest(name, sorted(taken))}")
        exclude.append(found)
    folder = Path(path).parent
    places = {key: folder / texts[key] for key in ("network", "program", "input") if key in texts}
    spec = Spec(
        path=path,
        network=places.get("network"),
        program=places.get("program"),
        input=places["input"],
        labels=texts.get("labels"),
        samples=samples,
        axes=axes,
        zips=zips,
        exclude=exclude,
    )
    if spec.size > MOST:
        raise SweepError(f"{path}: {spec.size:,} configurations; at most {MOST:,} are taken")
    if next(spec.everything(), None) is None:
        raise SweepError(f"{path}: every configuration is excluded")
    return spec


def _flat(where: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield axes by their whole names."""
    for key, value in table.items():
        if key == "targets":
            yield TARGET, value
        elif key not in GROUPS:
            raise SweepError(f"{where}: unknown key '{key}'{nearest(key, ('targets', *GROUPS))}")
        elif not isinstance(value, dict):
            remedy = ' chips are named by targets = ["elsa-6x6"];' if key == TARGET else ""
            raise SweepError(f"{where}: {key} is a group;{remedy} write {key}.NAME = [...]")
        else:
            for name, inner in value.items():
                check_axis(where, f"{key}.{name}")
                yield f"{key}.{name}", inner


def _several(where: str, axis: str, value: Any) -> list[Any]:
    """Return the checked values of an axis; one alone is a list of one."""
    values = value if isinstance(value, list) else [value]
    if not values:
        raise SweepError(f"{where}: {axis} is empty; expected a value or several")
    for item in values:
        check_value(where, axis, item)
    return values


def _zip(where: str, table: Mapping[str, Any]) -> dict[str, list[Any]]:
    columns = {name: _several(where, name, value) for name, value in _flat(where, table)}
    if not columns:
        raise SweepError(f"{where}: is empty")
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} has {count}" for name, count in lengths.items())
        raise SweepError(f"{where}: values go together, so each needs as many: {said}")
    rows = [repr(row) for row in zip(*columns.values(), strict=True)]
    if (twice := _twice(rows)) is not None:
        raise SweepError(f"{where}: {twice} stands there twice")
    return columns


def _tables(path: str, table: Mapping[str, Any], key: str) -> Iterator[tuple[int, dict[str, Any]]]:
    found = table.get(key, [])
    if not isinstance(found, list) or not all(isinstance(part, dict) for part in found):
        raise SweepError(f"{path}: {key} is a list of tables; write [[{key}]] above each")
    yield from enumerate(found, 1)


def _twice(values: Sequence[Any]) -> Any:
    return next((v for i, v in enumerate(values) if v in values[:i]), None)


def _text(path: str, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise SweepError(f"{path}: {key} = {value!r}; expected a text")
    return value
