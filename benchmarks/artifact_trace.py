"""Traces of the paper's published simulator: shapes, mapping and counts, and what it made of them.

A trace is a JSON object; these of its keys are read:

* `layers`: the simulated layers in execution order, each with `name`, `TileN` (output channels of a
  PE), `InputFlitNum`, cumulative counts by step `numbers of spikeNumBeforeImg2Col` and
  `numbers of spikeNumAfterImg2Col`, dense multiplications `numbers of operation`, and if it has one
  `derived` with output channels `N`, rows of weights `K`, output positions `M`, and accesses
  `membrane_reads_total_4PE`;
* `connection_last`: for each layer, and for pools between them, the layers that it consumes;
* `partition`: cores with `pos` [row, column], `layers`, the router's `occupy`, and `allocates`, the
  probabilities of leaving it by +row, -row, +column, -column;
* `link_occupancy` [row, column, row, column, layers that share the link] and `transmit_traffic`
  [row, column, row, column, bits], if there.

Cycles and energies (`Total Latency`, `perTimeStepCycle`, `Total Energy`, `metrics`) are read to be
compared with, and for nothing else.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Place = tuple[int, int]
"""(row, column)."""

EXPECTED = "expected a trace of the published simulator"


class TraceError(ValueError):
    """A file that is no trace, or a damaged one; one line."""


@dataclass(frozen=True)
class Core:
    """One core of the mapping."""

    place: Place
    layers: tuple[str, ...]
    occupancy: int
    """How many streams leave it; its router is slower by this factor."""
    leave: tuple[float, float, float, float]


@dataclass(frozen=True)
class Layer:
    """One simulated layer as the trace has it; lists are by step."""

    name: str
    columns: int
    """Output channels of a PE."""
    outputs: int
    """Output channels (N)."""
    weight_rows: int | None
    """K, if the trace knows it."""
    positions: int | None
    """Output positions (M), likewise."""
    operations: float
    spikes: tuple[int, ...]
    events: tuple[int, ...]
    """Spikes after im2col."""
    flits: int
    batches: float | None
    """Mini-batches of a PE, if the trace knows them and the positions."""
    cycles: int | None
    step_cycles: tuple[int, ...]
    joules: float | None


@dataclass(frozen=True)
class Trace:
    """One network."""

    network: str
    steps: int
    layers: tuple[Layer, ...]
    inputs: Mapping[str, tuple[str, ...]]
    """What each node consumes."""
    cores: Mapping[Place, Core]
    core_of: Mapping[str, Core]
    links: Mapping[tuple[Place, Place], float]
    """Layers that share a link, expected."""
    hops: int | None
    """Flits times links travelled."""
    local: int | None
    """Flits that stayed on a core."""
    metrics: Mapping[str, Any] = field(default_factory=dict)


def read_trace(path: Path, pes: int, lanes: int, flit_bits: int) -> Trace:
    """Read a trace; raise OSError, or :class:`TraceError` with what is wrong where.

    `pes` PEs hold the columns of a layer, each in words of `lanes`; counts are over all of them.
    """
    try:
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise TraceError(f"{path}: not JSON ({error}); {EXPECTED}") from None
    try:
        return _Reader(data, path.stem, pes, lanes, flit_bits).read()
    except TraceError as error:
        raise TraceError(f"{path}: {error}; {EXPECTED}") from None


class _Reader:
    def __init__(self, data: Any, name: str, pes: int, lanes: int, flit_bits: int) -> None:
        self.data, self.name = _object(data, "the file"), name
        self.pes, self.lanes, self.flit_bits = pes, lanes, flit_bits

    def read(self) -> Trace:
        layers = tuple(
            self.layer(_object(entry, f"layers[{number}]"), f"layers[{number}]")
            for number, entry in enumerate(_list(self.data, "layers", ""))
        )
        if not layers:
            raise TraceError("'layers' is empty")
        names = [layer.name for layer in layers]
        if len(set(names)) < len(names):
            twice = next(n for n in names if names.count(n) > 1)
            raise TraceError(f"layer '{twice}' occurs twice")
        steps = len(layers[0].spikes)
        for layer in layers:
            if len(layer.spikes) != steps:
                raise TraceError(
                    f"layer '{layer.name}' has {len(layer.spikes)} steps, '{names[0]}' {steps}"
                )
        cores = self.cores()
        core_of = {layer: core for core in cores.values() for layer in core.layers}
        inputs = self.inputs()
        for name in names:
            if name not in core_of:
                raise TraceError(f"layer '{name}' is on no core of 'partition'")
            if name not in inputs:
                raise TraceError(f"layer '{name}' is not in 'connection_last'")
        hops, local = self.traffic()
        return Trace(
            network=str(self.data.get("network", self.name)),
            steps=steps,
            layers=layers,
            inputs=inputs,
            cores=cores,
            core_of=core_of,
            links={(a, b): value for a, b, value in self.links("link_occupancy")},
            hops=hops,
            local=local,
            metrics=_object(self.data.get("metrics", {}), "metrics"),
        )

    def layer(self, entry: Mapping[str, Any], where: str) -> Layer:
        name = entry.get("name")
        if not isinstance(name, str) or not name:
            raise TraceError(f"{where} has no 'name'")
        where = f"layer '{name}'"
        known = _object(entry.get("derived", {}), f"{where}, 'derived'")
        columns = _whole(entry, "TileN", where, 1)
        spikes = _steps(entry, "numbers of spikeNumBeforeImg2Col", where)
        events = _steps(entry, "numbers of spikeNumAfterImg2Col", where)
        if len(spikes) != len(events):
            raise TraceError(
                f"{where} has {len(spikes)} steps of spikes and {len(events)} after im2col"
            )
        rows = _optional(known, "K", where)
        positions = _optional(known, "M", where)
        reads = _optional(known, "membrane_reads_total_4PE", where)
        outputs = _optional(known, "N", where)
        batches = None
        if reads is not None and positions is not None:
            batches = reads / self.pes / -(-columns // self.lanes) - len(spikes) * positions
            if batches < 0:
                raise TraceError(f"{where} has fewer membrane reads than rows that fire")
        cycles, ends = entry.get("Total Latency"), entry.get("perTimeStepCycle", [])
        return Layer(
            name=name,
            columns=columns,
            outputs=max(1, round(outputs or columns * self.pes)),
            weight_rows=None if rows is None else max(1, round(rows)),
            positions=None if positions is None else max(1, round(positions)),
            operations=_number(entry, "numbers of operation", where),
            spikes=spikes,
            events=events,
            flits=_whole(entry, "InputFlitNum", where, 0),
            batches=batches,
            cycles=cycles if type(cycles) is int else None,
            step_cycles=tuple(ends) if isinstance(ends, list) else (),
            joules=_optional(entry, "Total Energy", where),
        )

    def cores(self) -> dict[Place, Core]:
        cores: dict[Place, Core] = {}
        for number, part in enumerate(_list(self.data, "partition", "")):
            where = f"partition[{number}]"
            part = _object(part, where)
            at = part.get("pos")
            if not isinstance(at, list) or [type(n) for n in at] != [int, int]:
                raise TraceError(f"{where}: 'pos' is not [row, column]")
            layers = _list(part, "layers", where)
            if not all(isinstance(name, str) for name in layers):
                raise TraceError(f"{where}: 'layers' is no list of names")
            leave = part.get("allocates", [1.0] * 4)
            if not _numbers(leave) or len(leave) != 4:
                raise TraceError(f"{where}: 'allocates' is not 4 probabilities")
            place = (at[0], at[1])
            if place in cores:
                raise TraceError(f"'partition' has two cores at {list(place)}")
            a, b, c, d = leave
            busy = _whole(part, "occupy", where, 0)
            cores[place] = Core(place, tuple(layers), busy, (a, b, c, d))
        return cores

    def inputs(self) -> dict[str, tuple[str, ...]]:
        consumed = _object(self.data.get("connection_last"), "'connection_last'")
        for name, sources in consumed.items():
            if not isinstance(sources, list) or not all(s in consumed for s in sources):
                raise TraceError(f"'connection_last' of '{name}' is no list of nodes of it")
        return {name: tuple(sources) for name, sources in consumed.items()}

    def links(self, key: str) -> list[tuple[Place, Place, float]]:
        found = []
        for number, entry in enumerate(_list(self.data, key, "") if key in self.data else []):
            if not _numbers(entry) or len(entry) != 5:
                raise TraceError(f"{key}[{number}] is not [row, column, row, column, value]")
            a, b, c, d = (int(n) for n in entry[:4])
            found.append(((a, b), (c, d), float(entry[4])))
        return found

    def traffic(self) -> tuple[int | None, int | None]:
        """Flits times links, and flits that stayed where they were."""
        traffic = self.links("transmit_traffic")
        if not traffic:
            return None, None
        hops = sum(bits for a, b, bits in traffic if a != b)
        local = sum(bits for a, b, bits in traffic if a == b)
        return round(hops / self.flit_bits), round(local / self.flit_bits)


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TraceError(f"{where} is no JSON object")
    return value


def _list(table: Mapping[str, Any], key: str, where: str) -> list[Any]:
    value = table.get(key)
    if not isinstance(value, list):
        raise TraceError(f"{where}{': ' if where else ''}no list '{key}'")
    return value


def _numbers(value: Any) -> bool:
    return isinstance(value, list) and all(
        type(n) in (int, float) and math.isfinite(n) and n >= 0 for n in value
    )


def _number(table: Mapping[str, Any], key: str, where: str) -> float:
    value = table.get(key)
    if not _numbers([value]):
        raise TraceError(f"{where}: no number '{key}'")
    assert isinstance(value, int | float)
    return value


def _optional(table: Mapping[str, Any], key: str, where: str) -> float | None:
    return None if table.get(key) is None else _number(table, key, where)


def _whole(table: Mapping[str, Any], key: str, where: str, least: int) -> int:
    value = table.get(key)
    if type(value) is not int or value < least:
        raise TraceError(f"{where}: no whole number '{key}' of {least} or more")
    return value


def _steps(entry: Mapping[str, Any], key: str, where: str) -> tuple[int, ...]:
    """Counts by step from cumulative ones."""
    values = entry.get(key)
    if not isinstance(values, list) or not values or not all(type(n) is int for n in values):
        raise TraceError(f"{where}: no list '{key}' of whole numbers")
    counts = [b - a for a, b in zip([0, *values], values, strict=False)]
    if min(counts) < 0:
        raise TraceError(f"{where}: '{key}' does not grow from step to step")
    return tuple(counts)


def simulated(trace: Trace, name: str, on_the_way: Sequence[str] = ()) -> list[str]:
    """The simulated layers that a node stands for: itself, or those that a pool consumes."""
    if any(layer.name == name for layer in trace.layers):
        return [name]
    if name in on_the_way:
        raise TraceError(f"'connection_last': '{name}' waits for itself")
    return [
        layer
        for source in trace.inputs[name]
        for layer in simulated(trace, source, (*on_the_way, name))
    ]
