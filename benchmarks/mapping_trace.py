"""Traffic of a network as the published artifact recorded it, and where the artifact put it.

A trace is a JSON object:

* `connection_last`: for each layer, in execution order, the layers that it consumes;
* `partition`: cores, each with `layers` and its place `pos` [row, column];
* flits that enter and leave each layer, over all time steps: `layers`, a list of objects with
  `name`, `InputFlitNum` and `outputFlitNum`, or else objects `InputFlitNum` and `OutputFlitNum`.

A layer's consumers get what it sends, so that its flits to each are those that leave it: this is
the *source basis*, of all figures unless said otherwise. Pools have no counts; what they send is
counted where it arrives. The artifact charges the flits that enter the consumer to all layers that
it consumes, which counts both inputs of a residual addition twice: the *target basis*, of no use
but to compare with its own figures. There edges into pools count nothing.

*Unicast* is what the artifact does: one copy of each flit for each consuming layer, even if two of
them are on one core. *Multicast* sends each flit once, to all cores that consume it; of a pool's
consumers the one that counts most is believed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elsac.mapping.graph import Mesh, Net, Place, nets
from elsac.mapping.routing import Commodity


class TraceError(ValueError):
    """A file that is no trace; the message says what is missing."""


@dataclass(frozen=True)
class Edge:
    """What one layer sends another."""

    source: str
    sink: str
    flits: int
    """In the source basis."""
    target_flits: int
    """In the target basis."""


@dataclass(frozen=True)
class Trace:
    """Layers on cores, cores in execution order of their first layers."""

    network: str
    mesh: Mesh
    places: tuple[Place, ...]
    """By core: (x, y) = (column, row) where the artifact put it."""
    core: Mapping[str, int]
    """By layer."""
    edges: tuple[Edge, ...]
    """Between layers that are on cores."""

    def unicast(self) -> list[Net]:
        """One net for each pair of cores."""
        return nets((self.core[e.source], (self.core[e.sink],), e.flits) for e in self.edges)

    def multicast(self) -> list[Net]:
        """One net for each layer, those with equal cores added up."""
        sinks: dict[str, list[int]] = {}
        flits: dict[str, int] = {}
        for edge in self.edges:
            sinks.setdefault(edge.source, []).append(self.core[edge.sink])
            flits[edge.source] = max(flits.get(edge.source, 0), edge.flits)
        return nets((self.core[layer], sinks[layer], flits[layer]) for layer in sinks)

    def commodities(
        self, places: Sequence[Place] | None = None, *, target_basis: bool = False
    ) -> list[Commodity]:
        """Unicast copies between places, those of the artifact unless told."""
        at = self.places if places is None else places
        found: list[Commodity] = []
        for edge in self.edges:
            source, sink = at[self.core[edge.source]], at[self.core[edge.sink]]
            flits = edge.target_flits if target_basis else edge.flits
            if source != sink and flits:
                found.append((source, sink, flits))
        return found


def read_trace(path: Path) -> Trace:
    """Read a trace.

    Raises OSError, and TraceError for what is not there or contradicts itself.
    """
    try:
        data = json.loads(path.read_bytes())
    except ValueError as error:
        raise TraceError(f"{path}: no JSON: {error}") from None
    if not isinstance(data, dict):
        raise TraceError(f"{path}: a JSON {type(data).__name__}, expected an object with a trace")
    try:
        return _trace(data, path.stem)
    except TraceError as error:
        raise TraceError(f"{path}: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise TraceError(f"{path}: not of the schema of traces ({error!r})") from None


def _trace(data: Mapping[str, Any], name: str) -> Trace:
    for key in ("connection_last", "partition"):
        if key not in data:
            raise TraceError(f"no '{key}', so this is no trace of a network")
    into, out = _flits(data)
    consumed: dict[str, list[str]] = data["connection_last"]
    order = {layer: number for number, layer in enumerate(consumed)}

    cores = [part for part in data["partition"] if part["layers"]]
    if not cores:
        raise TraceError("'partition' has no core with layers")
    cores.sort(key=lambda part: min(order.get(layer, len(order)) for layer in part["layers"]))
    places = tuple((_whole(part["pos"][1]), _whole(part["pos"][0])) for part in cores)
    if len(set(places)) < len(places):
        raise TraceError("'partition' has two cores at one place")
    core = {layer: number for number, part in enumerate(cores) for layer in part["layers"]}
    if len(core) < sum(len(part["layers"]) for part in cores):
        raise TraceError("'partition' has a layer on two cores")
    every = [part["pos"] for part in data["partition"]]
    mesh = Mesh(max(_whole(p[1]) for p in every) + 1, max(_whole(p[0]) for p in every) + 1)

    edges = []
    for sink, sources in consumed.items():
        for source in sources:
            if source in core and sink in core:
                flits = out.get(source, into.get(sink, 0))
                edges.append(Edge(source, sink, flits, into.get(sink, 0)))
    return Trace(str(data.get("network", name)), mesh, places, core, tuple(edges))


def _flits(data: Mapping[str, Any]) -> tuple[dict[str, int], dict[str, int]]:
    """Flits that enter and that leave each layer."""
    if "layers" in data:
        into = {layer["name"]: layer["InputFlitNum"] for layer in data["layers"]}
        out = {layer["name"]: layer["outputFlitNum"] for layer in data["layers"]}
    elif "InputFlitNum" in data and "OutputFlitNum" in data:
        into, out = data["InputFlitNum"], data["OutputFlitNum"]
    else:
        raise TraceError(
            "no flit counts ('layers', or 'InputFlitNum' and 'OutputFlitNum'): traffic unknown"
        )
    return {k: _whole(v) for k, v in into.items()}, {k: _whole(v) for k, v in out.items()}


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TraceError(f"{value!r} where a number 0, 1, 2, .. is expected")
    return value
