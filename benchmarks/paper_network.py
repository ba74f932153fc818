"""What the paper says of its network on chip beside ours: congestion, peak bandwidth, traffic."""

from typing import Any

import numpy as np
from timed import MICRO, Run

from elsac.runtime.timing.mesh import build
from elsac.runtime.timing.mesh_traffic import Traffic, replay
from elsac.runtime.timing.result import Timing
from elsac.targets import Target

RATES = (
    0.005,
    0.01,
    0.02,
    0.03,
    0.04,
    0.06,
    0.08,
    0.12,
    0.16,
    0.24,
    0.32,
    0.48,
    0.64,
    0.9,
    1.2,
    1.6,
)
"""Flits a core and cycle."""
FLITS = 4
"""Of a packet."""
CYCLES = 20_000
CONGESTED = 2.0
"""A rate congests the mesh at which packets take this many times as long as at the lowest one."""

TRACED = {"resnet18": (0.84, 0.022), "resnet34": (0.80, 0.026), "resnet50": (3.00, 0.080)}
"""GB/s of the busiest link over the whole run, and flits a core and cycle, in the published
artifact's traces (snapshot e06c382)."""

TABLE_VIII = {"resnet18": (11.2, 2.63), "resnet34": (21.0, 5.05), "resnet50": (52.6, 19.3)}
"""MB and uJ of an inference (paper, Table VIII)."""


def sweep(target: Target, seed: int = 0) -> dict[str, Any]:
    """Mean latency of packets of uniform random traffic on the target's mesh, X-Y, by rate."""
    side, places = target.mesh_width, target.mesh_width * target.mesh_height
    parts = max(1, target.link_bits // target.flit_bits)
    rows = []
    for rate in RATES:
        draw = np.random.default_rng([seed, round(rate * 1e6)])
        packets = round(rate * places * CYCLES / FLITS)
        sources = draw.integers(0, places, packets)
        sent = Traffic(
            *(
                column.astype(np.int32)
                for column in (
                    # Cycles of the mesh are parts of a cycle, in which one flit crosses a link.
                    np.sort(draw.integers(0, CYCLES * parts, packets)),
                    sources,
                    (sources + draw.integers(1, places, packets)) % places,
                    draw.integers(0, target.virtual_channels, packets),
                    np.full(packets, FLITS),
                )
            )
        )
        mesh = build(
            side,
            target.mesh_height,
            target.virtual_channels,
            target.vc_fifo_flits,
            link_cycles=-(-target.flit_bits // target.link_bits),
            router_cycles=target.router_cycles * parts,
            injection_packets=1 << 17,
        )
        outcome = replay(mesh, sent, expected=packets)
        late = outcome.arrivals[:, 0] - sent.cycles[outcome.arrivals[:, 2]]
        rows.append({"rate": rate, "latency": float(late.mean()) / parts})
    slow = [r["rate"] for r in rows if r["latency"] > CONGESTED * rows[0]["latency"]]
    return {"rows": rows, "congested_from": min(slow, default=None)}


def injection_rate(run: Run, timing: Timing) -> float:
    """Flits that a core of the mesh sends in a cycle, over the whole run."""
    return float(timing.counts[:, run.kind("flits")].sum()) / (timing.cycles * run.target.cores)


def peak_bandwidth(run: Run, timing: Timing) -> float:
    """GB/s on the busiest link over the whole run."""
    flits = int(timing.links[:, 2].max(initial=0))
    seconds = timing.cycles / run.target.clock_hz
    return flits * run.target.flit_bits / 8 / seconds / 1e9


def traffic(run: Run, timing: Timing) -> dict[str, float]:
    """Megabytes over links and on the cores' own ways, and microjoules of the network."""
    hops, local = (int(timing.counts[:, run.kind(k)].sum()) for k in ("flit_hops", "local_flits"))
    parts = run.energy(timing).by_component()
    size = run.target.flit_bits / 8
    return {
        "links_mb": hops * size / 1e6,
        "local_mb": local * size / 1e6,
        "energy_uj": (parts["links"] + parts["local"]) / MICRO,
    }
