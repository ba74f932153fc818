"""Exactness at full size: every quantized tensor of whole networks, on every level, element by
element; what `elsac verify` and `elsac info --widths` say of them.

For each network: how many of its quantizers were compared, how many integers differ between the
emulator, the `spiking` and the `qann` interpreter and onnxruntime, how many of onnxruntime's are
certified near-ties, whether the widths of all membranes are proved, and what it took. Each network
is a process of its own, so that seconds and peak memory are its own.

    python benchmarks/exact.py [NAME...] [--zoo FOLDER] [--images N] [--engine fast]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

NETWORKS = ("resnet18", "mobilenetv2")


def quantizers(network: Path) -> int:
    """How many QuantizeLinear nodes of the file quantize something that depends on its inputs."""
    import onnx

    graph = onnx.load(str(network), load_external_data=False).graph
    known = {i.name for i in graph.input} - {t.name for t in graph.initializer}
    count = 0
    for node in graph.node:
        if known & set(node.input):
            known |= set(node.output)
            count += node.op_type == "QuantizeLinear"
    return count


def verified(network: Path, target: str, images: int, engine: str) -> dict[str, Any]:
    """What `elsac verify` finds, with the seconds and the peak memory of its process."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "elsac", "verify", str(network), "--target", target]
        command += ["--input", str(network.with_suffix(".npz")), "--images", str(images), "-O0"]
        command += ["--engine", engine, "--json", str(report)]
        with tempfile.TemporaryFile() as said:
            start = time.perf_counter()
            process = subprocess.Popen(command, stdout=said, stderr=said)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            seconds = time.perf_counter() - start
            said.seek(0)
            if not report.is_file():
                raise SystemExit(said.read().decode().strip())
        found: dict[str, Any] = json.loads(report.read_text())
    return found | {"wall": round(seconds, 1), "megabytes": used.ru_maxrss // 1024}


def widths(network: Path, target: str) -> tuple[bool, int]:
    """Whether no membrane can leave its width, and how many membranes there are."""
    from elsac.compiler import Options, compile_onnx
    from elsac.report.widths import layer_widths, proved
    from elsac.targets import load_target

    program = compile_onnx(network, load_target(target), Options(effort=0)).program
    assert program is not None
    rows = layer_widths(program)
    return proved(rows), sum(row.membranes for row in rows)


def row(network: Path, target: str, found: dict[str, Any]) -> str:
    """One line of the table."""
    tensors = found["tensors"]
    columns = ("elements", "emulator", "spiking", "onnxruntime", "near_ties", "downstream")
    total = {c: sum(t[c] for t in tensors) for c in columns}
    held, membranes = widths(network, target)
    times = ", ".join(
        f"{name} {seconds:.0f}" for name, seconds in found["times"].items() if seconds >= 1
    )
    cells = (
        network.stem,
        f"{len(tensors)} of {quantizers(network)}",
        f"{total['elements']:,}",
        f"{total['emulator']:,}",
        f"{total['spiking']:,}",
        f"{total['onnxruntime']:,} ({total['near_ties']:,} near-ties, "
        f"{total['downstream']:,} behind them)",
        "yes" if found["passed"] else "NO",
        f"{membranes:,} {'proved' if held else 'NOT proved'}",
        f"{found['wall']:.0f} s ({times})",
        f"{found['megabytes']:,}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Verify the networks and print a row for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks of the zoo")
    parser.add_argument("--zoo", type=Path, default=Path("build/zoo"), metavar="FOLDER")
    parser.add_argument("--target", default="elsa-6x6", metavar="NAME")
    parser.add_argument("--images", type=int, default=1, metavar="N")
    parser.add_argument("--engine", choices=("fast", "interpreter", "both"), default="fast")
    given = parser.parse_args()
    print(
        "| network | tensors of quantizers | elements | emulator differs | spiking differs "
        "| onnxruntime differs | verified | membranes | wall | peak MB |\n"
        f"|{' --- |' * 2}{' ---: |' * 4} --- | --- | --- | ---: |"
    )
    for name in given.names or NETWORKS:
        network = given.zoo / f"{name}.onnx"
        if not network.is_file():
            parser.error(f"{network}: no such file; python benchmarks/zoo.py {name} writes it")
        found = verified(network, given.target, given.images, given.engine)
        print(row(network, given.target, found), flush=True)


if __name__ == "__main__":
    main()
