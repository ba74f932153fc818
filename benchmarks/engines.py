"""Speed of the two engines on the digits CNN, and start-up with and without cached kernels.

    python benchmarks/engines.py [--images N] [--runs N] [--json OUT]

All 360 images take about ten minutes, nearly all of them in the interpreter.

Both engines run the same images of the same program in this process. The kernels of the fast engine
are compiled before the clock starts; what that costs is measured apart, in fresh processes with an
empty and a filled cache.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from elsac.compiler import compile_onnx
from elsac.runtime.container import save
from elsac.runtime.run import run_program
from elsac.targets import load_target

SAMPLES = Path(__file__).parent.parent / "samples"


def seconds_of_run(program: object, image: np.ndarray, engine: str) -> float:
    """Wall seconds of one run over a batch."""
    start = time.perf_counter()
    run_program(program, {"image": image}, engine=engine)
    return time.perf_counter() - start


def start_up(binary: Path, image: Path, cache: Path) -> float:
    """Wall seconds of `elsac run` over one image in a fresh process with this kernel cache."""
    command = [sys.executable, "-m", "elsac", "run", str(binary), "--input", str(image)]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=360, help="images for both engines")
    parser.add_argument("--runs", type=int, default=3, help="runs of the fast engine (median)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()

    image = np.load(SAMPLES / "digits.npz")["image"][: options.images]
    program = compile_onnx(SAMPLES / "digits_cnn.onnx", load_target("elsa-6x6")).program
    assert program is not None
    seconds_of_run(program, image[:1], "fast")  # loads or compiles the kernels
    fast = statistics.median(seconds_of_run(program, image, "fast") for _ in range(options.runs))
    slow = seconds_of_run(program, image, "interpreter")
    sops = run_program(program, {"image": image}, engine="fast").totals.sops

    with tempfile.TemporaryDirectory() as folder:
        binary, one, cache = (Path(folder) / n for n in ("prog.bin", "one.npz", "cache"))
        save(program, binary)
        np.savez(one, image=image[:1])
        first = start_up(binary, one, cache)
        later = statistics.median(start_up(binary, one, cache) for _ in range(options.runs))

    figures = {
        "images": len(image),
        "load": os.getloadavg()[0],
        "fast_ms_per_image": 1e3 * fast / len(image),
        "interpreter_ms_per_image": 1e3 * slow / len(image),
        "ratio": slow / fast,
        "fast_gsops": sops / fast / 1e9,
        "first_start_s": first,
        "later_start_s": later,
    }
    for name, value in figures.items():
        print(f"{name:26} {value:.3f}" if isinstance(value, float) else f"{name:26} {value}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
