"""Every shape of layer in the zoo at several densities: our engine beside dense 8-bit arithmetic.

    python benchmarks/layers.py --peer-python PATH [--match TEXT] [--densities P ...] [--json OUT]

A network of one layer is compiled (-O0: few, wide tiles, as in a full chip). A share of its input,
chosen at random, has the tracer 15 and enters as single spikes, so that exactly this share spikes
in each of 15 steps; at density 0 it is one element, which keeps the run as long. Thresholds let a
neuron fire in about every 15th step. The peer makes the spikes of all 15 steps at once, from the
same tracers as we do, takes the fastest way that it has for that shape, in float32 or 8 bits (see
speed_torch.py), and fires as we do; its integers and spikes are compared with ours. It counts
nothing, where we count spikes, SOPs, flits and hops of every step.

`ratio` is its seconds of processor for one of ours; `net` without what a run of no steps takes us
(state made anew), which in a whole network is paid once for all layers.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from rich.table import Table
from speed_network import export
from speed_turns import PEERS, compared, times
from speed_worker import Missing, Worker, can_import
from zoo_networks.export import IR_VERSION, OPSET
from zoo_networks.registry import ZOO

from elsac.compiler import Options, compile_onnx
from elsac.context import CompileError
from elsac.runtime import container
from elsac.runtime.bindings import Host
from elsac.targets import load_target

STEPS = 15
"""The largest 4-bit tracer: it spikes as often when it enters as single spikes."""
DENSITIES = (0, 1, 5, 10, 20, 50, 100)
GOAL = 0.95
RARELY = 6.0
"""A threshold in standard deviations of what arrives in a step."""
OPTIONS = Options(coding="spikes", effort=0)
NETWORKS = ("resnet18", "resnet34", "resnet50", "resnet101", "vgg16", "mobilenetv2", "yolov2")
TARGETS = ("elsa-6x6", "elsa-8x8", "elsa-12x12")


class Shape(NamedTuple):
    """One layer with its input (channels, height, width); a vector has 0 x 0 places."""

    inputs: int
    height: int
    width: int
    outputs: int
    kernel: int = 1
    stride: int = 1
    pad: int = 0
    groups: int = 1

    @property
    def name(self) -> str:
        """For people."""
        if not self.height:
            return f"fc {self.inputs} to {self.outputs}"
        kind = "dw" if self.groups > 1 else "conv"
        step = f"/{self.stride}" if self.stride > 1 else ""
        size = f"{self.height}x{self.width}"
        return f"{kind}{self.kernel}x{self.kernel}{step} {self.inputs} to {self.outputs}, {size}"


def shapes(networks: tuple[str, ...] = NETWORKS) -> list[Shape]:
    """All distinct layers with weights."""
    found: dict[Shape, None] = {}
    for name in networks:
        network = ZOO[name].build(name)
        for layer in network.layers.values():
            before = network.shapes[layer.inputs[0]] if layer.inputs else ()
            if layer.op == "gemm":
                found[Shape(before[0], 0, 0, layer.channels)] = None
            elif layer.op == "conv":
                window = (layer.kernel, layer.stride, layer.pad, layer.groups)
                found[Shape(*before, layer.channels, *window)] = None
    return list(found)


def model(shape: Shape, seed: int) -> onnx.ModelProto:
    """The layer between two 4-bit quantizers, with random 4-bit weights."""
    rng = np.random.default_rng(seed)
    fan = (shape.inputs // shape.groups, shape.kernel, shape.kernel)
    vector = not shape.height
    size = (shape.outputs, shape.inputs) if vector else (shape.outputs, *fan)
    weight = rng.integers(-7, 8, size).astype(np.int8)
    if not weight.any():
        weight.flat[0] = 1
    arriving = float(np.sqrt(np.square(weight.astype(float)).sum() / shape.outputs))
    scales = {"one": 1.0, "scale": RARELY * arriving / 2}
    values = [numpy_helper.from_array(np.float32(v), n) for n, v in scales.items()]
    values.append(numpy_helper.from_array(weight, "w_q"))
    zero = helper.make_tensor("zero", TensorProto.UINT4, [], [0])
    window = {
        "kernel_shape": [shape.kernel] * 2,
        "strides": [shape.stride] * 2,
        "pads": [shape.pad] * 4,
        "group": shape.groups,
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "one", "zero"], ["x_q"], "x_q"),
        helper.make_node("DequantizeLinear", ["x_q", "one", "zero"], ["x"], "x"),
        helper.make_node("DequantizeLinear", ["w_q", "one"], ["w"], "w"),
        helper.make_node("Gemm", ["x", "w"], ["y"], "layer", transB=1)
        if vector
        else helper.make_node("Conv", ["x", "w"], ["y"], "layer", **window),
        helper.make_node("Relu", ["y"], ["r"], "relu"),
        helper.make_node("QuantizeLinear", ["r", "scale", "zero"], ["r_q"], "r_q"),
        helper.make_node("DequantizeLinear", ["r_q", "scale", "zero"], ["out"], "out"),
    ]
    dims = ["batch", *_dims(shape)]
    out = ["batch", shape.outputs, *([] if vector else ["h", "w"])]
    ends = [helper.make_tensor_value_info("image", TensorProto.FLOAT, dims)]
    outs = [helper.make_tensor_value_info("out", TensorProto.FLOAT, out)]
    graph = helper.make_graph(nodes, "layer", ends, outs, [*values, zero])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    made.ir_version = IR_VERSION
    return made


def _dims(shape: Shape) -> list[int]:
    return [shape.inputs, shape.height, shape.width] if shape.height else [shape.inputs]


def image(shape: Shape, percent: float, seed: int) -> np.ndarray[Any, Any]:
    """An input (1, ...) in which this share of elements is 15."""
    size = int(np.prod(_dims(shape)))
    flat = np.zeros(size, np.float32)
    chosen = np.random.default_rng(seed).permutation(size)[: max(round(size * percent / 100), 1)]
    flat[chosen] = STEPS
    return flat.reshape(1, *_dims(shape))


class Bench:
    """Two workers on one core, for one layer after the other."""

    def __init__(self, python: str | None, folder: Path, repeats: int, peer: str) -> None:
        self.folder, self.repeats, self.peer = folder, repeats, peer
        self.ours = Worker(sys.executable, "speed_ours.py", 1, folder)
        self.theirs: Worker | None = None
        self.missing: str | None = None
        if python is None or not can_import(python, *PEERS[peer].modules):
            self.missing = f"{PEERS[peer].label}: name an interpreter with torch: --peer-python"
        else:
            self.theirs = Worker(python, PEERS[peer].script, 1, folder)

    def close(self) -> None:
        """End both."""
        for worker in (self.ours, self.theirs):
            if worker is not None:
                worker.close()

    def layer(self, shape: Shape, densities: list[float], seed: int) -> dict[str, Any]:
        """All cells of one layer."""
        path = self.folder / "layer.onnx"
        path.write_bytes(model(shape, seed).SerializeToString())
        program, target = fitting(path)
        (self.folder / "program.elsa").write_bytes(container.to_bytes(program))
        host = Host(program)
        macs = shape.outputs * (shape.inputs // shape.groups) * shape.kernel**2
        places = 1
        for side in (shape.height, shape.width):
            places *= (side + 2 * shape.pad - shape.kernel) // shape.stride + 1 if side else 1
        result: dict[str, Any] = {
            "layer": shape.name, "shape": shape._asdict(), "target": target.name, "cells": [],
            "macs": macs * places, "steps": STEPS,
        }  # fmt: skip
        for percent in densities:
            given = image(shape, percent, seed)
            rows = [r[0] for r in host.tracers(host.check({None: given}))]
            np.savez(self.folder / "inputs.npz", *rows)
            export(path, target, OPTIONS, given, self.folder / "network.npz")
            result["cells"].append({"density": percent} | self.cell())
        return result

    def cell(self) -> dict[str, Any]:
        """Ours and the peer in turns, at the density whose files are there."""
        files = {n: str(self.folder / f) for n, f in FILES.items()}
        asked = {"do": "open", "engine": "fast", "threads": 1, "max_steps": STEPS} | files
        facts = self.ours.ask(**asked)["facts"]
        theirs = self.theirs
        rounds: dict[str, list[dict[str, float]]] = {"ours": [], "peer": []}
        cell: dict[str, Any] = {name: facts[name] for name in ("sops", "empty_s")}
        cell["input_spikes"] = facts["spikes"] - facts["neuron_spikes"]
        if theirs is not None:
            opened = theirs.ask(
                do="open", kind=PEERS[self.peer].kind, steps=STEPS, threads=1, encodes=True, **files
            )
            cell["how"] = opened["facts"]["convolutions"]
        for _ in range(self.repeats):
            rounds["ours"].append(self.ours.ask(do="run"))
            if theirs is not None:
                rounds["peer"].append(theirs.ask(do="run"))
        cell["ours"] = times(rounds["ours"])
        if theirs is not None:
            cell["peer"] = times(rounds["peer"])
            pairs = list(zip(rounds["peer"], rounds["ours"], strict=True))
            cell["ratio"] = statistics.median(p["cpu"] / o["cpu"] for p, o in pairs)
            mine, empty = statistics.median(o["cpu"] for _, o in pairs), facts["empty_s"]
            theirs_cpu = statistics.median(p["cpu"] for p, _ in pairs)
            # What is left of almost nothing is noise.
            cell["net"] = theirs_cpu / (mine - empty) if mine > 1.1 * empty else None
            cell |= compared(self.ours.ask(do="answer"), theirs.ask(do="answer"))
        return cell


FILES = {"program": "program.elsa", "inputs": "inputs.npz", "network": "network.npz"}


def fitting(path: Path) -> tuple[Any, Any]:
    """The program on the smallest chip that holds it, and that chip."""
    for name in TARGETS:
        target = load_target(name)
        try:
            return compile_onnx(path, target, OPTIONS).program, target
        except CompileError:
            if name == TARGETS[-1]:
                raise
    raise AssertionError


def show(results: list[dict[str, Any]], console: Console, most: int) -> int:
    """The worst cells first. The number of cells in which the peer's answers are not ours."""
    cells = [(layer, cell) for layer in results for cell in layer["cells"] if "ratio" in cell]
    wrong = [(x, c) for x, c in cells if not (c["same_integers"] and c["same_spikes"])]
    cells = sorted((pair for pair in cells if pair not in wrong), key=lambda p: p[1]["ratio"])
    shown = Table(
        title=f"worst {min(most, len(cells))} of {len(cells)} cells, seconds of processor"
    )
    for column in ("layer", "density", "ours ms", "peer ms", "ratio", "net", "peer's way"):
        shown.add_column(column, justify="left" if column in ("layer", "peer's way") else "right")
    for layer, cell in cells[:most]:
        shown.add_row(
            layer["layer"], f"{cell['density']:g} %", f"{1e3 * cell['ours']['cpu_s']:.2f}",
            f"{1e3 * cell['peer']['cpu_s']:.2f}", f"{cell['ratio']:.2f}x",
            "-" if cell["net"] is None else f"{cell['net']:.2f}x",
            ", ".join(cell["how"]),
        )  # fmt: skip
    console.print(shown)
    for percent in dict.fromkeys(cell["density"] for _, cell in cells):
        ratios = [c["ratio"] for _, c in cells if c["density"] == percent]
        good = sum(r >= GOAL for r in ratios)
        console.print(
            f"density {percent:g} %: median ratio {statistics.median(ratios):.2f}x, "
            f"{good} of {len(ratios)} layers at {GOAL}x or above",
            highlight=False,
        )
    for layer, cell in wrong:
        console.print(f"ANSWERS DIFFER, ratio void: {layer['layer']}, {cell['density']:g} %")
    return len(wrong)


