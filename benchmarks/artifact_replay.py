"""Cycles and energy of a trace: spines through max-plus, counts through the energy model.

Nothing that the published simulator concluded is used: no cycles, no energies.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from artifact_layers import Geometry, Ints, Map, Work, geometry, order_of, work
from artifact_network import Network, expected_hops, last_flit
from artifact_trace import Layer, Trace, TraceError, simulated
from numpy.typing import NDArray

from elsac.runtime.energy import COMPONENTS, Energy, Shapes, energy
from elsac.runtime.timing.maxplus import Actor, Port, replay
from elsac.targets import Target

NETWORK = [COMPONENTS.index(name) for name in ("links", "local")]
RESNET50 = (53, 4_087_136_256)
"""Convolutions and multiplications of ResNet-50 at 224x224: the one network whose published energy
holds a constant, recognised by its shapes."""

REPAIRED = {
    "first_layer_adds": "charged",
    "leaking_macros": "all",
    "noc_energy_percent": 100.0,
    "offset_uj": 0.0,
}
"""Keys of the target that repair the four errors of the published accounting."""


@dataclass(frozen=True)
class Replay:
    """What came of it."""

    shapes: tuple[Geometry, ...]
    works: tuple[Work, ...]
    ends: Ints
    """[layers, steps] the cycle at which the last spine of a step leaves a layer."""
    shipped: Energy
    repaired: Energy

    @property
    def cycles(self) -> int:
        """Until the last layer has ended."""
        return int(self.ends[-1, -1])


def run(trace: Trace, target: Target) -> Replay:
    """Replay a trace. Raises :class:`TraceError` where counts contradict each other."""
    number = {layer.name: index for index, layer in enumerate(trace.layers)}
    shapes: list[Geometry] = []
    for index, layer in enumerate(trace.layers):
        for name in _sources(trace, layer):
            if number[name] >= index:
                raise TraceError(f"layer '{layer.name}' waits for '{name}', which comes later")
        shapes.append(_shape(trace, number, shapes, layer))
    works = tuple(
        work(layer, index, shape, len(trace.core_of[layer.name].layers), target)
        for index, (layer, shape) in enumerate(zip(trace.layers, shapes, strict=True))
    )
    ends = _times(trace, target, number, shapes, works)
    shipped, repaired = _energies(trace, target, shapes, works, ends[:, -1])
    return Replay(tuple(shapes), works, ends, shipped, repaired)


def _sources(trace: Trace, layer: Layer) -> list[str]:
    return [name for node in trace.inputs[layer.name] for name in simulated(trace, node)]


def _shape(trace: Trace, number: dict[str, int], shapes: list[Geometry], layer: Layer) -> Geometry:
    """The geometry of a layer; the last node that it consumes is the main one."""
    nodes = trace.inputs[layer.name]
    names = simulated(trace, nodes[-1]) if nodes else []
    if not names:
        return geometry(layer, None, None)
    source = number[names[0]]
    before = shapes[source].output if nodes[-1] == names[0] else None
    return geometry(layer, trace.layers[source].outputs, before)


def _times(
    trace: Trace,
    target: Target,
    number: dict[str, int],
    shapes: list[Geometry],
    works: tuple[Work, ...],
) -> Ints:
    """The end of each step at each layer, [layers, steps]."""
    network = Network(trace, target)
    actors: list[Actor] = []
    actor_of: dict[str, int] = {}
    for index, layer in enumerate(trace.layers):
        shape, job = shapes[index], works[index]
        places = order_of(shape.input)
        ports: list[Port] = []
        for node in trace.inputs[layer.name]:
            ways = network.ways(
                trace.core_of.get(node, trace.core_of[layer.name]), trace.core_of[layer.name]
            )
            late = last_flit(ways, job.flits, index)
            for name in simulated(trace, node):
                source, there = actor_of[name], shapes[number[name]].output
                if there != shape.input:
                    actors.append(_pool(source, there, shape.input, trace.steps))
                    source = len(actors) - 1
                ports.append(Port(source, places, job.flits, late, ways.per_flit))
        # Flits come from outside one a cycle.
        released = None if ports else np.cumsum(job.flits).reshape(job.flits.shape)
        at = np.arange(shape.rows + 1)
        actor_of[layer.name] = len(actors)
        actors.append(Actor(job.busy, at, job.fires_after, ports, released))
    times = replay(actors)
    return np.array([times[actor_of[layer.name]].ready.max(1) for layer in trace.layers])


def _pool(source: int, there: Map, here: Map, steps: int) -> Actor:
    """What lies between maps of different sizes: a place is ready when all that it covers are."""
    spines, rows = there[0] * there[1], here[0] * here[1]
    y, x = np.divmod(np.arange(rows), here[1])
    window: list[NDArray[np.int64]] = []
    for row in range(rows):
        lines, columns = (
            range(at * size // out, max(at * size // out + 1, -(-(at + 1) * size // out)))
            for at, size, out in ((y[row], there[0], here[0]), (x[row], there[1], here[1]))
        )
        window.append(np.array([i * there[1] + j for i in lines for j in columns], np.int64))
    nothing = np.zeros((steps, spines), np.int64)
    return Actor(
        busy=nothing,
        window_at=np.cumsum([0, *map(len, window)]),
        window=np.concatenate(window),
        ports=(Port(source, np.arange(spines), nothing, nothing, 0),),
        serves=False,
    )


def _energies(
    trace: Trace,
    target: Target,
    shapes: list[Geometry],
    works: tuple[Work, ...],
    ends: Ints,
) -> tuple[Energy, Energy]:
    layers, pes = trace.layers, target.pes_per_core
    columns = np.array([layer.columns for layer in layers])
    form = Shapes.of(
        columns=columns,
        column_parts=pes,
        row_parts=1,
        rows=[shape.rows for shape in shapes],
        weight_rows=[shape.weight_rows for shape in shapes],
        weight_bits=4,
        membrane_bits=16,
        tracer_bits=4,
        reads_input=[not trace.inputs[layer.name] for layer in layers],
        share=1.0,
        core=[r * target.mesh_width + c for r, c in (trace.core_of[n.name].place for n in layers)],
        layer=np.arange(len(layers)),
    )
    batches = np.array([job.batches for job in works]) * pes
    fired = np.array([trace.steps * shape.rows for shape in shapes])
    events = np.array([sum(layer.events) for layer in layers]) * pes
    hops, local = _traffic(trace, target)
    counts = {
        "batches": batches,
        "adds": batches * -(-columns // target.circuits_per_pe),
        "batch_spikes": events,
        "taps": events,
        "input_spikes": np.array([sum(layer.spikes) for layer in layers]) * pes,
        "fires": fired * pes,
        "spines": fired,
        "flits": np.array([layer.flits for layer in layers]),
        "flit_hops": hops,
        "local_flits": local,
    }
    macs = round(sum(layer.operations for layer in layers))
    constant = (len(layers), macs) == RESNET50
    fixed = dataclasses.replace(target, **REPAIRED)  # type: ignore[arg-type]
    return (
        energy(target, form, counts, ends, offset=constant),
        energy(fixed, form, counts, ends),
    )


def _traffic(trace: Trace, target: Target) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Flit hops, and flits that stay on a core, by the layer that gets them, [layers].

    What the trace counted on its links in all is divided like what its routes lead one to expect.
    """
    network = Network(trace, target)
    hops, local = np.zeros((2, len(trace.layers)))
    for index, layer in enumerate(trace.layers):
        here = trace.core_of[layer.name]
        for node in trace.inputs[layer.name]:
            there = trace.core_of.get(node, here)
            if there.place == here.place:
                local[index] += layer.flits
            else:
                hops[index] += expected_hops(network.ways(there, here), layer.flits)
    for counted, expected in ((trace.hops, hops), (trace.local, local)):
        if counted is not None:
            if expected.sum():
                expected *= counted / expected.sum()
            else:
                expected[-1] = counted
    return hops, local
