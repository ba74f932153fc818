"""How fast the exact emulation of whole networks is, beside the best dense simulators there are.

    python benchmarks/speed.py [--networks NAME ...] [--peer-python PATH] [--json OUT] [--svg OUT]

One image runs through the fast engine until the network is at rest: state made anew, spikes,
synaptic operations, flits and hops counted. Loading is not part of it and is told apart. Peers are
given the same weights, thresholds, input and number of steps, and their integers and spikes per
step are compared with ours; where a peer has other answers (onnxruntime, SpikingJelly) it does the
same dense work and is a clock only. Softmax and normalization are float32 in peers and can decide
near ties otherwise: how much differs is told. Each is an optional extra, and what is missing is
named.

Everybody runs in a process of its own on the same cores, in turns, round after round. Seconds are
medians; a ratio is the median over rounds of what the peer took for one of ours. A dense simulator
takes as long whatever spikes, and in proportion to the steps; ours depends on spikes.
"""

import argparse
import importlib.util
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from speed_picture import svg
from speed_turns import PEERS, Case, differing, in_turns
from timed import ARTIFACT, ROOT, SOURCE, _program, load, zoo_files
from timed_zoo import TRACES
from zoo import make_transformer
from zoo_networks.registry import ZOO
from zoo_networks.transformers import TRANSFORMERS

from elsac.compiler import Options
from elsac.runtime.bindings import Host
from elsac.targets import load_target

LARGE = ("vgg16", "resnet101", "yolov2")
"""Networks for 8x8 cores."""
REFERENCE = {
    "resnet18": (3.22e9, 32),
    "resnet50": (10.04e9, 32),
    "vgg16": (0.62e9, 32),
    "vit-s16": (90.74e9, 32),
}
"""Synaptic operations and steps of an image (arXiv 2605.20802, Table II)."""
CONTEXT = (
    ("BookSim2, 6x6 mesh, 0.03 flits a node and cycle", "126 k cycles/s"),
    ("SANA-FE, its Loihi example, detailed timing", "2.35 M synaptic events/s"),
)
"""Simulators of other things; measured on the same kind of machine at another time, not here."""


def prepare(name: str, arguments: argparse.Namespace, folder: Path) -> Case:
    """Compile a network of the zoo with -O1, or take the program from before."""
    if name in TRANSFORMERS:
        return prepare_transformer(name, arguments, folder)
    coarse = arguments.image == "trace" and name.removesuffix("-joined") in TRACES
    target = "elsa-8x8" if name.startswith(LARGE) else "elsa-6x6"
    run = load(name, arguments.zoo, Options(), target, arguments.programs, coarse=coarse)
    onnx, images, _ = zoo_files(name, arguments.zoo.resolve(), coarse)
    with np.load(images) as arrays:
        image = arrays["image"][:1]
    case = Case(name, onnx, run.target, run.program, run.rows, image, folder / name)
    case.write()
    return case


def prepare_transformer(name: str, arguments: argparse.Namespace, folder: Path) -> Case:
    """Compile a transformer of the zoo with -O1 for 8x8 cores, or take the program from before."""
    zoo = arguments.zoo.resolve()
    onnx, inputs = zoo / f"{name}.onnx", zoo / f"{name}.npz"
    if not (onnx.exists() and inputs.exists()):
        make_transformer(name, zoo, 0)
    target = load_target("elsa-8x8")
    program = _program(onnx, target, Options(), arguments.programs)
    with np.load(inputs) as arrays:
        image = next(iter(arrays.values()))[:1]
    host = Host(program)
    rows = [rows[0] for rows in host.tracers(host.check({None: image}))]
    case = Case(name, onnx, target, program, rows, image, folder / name)
    case.write()
    return case


