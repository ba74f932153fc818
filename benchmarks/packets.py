"""Traffic on the mesh in each packet format, for the network of a recorded trace.

    python benchmarks/packets.py --trace resnet50.json [--negative SHARE] [--seed 0]

The trace is one of the published simulator of the ELSA paper as JSON: `layers` with the spikes that
enter each layer up to each step, `traffic_edges` and `partition`. What enters a layer is counted
once for each layer, as that simulator does it; the image itself is not counted, as it comes from
outside. The numbers of spikes per spine are modelled (`elsac.runtime.packets.expected_flits`), so
the first line compares the model with the flits that the simulator counted.

The second table multiplies by hops: the paper's format and one packet for each reader on the
published placement, against bundles along multicast trees on a placement of ours. Layers are put
together on cores as published in both, and both have the same streams: each has what its reader
without a second input receives. (The simulator's own objective counts other flits at joins.)
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.mapping.graph import Mesh, nets
from elsac.runtime.packets import Baer, Bundle, PacketFormat, Streams, TrueNorth, expected_flits
from elsac.runtime.packets.aer import Morphic
from elsac.runtime.packets.expected import NEGATIVE
from elsac.targets import load_target

WIDTHS = (64, 96, 128, 192, 256, 512)
KERNELS = (1, 9, 25, 49, 121)
PLAIN, CHECKED = 25, 40
"""Bits of a plain address event in the paper, without and with a check."""


@dataclass(frozen=True)
class Layer:
    """What enters one layer of a trace."""

    name: str
    columns: int
    spines: int
    spikes: NDArray[np.float64]  # in each step
    counted: int  # flits of 256 bits that the simulator counted

    def flits(self, packets: PacketFormat, negative: float) -> float:
        """Flits of all spines and steps, and those that close a step."""
        rates = np.clip(self.spikes / (self.columns * self.spines), 0, 1)
        each = expected_flits(packets, self.columns, rates, negative=negative)
        ends = len(rates) if packets.closes else 0
        return float(each.sum()) * self.spines + ends


def read_layers(trace: dict[str, Any]) -> list[Layer]:
    """All layers but the first, whose input comes from outside."""
    layers, widths = [], [int(trace["layers"][0]["derived"]["N"])]
    for entry in trace["layers"][1:]:
        spikes = np.diff([0, *entry["numbers of spikeNumBeforeImg2Col"]]).astype(np.float64)
        neurons = spikes.sum() / (len(spikes) * entry["sparsity"])
        length = entry["derived"].get("K")  # not known for some linear layers
        columns = widths[-1] if length is None else input_columns(int(length), neurons, widths)
        spines = max(round(neurons / columns), 1)
        layers.append(Layer(entry["name"], columns, spines, spikes, entry["InputFlitNum"]))
        widths.append(int(entry["derived"]["N"]))
    return layers


def input_columns(length: int, neurons: float, widths: list[int]) -> int:
    """The columns that enter a layer whose weight rows have this length: those of an earlier layer,
    and such that spines are a whole number.
    """
    choices = [length // k for k in KERNELS if length % k == 0 and length // k in widths]
    if not choices:
        raise SystemExit(f"no layer before has the columns of a weight row of {length} inputs")
    return min(choices, key=lambda c: (round(abs(neurons / c - round(neurons / c)), 2), c))


def formats(layers: list[Layer], flit: int) -> dict[str, PacketFormat]:
    """The formats of one width of flits, for maps that fit the paper's fields."""
    target = load_target("elsa-6x6")
    most = Streams(max(x.spines for x in layers), max(x.columns for x in layers), 0)
    return {
        "baer": Baer.fitting(target, most, flit),
        "bundle": Bundle.fitting(target, most, flit),
        "bundle + rice": Bundle.fitting(target, most, flit, rice=True),
    }


def events(layers: list[Layer]) -> dict[str, float]:
    """Megabytes of address events, one packet for each spike."""
    target = load_target("elsa-6x6")
    most = Streams(max(x.spines for x in layers), max(x.columns for x in layers), 0)
    bits = {
        f"plain, {PLAIN} bits": PLAIN,
        f"with a check, {CHECKED} bits": CHECKED,
        **{f"{c.kind}": c.fitting(target, most).flit_bits for c in (TrueNorth, Morphic)},
    }
    spikes = sum(float(layer.spikes.sum()) for layer in layers)
    return {name: spikes * b / 8e6 for name, b in bits.items()}


