"""How many cycles of the mesh does one core simulate in a second?

    python benchmarks/noc.py [--seed N] [--runs N] [--json OUT]

Uniform random traffic, X-Y, packets of four flits, buffers of four flits, one and four virtual
channels; the rate is in flits a place and cycle. Beside our mesh stands a plain one that looks at
every buffer in every cycle; both are compiled, and both deliver the same packets in the same
cycles, which is checked. Medians of the processor's times within one run; the traffic is made
before.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from mapping_report import machine, write_json
from noc_naive import simulate

from elsac.runtime.timing.mesh import build
from elsac.runtime.timing.mesh_state import MOVES
from elsac.runtime.timing.mesh_traffic import Traffic, replay

SIDES = (6, 8, 16)
RATES = (0.005, 0.03, 0.1)
CHANNELS = (1, 4)
FLITS = 4
ROOM = 4
FLITS_SENT = 60_000
"""Of each measurement, so that it takes tens of milliseconds at least."""


def traffic(side: int, rate: float, channels: int, seed: int) -> Traffic:
    """Packets between random places."""
    draw = np.random.default_rng(seed)
    places, packets = side * side, FLITS_SENT // FLITS
    cycles = round(FLITS_SENT / (rate * places))
    sources = draw.integers(0, places, packets)
    columns = (
        np.sort(draw.integers(0, cycles, packets)),
        sources,
        (sources + draw.integers(1, places, packets)) % places,
        draw.integers(0, channels, packets),
        np.full(packets, FLITS),
    )
    return Traffic(*(column.astype(np.int32) for column in columns))


def measure(side: int, rate: float, channels: int, seed: int, runs: int) -> dict[str, Any]:
    """Figures of one traffic on one mesh."""
    sent = traffic(side, rate, channels, seed)
    packets = sent.cycles.size
    ours: list[float] = []
    plain: list[float] = []
    for _ in range(runs):
        mesh = build(side, side, channels, ROOM, injection_packets=1 << 12)
        start = time.thread_time()
        outcome = replay(mesh, sent, expected=packets)
        ours.append(time.thread_time() - start)
        arrivals = np.zeros(packets, np.int64)
        start = time.thread_time()
        plain_cycles, hops = simulate(side, side, channels, ROOM, sent, arrivals)
        plain.append(time.thread_time() - start)
    same = np.array_equal(arrivals[outcome.arrivals[:, 2]], outcome.arrivals[:, 0])
    if not same or len(outcome.arrivals) != packets or hops != mesh.counters[MOVES]:
        sys.exit(f"noc.py: the two meshes differ at {side}x{side}, rate {rate}: please report it")
    seconds = statistics.median(ours)
    latency = (outcome.arrivals[:, 0] - sent.cycles[outcome.arrivals[:, 2]]).mean()
    return {
        "side": side,
        "rate": rate,
        "channels": channels,
        "cycles": outcome.cycles,
        "flit_hops": int(hops),
        "latency": round(float(latency), 2),
        "cycles_per_second": round(outcome.cycles / seconds),
        "flit_hops_per_second": round(int(hops) / seconds),
        "plain_cycles_per_second": round(plain_cycles / statistics.median(plain)),
        "ratio": round(statistics.median(plain) / seconds, 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="seed of the traffic")
    parser.add_argument("--runs", type=int, default=5, help="runs of each measurement (median)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    if options.seed < 0 or options.runs < 1:
        parser.error("expected a --seed of 0 or more and a --runs of 1 or more")
    print(f"load {os.getloadavg()[0]:.2f} on {os.cpu_count()} processors, seed {options.seed}")
    print(
        "mesh   channels   rate   latency   k cycles/s   M flit-hops/s   plain k cycles/s   ratio"
    )
    figures = {**machine(), "seed": options.seed, "runs": options.runs}
    measure(2, 0.1, 1, 0, 1)  # compiles
    rows = []
    for side in SIDES:
        for channels in CHANNELS:
            for rate in RATES:
                row = measure(side, rate, channels, options.seed, options.runs)
                rows.append(row)
                print(
                    f"{side:2}x{side:<2}{channels:11}{rate:7}{row['latency']:10}"
                    f"{row['cycles_per_second'] / 1e3:13.0f}"
                    f"{row['flit_hops_per_second'] / 1e6:16.1f}"
                    f"{row['plain_cycles_per_second'] / 1e3:19.0f}{row['ratio']:7.1f}",
                    flush=True,
                )
    if options.json:
        try:
            write_json(options.json, {**figures, "rows": rows})
        except OSError as error:
            sys.exit(f"noc.py: {error.filename}: {error.strerror}")


if __name__ == "__main__":
    main()