def main() -> int:
    """Measure, print, write. 1 if an answer differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--peer-python", metavar="PATH", help="an interpreter with torch")
    parser.add_argument(
        "--match", default="", metavar="TEXT", help="layers with this in their name"
    )
    parser.add_argument("--densities", nargs="+", type=float, default=list(DENSITIES), metavar="P")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="rounds")
    parser.add_argument("--seed", type=int, default=0, help="of weights and inputs")
    parser.add_argument("--worst", type=int, default=25, metavar="N", help="cells to print")
    parser.add_argument("--list", action="store_true", help="only name the layers")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures here")
    arguments = parser.parse_args()
    wanted = [shape for shape in shapes() if arguments.match in shape.name]
    if not wanted:
        parser.error(f"no layer has {arguments.match!r} in its name; --list shows them")
    if arguments.list:
        print("\n".join(shape.name for shape in wanted))
        return 0
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {len(wanted)} layers")
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="layers") as scratch:
        bench = Bench(arguments.peer_python, Path(scratch), arguments.repeats, "torch-int8")
        try:
            for shape in wanted:
                try:
                    made = bench.layer(shape, arguments.densities, arguments.seed)
                except (CompileError, Missing) as error:
                    console.print(f"{shape.name}: {error}", markup=False, highlight=False)
                    continue
                results.append(made)
                cells = "  ".join(
                    f"{c['density']:g}%:{c.get('ratio', 0):.2f}x" for c in made["cells"]
                )
                console.print(f"{shape.name}: {cells}", highlight=False)
        finally:
            bench.close()
    wrong = show(results, console, arguments.worst)
    if bench.missing is not None:
        console.print(f"missing: {bench.missing}", highlight=False)
    console.print(f"load {os.getloadavg()[0]:.1f}")
    if arguments.json is not None:
        part = arguments.json.with_suffix(".part")
        part.write_text(json.dumps(results, indent=1) + "\n")
        part.replace(arguments.json)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