def payload_table(layers: list[Layer], negative: float) -> str:
    """Markdown: megabytes by width of flits and format."""
    names = list(formats(layers, 256))
    lines = [f"| flit bits | {' | '.join(names)} | bundle to baer |", "| ---: " * 5 + "|"]
    for width in WIDTHS:
        sizes = {
            name: sum(x.flits(packets, negative) for x in layers) * width / 8e6
            for name, packets in formats(layers, width).items()
        }
        cells = " | ".join(f"{size:.1f}" for size in sizes.values())
        lines.append(f"| {width} | {cells} | {sizes['bundle'] / sizes['baer']:.2f} |")
    return "\n".join(lines)


@dataclass(frozen=True)
class Stream:
    """What one layer sends, with the layers that read it on other cores."""

    core: int
    readers: list[int]  # cores, once for each layer that reads
    spikes: Layer  # of the reader that reads nothing else, if there is one


def read_streams(trace: dict[str, Any], layers: list[Layer]) -> list[Stream]:
    """The streams between layers; pools and the end of the network are not in the trace."""
    core = {name: i for i, part in enumerate(trace["partition"]) for name in part["layers"]}
    entering = {layer.name: layer for layer in layers}
    edges = [(a, b) for a, b, _ in trace["traffic_edges"] if b in entering]
    sources = {b: [a for a, c in edges if c == b] for _, b in edges}
    streams = []
    for source in dict.fromkeys(a for a, _ in edges):
        readers = [b for a, b in edges if a == source]
        alone = min(readers, key=lambda name: len(sources[name]))
        there = [core[name] for name in readers]
        streams.append(Stream(core[source], there, entering[alone]))
    return streams


def hop_table(
    trace: dict[str, Any], layers: list[Layer], negative: float, method: Any, seed: int
) -> str:
    """Markdown: flits times hops times bits, on the published placement and on ours."""
    from elsac.mapping.placement import place

    streams = read_streams(trace, layers)
    mesh = Mesh.of(load_target("elsa-6x6"))
    published = [(part["pos"][1], part["pos"][0]) for part in trace["partition"]]
    lines = ["| packets | placement | routes | megabit hops | ratio |", "| --- " * 5 + "|"]
    first = 0.0
    for kind, bits in (("baer", 256), ("baer", 256), ("bundle", 256), ("bundle", 192)):
        packets = formats(layers, bits)[kind]
        flits = [round(s.spikes.flits(packets, negative)) for s in streams]
        if not first:
            hops = sum(
                count * mesh.distance(published[s.core], published[there])
                for s, count in zip(streams, flits, strict=True)
                for there in s.readers
            )
            name = "published | one for each reader"
        else:
            wanted = nets((s.core, s.readers, n) for s, n in zip(streams, flits, strict=True))
            answer = place(wanted, len(published), mesh, method=method, seed=seed, effort=1)
            at = partial(tree_hops, places=answer.places)
            hops = sum(net.flits * at((net.source, *net.sinks)) for net in wanted)
            name = "ours | multicast"
        size = hops * packets.flit_bits / 1e6
        first = first or size
        lines.append(f"| {kind}, {bits} bits | {name} | {size:.1f} | {size / first:.2f} |")
    return "\n".join(lines)


def tree_hops(cores: tuple[int, ...], places: Sequence[tuple[int, int]]) -> int:
    """Links of the least tree that joins cores; exact for up to three of them."""
    xs, ys = [places[core][0] for core in cores], [places[core][1] for core in cores]
    return max(xs) - min(xs) + max(ys) - min(ys)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trace", type=Path, required=True)
    parser.add_argument("--negative", type=float, default=NEGATIVE, help="share of negative spikes")
    parser.add_argument("--placement", default="anneal", help="method of the placement of ours")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    trace = json.loads(args.trace.read_text("utf-8"))
    layers = read_layers(trace)
    modelled = sum(x.flits(Baer(), args.negative) for x in layers)
    counted = sum(x.counted for x in layers)
    print(f"{args.trace.stem}: {len(layers)} layers, flits of 256 bits in the paper's format:")
    print(f"modelled {modelled:,.0f}, counted {counted:,} ({modelled / counted - 1:+.1%})\n")
    print("Megabytes of bundles, headers included:\n")
    print(payload_table(layers, args.negative))
    print("\nMegabytes of address events:\n")
    for name, size in events(layers).items():
        print(f"- {name}: {size:.1f}")
    if "partition" in trace and "traffic_edges" in trace:
        print("\nFlit hops in bits:\n")
        print(hop_table(trace, layers, args.negative, args.placement, args.seed))


if __name__ == "__main__":
    main()
