"""Results as data: the JSON report of a run, and the arrays that it writes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac import __version__
from elsac.runtime.program import Program
from elsac.runtime.run import RunResult


def output_arrays(result: RunResult) -> dict[str, NDArray[Any]]:
    """Return each ONNX output as `NAME`, the integers behind it as `NAME:int`, and `steps`."""
    arrays: dict[str, NDArray[Any]] = dict(result.outputs)
    for name, values in result.integers.items():
        # A single tensor behind an output has its name, several are OUTPUT:TENSOR.
        output = name if name in result.outputs else name.split(":", 1)[0]
        arrays[f"{output}:int{name[len(output) :]}"] = values
    arrays.setdefault("steps", result.steps)
    return arrays


def run_report(result: RunResult, program: Program, program_sha256: str) -> dict[str, Any]:
    """Return everything that was counted, in JSON types."""
    header = program.header
    return {
        "elsac": __version__,
        "network": header.get("network"),
        "program_sha256": program_sha256,
        "target": header["target"]["name"],
        "target_sha256": header["target_sha256"],
        "alphabet": header["alphabet"],
        "coding": header["coding"],
        "engine": result.engine,
        "model": "functional",
        "inputs": result.samples,
        "interrupted": result.interrupted,
        "terminal": bool(np.all(result.terminal)),
        "accuracy": result.accuracy,
        "accuracy_per_step": result.accuracy_per_step,
        "steps": {"mean": float(result.steps.mean()), "max": int(result.steps.max())},
        "seconds": result.seconds,
        **result.counts(),
    }
