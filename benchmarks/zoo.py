"""Writes standard networks as quantized ONNX files with random weights: workloads, not models.

    python benchmarks/zoo.py NAME... | all --output DIR [--seed N] [--profile FILE | --no-calibrate]
    python benchmarks/zoo.py --list

For each network: NAME.onnx, NAME.npz (a few synthetic images), and NAME.profile.json (the spikes
that each layer sends in each step, found by simulation). The same arguments give the same bytes.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# BLAS threads that wait for one another on a busy machine take ten times as long as one thread.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from zoo_networks import profiles, synthetic
from zoo_networks.calibrate import calibrate
from zoo_networks.export import to_onnx
from zoo_networks.numbers import Numbers
from zoo_networks.registry import ZOO
from zoo_networks.transformers import TRANSFORMERS
from zoo_networks.transformers import build as build_transformer

IMAGES = 4
"""In the file of images, if no more are needed."""


def make_transformer(name: str, folder: Path, seed: int) -> str:
    """Write the model and the inputs of one transformer; what to say about it."""
    start = time.perf_counter()
    network, inputs = build_transformer(name, TRANSFORMERS[name], 2, seed)
    model = network.SerializeToString()
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / f"{name}.onnx", lambda path: path.write_bytes(model))
    write(folder / f"{name}.npz", lambda path: _save(path, inputs))
    return f"{name}: {len(model):,} bytes, {time.perf_counter() - start:.1f} s"


def write(path: Path, content: Callable[[Path], object]) -> None:
    """Fill a temporary file next to `path`, then rename it."""
    temporary = path.with_name(f".{path.name}")
    content(temporary)
    temporary.replace(path)


def make(name: str, folder: Path, seed: int, profile: Path | None, steps: bool) -> str:
    """Write the files of one network; what to say about it."""
    start = time.perf_counter()
    workload = ZOO[name]
    network = workload.build(name)
    aim = profile or workload.profile
    images = synthetic.images(network.shape, max(IMAGES, workload.images), seed)
    numbers = calibrate(
        network,
        images,
        workload.images,
        profiles.load(aim) if aim else {},
        seed,
        steps=steps,
    )
    model = to_onnx(numbers).SerializeToString()
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / f"{name}.onnx", lambda path: path.write_bytes(model))
    write(folder / f"{name}.npz", lambda path: save_images(path, images))
    record = folder / f"{name}.profile.json"
    if steps:
        spikes = profiles.dump(network, numbers.spikes, workload.images)
        write(record, lambda path: path.write_text(profiles.text(spikes)))
    else:
        record.unlink(missing_ok=True)
    seconds = time.perf_counter() - start
    what = "spikes" if steps else "resting levels"
    return f"{name}: {len(model):,} bytes, {what} {_misses(numbers)}, {seconds:.1f} s"


def save_images(path: Path, images: np.ndarray) -> None:
    """Images of bytes, as the reals that a network is given."""
    _save(path, {"image": images * synthetic.IMAGE_SCALE})


def _save(path: Path, inputs: dict[str, Any]) -> None:
    with path.open("wb") as file:  # a name would get another suffix
        np.savez_compressed(file, **inputs)


def _misses(numbers: Numbers) -> str:
    misses = [abs(miss) for miss in numbers.misses().values()]
    mean, most = float(np.mean(misses)), max(misses)
    return f"{mean:.1%} off their profile on average, {most:.1%} at most"


def table() -> str:
    """All networks and their sizes."""
    lines = [f"{'name':18}{'input':>13}{'weights M':>11}{'neurons M':>11}{'MACs G':>9}  profile"]
    for name, workload in ZOO.items():
        net = workload.build(name)
        size = "x".join(map(str, net.shape))
        counts = f"{net.weights() / 1e6:11.2f}{net.spiking_neurons() / 1e6:11.2f}"
        macs = f"{net.macs() / 1e9:9.2f}"
        lines.append(f"{name:18}{size:>13}{counts}{macs}  {workload.trace or 'generic'}")
    for name, sizes in TRANSFORMERS.items():
        size = f"{sizes.tokens} ids" if sizes.text else "3x224x224"
        counts = f"{sizes.weights / 1e6:11.2f}{'':11}{sizes.macs / 1e9:9.2f}"
        lines.append(f"{name:18}{size:>13}{counts}  none")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks, or all")
    parser.add_argument("--list", action="store_true", help="show the networks and their sizes")
    parser.add_argument("--output", type=Path, help="folder of the files")
    parser.add_argument("--seed", type=int, default=0, help="of weights and images")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--profile", type=Path, help="spikes to aim at, as `elsac run --json` has them"
    )
    how.add_argument(
        "--no-calibrate",
        action="store_true",
        help="choose scales from one pass without time steps; writes no profile",
    )
    options = parser.parse_args()
    if options.list:
        print(table())
        return
    steps = not options.no_calibrate
    names = [*ZOO, *TRANSFORMERS] if options.names == ["all"] else options.names
    unknown = [name for name in names if name not in ZOO and name not in TRANSFORMERS]
    if unknown:
        parser.error(f"no network is called {unknown[0]!r}; --list shows them")
    if not names or options.output is None:
        parser.error("name a network and a folder: zoo.py resnet18 --output DIR")
    if options.seed < 0:
        parser.error("the seed must not be negative")
    for name in names:
        try:
            if name in TRANSFORMERS:
                line = make_transformer(name, options.output, options.seed)
            else:
                line = make(name, options.output, options.seed, options.profile, steps)
        except profiles.ProfileError as error:
            sys.exit(f"zoo.py: {error}")
        print(line, flush=True)


if __name__ == "__main__":
    main()
