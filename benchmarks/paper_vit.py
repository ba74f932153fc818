"""ViT-S/16 beside the paper's W7 and the published artifact's mapping of it.

The network is the zoo's `vit-s16`: its weights are random numbers, scales come from one pass over
two images, and what it answers means nothing. It runs until nothing moves, for the exact answer of
the quantized network; the paper stops after 32 steps, so that ours stand beside it after 32 as
well. Table III's memory on 6x6 cores does not hold it: it lies on 8x8.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import paper_network as network_on_chip
from timed import MICRO, ROOT, Run, first_answer, prepare

from elsac.compiler import Options
from elsac.runtime.energy import energy, program_shapes
from elsac.runtime.timing.counts import FLIT_HOPS, FLITS, LOCAL_FLITS, SOPS
from elsac.runtime.timing.links import Links
from elsac.runtime.timing.models import Timer
from elsac.targets import load_target

NETWORK = "vit-s16"
STEPS = 32
"""Of the paper and of the artifact."""

W7 = {
    "ops": 8.50,
    "sops": 90.74,
    "gops": 2315.1,
    "tops_per_watt": 5.10,
    "pj_per_sop": 0.020,
    "traffic_mb": 560.3,
    "network_mj": 0.18,
    "no_pipeline": 2.5,
    "peak_gb_per_s": 11.6,
}
"""ViT-S in the paper: Table II (10^9), comparison with other chips, Table VIII, Fig. 26, RPB with
its own routes."""

ARTIFACT = {
    "layers": 133,
    "cores": 36,
    "flits": 9_609_474,
    "flits_of_edges": 15_043_881,
    "flits_same_core": 8_177_083,
    "flit_hops": 8_324_330,
    "first_ms": 1.1851,
    "last_ms": 3.5602,
}
"""Published artifact, snapshot e06c382: flits that layers receive in 32 steps (files
ELSA_Simluator/tracer_files/transformer/vit_small/InputSearch_baseline.pth), its partition and
placement (ELSA_Simluator/transformer/datas/ViT_small_data/Final_MeshMapping.pth) with flits times
Manhattan hops computed from both, and the latency of each step that its algorithm side has typed in
(ELSA_Algorithm/ViT/spike_quan_wrapper_ICML.py). Its traces of cycles and energy are not in it."""

Line = tuple[str, str, str, str]


def load(zoo: Path, target: str = "elsa-8x8", programs: Path = ROOT / "build" / "programs") -> Run:
    """Compile the network, or take the same program from before, and run its first image."""
    onnx, images = (zoo.resolve() / f"{NETWORK}{end}" for end in (".onnx", ".npz"))
    if not (onnx.exists() and images.exists()):
        here = Path(__file__).parent
        call = [sys.executable, str(here / "zoo.py"), NETWORK, "--output", str(zoo.resolve())]
        subprocess.run(call, check=True, cwd=here)
    with np.load(images) as arrays:
        inputs: dict[str | None, Any] = {None: arrays["image"][:1]}
    return prepare(NETWORK, onnx, load_target(target), Options(), inputs, programs)


def measure(run: Run) -> dict[str, Any]:
    """All figures; those of the network on chip flit by flit."""
    timer = Timer(run.image, run.target, "network")
    timing = timer.time(run.activity)
    net = timer.net
    columns = run.program.threads["columns"].astype(np.int64)[net.group_thread]
    macs = int((net.inner * net.group_rows * columns).sum())
    shapes = program_shapes(run.target, run.program)
    links = Links(run.image)
    found = {}
    stops = {"all": run.activity.steps, "32": min(STEPS, run.activity.steps)}
    for name, steps in stops.items():
        cycles = int(timing.step_cycles[steps - 1])
        counts = timing.counts_at_step[steps - 1]
        picojoules = energy(run.target, shapes, counts, cycles)
        parts, groups = picojoules.by_component(), picojoules.by_group()
        seconds, total = cycles / run.target.clock_hz, counts.sum(axis=0)
        size = run.target.flit_bits / 8
        sops = int(total[SOPS])
        busiest = int(links.flits(run.activity, steps)[:, 2].max(initial=0))
        found[name] = {
            "steps": steps,
            "cycles": cycles,
            "ms": seconds * 1e3,
            "energy_uj": picojoules.total / MICRO,
            "sops": sops,
            "pj_per_sop": picojoules.total / max(sops, 1),
            "gops": 2 * macs / seconds / 1e9,
            "tops_per_watt": 2 * macs / (picojoules.total * 1e-12) / 1e12,
            "flits": int(total[FLITS]),
            "flit_hops": int(total[FLIT_HOPS]),
            "links_mb": int(total[FLIT_HOPS]) * size / 1e6,
            "local_mb": int(total[LOCAL_FLITS]) * size / 1e6,
            "network_uj": (parts["links"] + parts["local"]) / MICRO,
            "peak_gb_per_s": busiest * size / seconds / 1e9,
            "split_percent": {k: 100 * v / sum(groups.values()) for k, v in groups.items()},
            "components_uj": {k: v / MICRO for k, v in parts.items()},
        }
    none, spine = (run.time("pipeline", pattern).cycles for pattern in ("none", "spine"))
    return {
        "network": NETWORK,
        "target": run.target.name,
        "steps": run.activity.steps,
        "macs": macs,
        "layers": len(run.program.layers),
        "cores": len(run.program.cores),
        "first_cycles": first_answer(timing),
        "first_ms": first_answer(timing) / run.target.clock_hz * 1e3,
        "no_pipeline": none / spine,
        "injection_rate": network_on_chip.injection_rate(run, timing),
        "after": found,
    }


def lines(row: dict[str, Any]) -> list[Line]:
    """What to print: figure, the paper's or the artifact's, ours, why they differ."""
    full, cut = row["after"]["all"], row["after"]["32"]

    def both(key: str, form: str, scale: float = 1.0) -> str:
        return f"{cut[key] * scale:{form}}, {full[key] * scale:{form}}"

    steps = f"after {cut['steps']} steps, and after all {full['steps']}"
    return [
        (
            "Tab. II ops, 10^9",
            f"{W7['ops']}",
            f"{2 * row['macs'] / 1e9:.2f}",
            "2 for each multiplication, those of attention too",
        ),
        ("Tab. II SOPs, 10^9", f"{W7['sops']}", both("sops", ".2f", 1e-9), steps),
        (
            "GOPS",
            f"{W7['gops']}",
            both("gops", ".1f"),
            f"on {row['target']}, {row['cores']} cores; the paper's on 36",
        ),
        ("TOPS/W", f"{W7['tops_per_watt']}", both("tops_per_watt", ".2f"), "random weights"),
        (
            "pJ/SOP",
            f"{W7['pj_per_sop']}",
            both("pj_per_sop", ".3f"),
            "ours: 1 operation a SOP; spikes of values are batches of their own",
        ),
        (
            "Tab. VIII traffic, MB",
            f"{W7['traffic_mb']}",
            f"{both('links_mb', '.1f')} + {cut['local_mb']:.1f}, {full['local_mb']:.1f} local",
            "multicast; the paper's is not halved for ViT",
        ),
        (
            "Tab. VIII network energy, mJ",
            f"{W7['network_mj']}",
            both("network_uj", ".3f", 1e-3),
            "links and local flits",
        ),
        (
            "RPB, GB/s",
            f"{W7['peak_gb_per_s']}",
            both("peak_gb_per_s", ".2f"),
            "bytes of the busiest link / cycles",
        ),
        (
            "Fig. 26 spine-wise over no pipeline",
            f"{W7['no_pipeline']}x",
            f"{row['no_pipeline']:.2f}x",
            "by the model without a mesh",
        ),
        (
            "artifact: latency of step 1, ms",
            f"{ARTIFACT['first_ms']}",
            f"{row['first_ms']:.3f}",
            "its own are typed into its sources; no trace",
        ),
        ("artifact: latency of step 32, ms", f"{ARTIFACT['last_ms']}", both("ms", ".3f"), steps),
        (
            "artifact: flits, 10^6",
            f"{ARTIFACT['flits'] / 1e6:.2f}",
            both("flits", ".2f", 1e-6),
            "its own where they are received, empty ones too; ours where they are sent",
        ),
        (
            "artifact: flit-hops, 10^6",
            f"{ARTIFACT['flit_hops'] / 1e6:.2f}",
            both("flit_hops", ".2f", 1e-6),
            f"its {ARTIFACT['flits_same_core'] / 1e6:.2f} flits on the same core apart",
        ),
        (
            "artifact: layers and cores",
            f"{ARTIFACT['layers']}, {ARTIFACT['cores']}",
            f"{row['layers']}, {row['cores']}",
            "its memory is one pool of twice the weights of Table III",
        ),
    ]