def workload(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    """What the image costs in events, and what the references say of it."""
    base = name.removesuffix("-joined")
    macs = TRANSFORMERS[name].macs if name in TRANSFORMERS else ZOO[name].build(name).macs()
    known: dict[str, Any] = {
        "steps": facts["steps"],
        "sops": facts["sops"],
        "macs": macs,
        "share_of_dense": facts["sops"] / (macs * facts["steps"]),
        "spikes_per_neuron_and_step": facts["neuron_spikes"] / facts["neurons"] / facts["steps"],
    }
    if base in REFERENCE:
        sops, steps = REFERENCE[base]
        known["paper"] = {"sops": sops, "steps": steps, "share_of_dense": sops / (macs * steps)}
    if base in ARTIFACT:
        known["artifact"] = {"sops": ARTIFACT[base].sops, "source": SOURCE}
    return known


def describe(name: str, work: dict[str, Any]) -> str:
    """The workload in two lines."""
    lines = [
        f"{name}: T = {work['steps']} steps, {work['sops'] / 1e9:.2f} G SOPs, "
        f"{work['share_of_dense']:.1%} of the dense {work['macs'] / 1e9:.2f} G MACs x T, "
        f"{work['spikes_per_neuron_and_step']:.1%} spikes a neuron and step"
    ]
    if "paper" in work:
        paper = work["paper"]
        lines.append(
            f"  paper, Table II: {paper['sops'] / 1e9:.2f} G SOPs at T = {paper['steps']} "
            f"({paper['share_of_dense']:.1%} of dense)"
        )
    if "artifact" in work:
        lines.append(f"  trace of the {SOURCE}: {work['artifact']['sops'] / 1e9:.2f} G SOPs")
    return "\n".join(lines)


def answers(peer: dict[str, Any]) -> str:
    """Whether a peer's are ours, in a word or two."""
    if not peer["agrees"]:
        return "NO"
    if peer["same_integers"] and peer["same_spikes"]:
        return "yes"
    return (
        f"{peer['different_integers']} of {peer['integers']} differ, by {peer['integers_off']:.2%}"
        f" of all; spikes by {peer['spikes_off']:.2%}"
    )


def table(name: str, measured: list[dict[str, Any]]) -> Table:
    """Seconds and ratios, a line for each runner and number of threads."""
    shown = Table(title=name, title_justify="left")
    for column in ("threads", "runner", "T", "wall ms", "cpu ms", "wall", "cpu", "same answers"):
        shown.add_column(column, justify="left" if column == "runner" else "right")
    for result in measured:
        ours = result["ours"]
        label = "elsac, fast engine"
        if result["threads"] > 1 and not ours["uses_threads"]:
            label += " (has one thread)"
        shown.add_row(
            str(result["threads"]), label, str(ours["steps"]), f"{1e3 * ours['wall_s']:.1f}",
            f"{1e3 * ours['cpu_s']:.1f}", "1", "1", "-", style="bold",
        )  # fmt: skip
        void = bool(differing(result))
        for key, peer in result["peers"].items():
            same = "clock only"
            if PEERS[key].exact:
                same = answers(peer)
            shown.add_row(
                str(result["threads"]), PEERS[key].label, str(peer["steps"]),
                f"{1e3 * peer['wall_s']:.1f}", f"{1e3 * peer['cpu_s']:.1f}",
                "void" if void else f"{peer['ratio_wall']:.2f}x",
                "void" if void else f"{peer['ratio_cpu']:.2f}x", same,
            )  # fmt: skip
    return shown


def measure(name: str, arguments: argparse.Namespace, folder: Path, full: bool) -> dict[str, Any]:
    """One network: `full` with peers, else ours alone on one core."""
    case = prepare(name, arguments, folder)
    keys = arguments.peers if full else []
    runs = [
        in_turns(case, keys, threads, arguments.repeats, arguments.peer_python, arguments.steps)
        for threads in (arguments.threads if full else [1])
    ]
    work = workload(name, runs[0]["ours"])
    coarse = arguments.image == "trace" and name.removesuffix("-joined") in TRACES
    bits = "3 bits, zeros and mean of the trace" if coarse else "8 bits"
    return {"network": name, "image": bits, "target": case.target.name, "workload": work} | {
        "runs": runs
    }


def show(result: dict[str, Any], console: Console) -> None:
    """Print one network."""
    name, first = result["network"], result["runs"][0]
    console.print(describe(name, result["workload"]), highlight=False)
    ours = first["ours"]
    console.print(
        f"  {result['target']}, image of {result['image']}; not in the times: load "
        f"{ours['load_s']:.2f} s, first run {ours['first_run_s']:.2f} s; "
        f"{ours['sops'] / ours['wall_s'] / 1e9:.1f} G SOP/s",
        highlight=False,
    )
    console.print(table(name, result["runs"]))
    for run in result["runs"]:
        loads = " to ".join(f"{load:.1f}" for load in run["load"])
        console.print(f"  {run['threads']} thread(s): load average {loads}", highlight=False)
    for key in dict.fromkeys(k for run in result["runs"] for k in differing(run)):
        console.print(
            f"  ANSWERS DIFFER: {PEERS[key].label} has other integers or spikes; its figures and "
            "ours are void. Find the first layer that differs: elsac verify",
            highlight=False,
        )
    for key, why in first["missing"].items():
        console.print(f"  missing: {PEERS[key].label}: {why}", highlight=False, markup=False)


def parsed(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    known = [*ZOO, *TRANSFORMERS]
    usual = ["resnet18", "resnet50", "vgg16"]
    parser.add_argument("--networks", nargs="+", choices=known, default=usual, metavar="NAME")
    also = ["resnet34", "resnet101", "mobilenetv2", "yolov2"]
    parser.add_argument(
        "--also", nargs="*", choices=known, default=also, metavar="NAME", help="ours alone"
    )
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS), metavar="PEER")
    parser.add_argument("--peer-python", metavar="PATH", help="an interpreter with torch")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2], metavar="N")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="rounds")
    parser.add_argument("--steps", type=int, metavar="T", help="of the peers; default: as ours")
    parser.add_argument("--image", choices=("trace", "full"), default="trace")
    parser.add_argument("--zoo", type=Path, default=ROOT / "build" / "zoo")
    parser.add_argument("--programs", type=Path, default=ROOT / "build" / "programs")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures here")
    parser.add_argument("--svg", type=Path, metavar="OUT", help="draw a picture")
    arguments = parser.parse_args(given)
    cores = len(os.sched_getaffinity(0))
    if not all(1 <= n <= cores for n in arguments.threads):
        parser.error(f"--threads: expected 1 to {cores}, the cores of this process")
    if arguments.repeats < 1:
        parser.error("--repeats: expected at least 1")
    if arguments.peer_python is None and importlib.util.find_spec("torch"):
        arguments.peer_python = sys.executable
    return arguments


def main() -> int:
    """Measure, print, write. 1 if somebody's answers differ, and then nothing is drawn."""
    arguments = parsed()
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(ROOT / "build" / "inductor"))
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {platform.machine()}")
    results = []
    with tempfile.TemporaryDirectory(prefix="speed") as scratch:
        names = list(dict.fromkeys([*arguments.networks, *arguments.also]))
        for name in names:
            full = name in arguments.networks
            results.append(measure(name, arguments, Path(scratch), full))
            show(results[-1], console)
            if arguments.json is not None:
                context = [{"what": w, "figure": f, "measured": "elsewhere"} for w, f in CONTEXT]
                write(
                    arguments.json, json.dumps({"results": results, "context": context}, indent=1)
                )
    for what, figure in CONTEXT:
        console.print(f"context, not run here: {what}: {figure}", highlight=False)
    if any(differing(run) for result in results for run in result["runs"]):
        return 1
    if arguments.svg is not None:
        write(arguments.svg, svg(results, {key: peer.label for key, peer in PEERS.items()}))
    return 0


def write(path: Path, text: str) -> None:
    """Whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(text.rstrip() + "\n")
    part.replace(path)


if __name__ == "__main__":
    sys.exit(main())
