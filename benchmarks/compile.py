"""What a compilation costs: seconds of a fresh process, peak memory, and whether `--time-passes`
accounts for them; and whether the cost grows with the network and no faster.

Each compilation is a process of its own. `accounted` is the sum that `--time-passes` prints over
the seconds that the whole process took. The second table compiles chains of equal layers; `per
layer` is the time of a chain less that of the shortest one, for each layer more.

    python benchmarks/compile.py [NAME...] [--zoo FOLDER] [-O LEVEL] [--chains 25 50 100]
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

NETWORKS = ("resnet18", "resnet34", "resnet50", "resnet101", "vgg16", "mobilenetv2", "yolov2")
TARGETS = ("elsa-6x6", "elsa-8x8", "elsa-12x12", "elsa-16x16")
SHOWN = 3
"""Passes of a row, the slowest ones."""


@dataclass
class Cost:
    """One compilation."""

    network: str
    target: str
    seconds: float
    megabytes: int
    accounted: float
    """Share of the seconds that the rows of `--time-passes` add up to."""
    milliseconds: dict[str, float]


def compile_once(network: Path, target: str, level: int) -> Cost | None:
    """Compile in a fresh process; None if it does not fit the chip."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "network.bin"
        command = [sys.executable, "-m", "elsac", "compile", str(network), "--target", target]
        command += [f"-O{level}", "-o", str(output), "--time-passes"]
        with tempfile.TemporaryFile() as said:
            start = time.perf_counter()
            process = subprocess.Popen(command, stdout=said, stderr=said)
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            text = said.read().decode()
    if process.returncode:
        if "does not fit" not in text:
            raise SystemExit(text.strip())
        return None
    rows = dict(re.findall(r"^(\S+(?: \S+)*?)  +([\d,]+\.\d)$", text, re.MULTILINE))
    times = {name: float(value.replace(",", "")) for name, value in rows.items()}
    total = times.pop("total")
    return Cost(
        network.stem,
        target,
        round(seconds, 2),
        used.ru_maxrss // 1024,
        round(total / 1000 / seconds, 3),
        times,
    )


def smallest_chip(network: Path, level: int) -> Cost | None:
    """Compile for the smallest chip that holds the network."""
    return next((c for t in TARGETS if (c := compile_once(network, t, level))), None)


def table(costs: list[Cost], level: int) -> str:
    """The costs in Markdown."""
    lines = [
        f"| network | chip | -O{level}, s | peak MB | accounted | slowest, ms |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    for cost in costs:
        slowest = sorted(cost.milliseconds.items(), key=lambda row: -row[1])[:SHOWN]
        named = ", ".join(f"{name} {value:,.0f}" for name, value in slowest)
        lines.append(
            f"| {cost.network} | `{cost.target}` | {cost.seconds:.2f} | {cost.megabytes:,} "
            f"| {100 * cost.accounted:.0f} % | {named} |"
        )
    return "\n".join(lines)


def chain(layers: int, folder: Path) -> Path:
    """A quantized network of so many equal convolutions, one behind the other."""
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    rng, channels, size = np.random.default_rng(0), 16, 16
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, Any] = {
        "zero": np.uint8(0),
        "wzero": np.int8(0),
        "scale": np.float32(0.0625),
    }

    def node(op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def quantized(name: str) -> str:
        node("QuantizeLinear", [name, "scale", "zero"], f"{name}_q")
        return node("DequantizeLinear", [f"{name}_q", "scale", "zero"], f"{name}_d")

    value = quantized("image")
    for layer in range(layers):
        weights = rng.integers(-8, 8, (channels, channels, 3, 3)).astype(np.int8)
        constants[f"w{layer}"] = weights
        # Another scale for each layer and channel, as trained networks have: equal thresholds are
        # kept once, which would make later layers cheaper.
        steps = rng.uniform(0.01, 0.02, channels).astype(np.float32)
        constants[f"s{layer}"] = steps
        constants[f"z{layer}"] = np.zeros(channels, np.int8)
        names = [f"w{layer}", f"s{layer}", f"z{layer}"]
        weight = node("DequantizeLinear", names, f"wd{layer}", axis=0)
        out = node("Conv", [value, weight], f"conv{layer}", pads=[1, 1, 1, 1])
        value = quantized(node("Relu", [out], f"relu{layer}"))
    shape: list[str | int | None] = ["n", channels, size, size]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "chain",
        [info("image", onnx.TensorProto.FLOAT, shape)],
        [info(value, onnx.TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / f"chain{layers}.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def growth(lengths: list[int], level: int) -> tuple[str, list[Cost]]:
    """Chains of these lengths, with the time that each layer more takes, pass by pass."""
    with tempfile.TemporaryDirectory() as folder:
        found = [smallest_chip(chain(n, Path(folder)), level) for n in lengths]
    costs = [c for c in found if c is not None]
    if len(costs) < len(lengths):
        raise SystemExit("a chain fits no chip; give shorter ones")
    lines = [
        f"| layers | chip | -O{level}, s | peak MB | ms per layer | growing fastest |",
        "| ---: | --- | ---: | ---: | ---: | --- |",
    ]
    first = costs[0]
    for layers, cost in zip(lengths, costs, strict=True):
        more, each, fastest = layers - lengths[0], "", ""
        if more:
            each = f"{1000 * (cost.seconds - first.seconds) / more:.1f}"
            rates = {
                n: (t - first.milliseconds.get(n, 0.0)) / more for n, t in cost.milliseconds.items()
            }
            name = max(rates, key=lambda n: rates[n])
            fastest = f"{name}, {rates[name]:.1f} ms a layer"
        lines.append(
            f"| {layers} | `{cost.target}` | {cost.seconds:.2f} | {cost.megabytes:,} | {each} "
            f"| {fastest} |"
        )
    return "\n".join(lines), costs


def main() -> None:
    """Compile the networks and the chains; print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NETWORKS)}")
    parser.add_argument("--zoo", type=Path, default=Path("build/zoo"), metavar="FOLDER")
    parser.add_argument("-O", dest="level", type=int, choices=(0, 1, 2), default=0)
    parser.add_argument("--chains", type=int, nargs="*", default=[25, 50, 100], metavar="LAYERS")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    costs: list[Cost] = []
    for name in given.names or NETWORKS:
        network = given.zoo / f"{name}.onnx"
        if not network.is_file():
            parser.error(f"{network}: no such file; python benchmarks/zoo.py {name} writes it")
        cost = smallest_chip(network, given.level)
        if cost is None:
            print(f"{name}: fits none of {', '.join(TARGETS)}", file=sys.stderr)
        else:
            costs.append(cost)
    print(table(costs, given.level))
    if given.chains:
        text, chains = growth(sorted(given.chains), given.level)
        print(f"\n{text}")
        costs += chains
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(c) for c in costs], indent=2) + "\n")


if __name__ == "__main__":
    main()
