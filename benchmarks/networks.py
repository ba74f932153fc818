"""From ONNX to programs at full size: what fits where, how long it takes, and what the optimizer
gains over the paper's partition.

Each network of the zoo (benchmarks/zoo.py; written to --zoo when it is not there) is compiled for
the chips of --targets, smallest first, until it fits, with its profile; then once more with -O0.
Each compilation is a process of its own, so that seconds and peak memory are its own. The paper's
Algorithm 2 merges whole layers along the heaviest connections while memory and circuits allow; its
bottleneck is that of the busiest core on the same network and chip, or, where its answer does not
fit, on the chip with the pooled memory of the published artifact.
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

NETWORKS = ("resnet18", "resnet34", "resnet50", "vgg16", "resnet101", "mobilenetv2", "yolov2")
TARGETS = ("elsa-6x6", "elsa-8x8", "elsa-12x12", "elsa-16x16")
POOLED = "elsa-6x6-artifact"


def compile_once(arguments: list[str]) -> dict[str, Any]:
    """Seconds, peak megabytes, and what the compiler said."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        command = [sys.executable, "-m", "elsac", "compile", *arguments]
        process = subprocess.Popen(command, stdout=output, stderr=output)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode()
    return {
        "fits": process.returncode == 0,
        "seconds": round(seconds, 1),
        "megabytes": used.ru_maxrss // 1024,
        "said": text.strip(),
    }


def mapping_of(program: Path) -> dict[str, Any]:
    """The claims in a program's header."""
    from elsac.runtime import container

    header = container.from_bytes(program.read_bytes()).header
    return dict(header["mapping"])


def algorithm_2(network: Path, profile: Path | None, target: str) -> dict[str, Any]:
    """The bottleneck of the paper's partition on one chip: columns over PEs, few tiles."""
    from elsac.compiler import Options, lower, new_context, pipeline_steps
    from elsac.context import Blobs
    from elsac.frontends import import_onnx
    from elsac.mapping.partition import Flow, Single, fill, merge_greedily
    from elsac.passes.partition import Question
    from elsac.targets import load_target

    chip = load_target(target)
    context = new_context(chip)
    imported = import_onnx(network, context)
    steps = pipeline_steps(chip, Options(profile=None if profile is None else str(profile)))
    lower(imported.module, context, ",".join(steps), "bundle-packets")
    blobs = Blobs(imported.module, context.store)
    question = Question.of(imported.module, blobs, chip, "columns")
    singles: list[Single] = []
    tiles: list[list[int]] = []
    for layer in question.layers:
        option = min(layer.options, key=lambda o: o.column_tiles)
        tiles.append([len(singles) + i for i in range(option.column_tiles)])
        singles += [Single(layer.name, option.need, option.cycles, option.circuits)] * len(
            tiles[-1]
        )
    flows = [
        Flow(here, there, flow.flits // len(tiles[flow.source]))
        for flow in question.flows
        for here in tiles[flow.source]
        for there in tiles[flow.sink]
    ]
    groups = merge_greedily(singles, flows, question.machine)
    cores = fill(groups, singles, question.machine)
    busy = [0] * (max(cores) + 1)
    for core, single in zip(cores, singles, strict=True):
        busy[core] += single.cycles
    return {
        "target": target,
        "fits": len(busy) <= chip.cores,
        "cores": len(busy),
        "cycles": max(busy),
    }


def measure(name: str, folder: Path, targets: list[str], options: list[str]) -> dict[str, Any]:
    """Everything about one network."""
    network, profile = folder / f"{name}.onnx", folder / f"{name}.profile.json"
    if not network.exists():
        zoo = Path(__file__).parent / "zoo.py"
        subprocess.run([sys.executable, str(zoo), name, "--output", str(folder)], check=True)
    given = [str(network), *options, *(["--profile", str(profile)] if profile.exists() else [])]
    result: dict[str, Any] = {"network": name, "refused": {}}
    with tempfile.TemporaryDirectory() as scratch:
        program = Path(scratch) / "program.bin"
        for target in targets:
            made = compile_once([*given, "--target", target, "-o", str(program)])
            if made["fits"]:
                result |= {"target": target, "compiled": made, "mapping": mapping_of(program)}
                quick = compile_once([*given, "--target", target, "-O0", "-o", str(program)])
                result["quick"] = quick
                break
            result["refused"][target] = made["said"]
    if "target" in result:
        baseline = algorithm_2(network, profile if profile.exists() else None, result["target"])
        ours = result["mapping"]["partition"]["bottleneck"]
        if not baseline["fits"]:
            baseline = algorithm_2(network, profile if profile.exists() else None, POOLED)
            made = compile_pooled(given)
            ours = made["bottleneck"] if made else ours
        result["algorithm_2"] = baseline
        result["ratio"] = round(ours / baseline["cycles"], 3)
    return result


def compile_pooled(given: list[str]) -> dict[str, Any] | None:
    """Our partition on the pooled chip, for a fair comparison there."""
    with tempfile.TemporaryDirectory() as scratch:
        program = Path(scratch) / "program.bin"
        made = compile_once([*given, "--target", POOLED, "-o", str(program)])
        return dict(mapping_of(program)["partition"]) if made["fits"] else None


def show(result: dict[str, Any]) -> str:
    """One network in a few lines."""
    lines = [result["network"]]
    for target, said in result["refused"].items():
        lines.append(f"  {target}: {said}")
    if "target" in result:
        made, quick, mapping = result["compiled"], result["quick"], result["mapping"]
        part, place, paper = mapping["partition"], mapping["placement"], result["algorithm_2"]
        lines += [
            f"  {result['target']}: {made['seconds']} s, {made['megabytes']} MB; "
            f"-O0 {quick['seconds']} s, {quick['megabytes']} MB",
            f"  busiest core {part['bottleneck']:,} cycles (bound {part['bound']:,}), "
            f"{part['cores']} cores; placement {place['flit_hops']:,} flit-hops "
            f"(bound {place['bound']:,})",
            f"  Algorithm 2 on {paper['target']}: {paper['cycles']:,} cycles on {paper['cores']} "
            f"cores{'' if paper['fits'] else ' (does not fit)'}; ours is {result['ratio']}x",
        ]
    return "\n".join(lines)


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("networks", nargs="*", default=["resnet18", "resnet34", "resnet50"])
    parser.add_argument("--zoo", type=Path, default=Path("build/zoo"), help="folder of the zoo")
    parser.add_argument("--targets", nargs="+", default=list(TARGETS))
    parser.add_argument("--options", default="", help="more options of elsac compile")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    results = []
    for name in arguments.networks:
        result = measure(name, arguments.zoo, arguments.targets, arguments.options.split())
        print(show(result), flush=True)
        results.append(result)
    if arguments.json is not None:
        scratch = arguments.json.with_suffix(".part")
        scratch.write_text(json.dumps(results, indent=1) + "\n")
        scratch.replace(arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
