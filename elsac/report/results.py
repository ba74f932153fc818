"""Results as data: the JSON report of a run, and the arrays that it writes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac import __version__
from elsac.report.exits import exit_report
from elsac.report.schema import REPORT_VERSION
from elsac.runtime.program import Program
from elsac.runtime.run import RunError, RunResult


def check_names(outputs: Mapping[str, Sequence[str]]) -> None:
    """Refuse outputs of which :func:`output_arrays` would lose one array to another.

    `outputs` are those of the host, with the tensors behind each. Raises :class:`RunError`.
    """
    taken = {"steps": "the step counts"}
    for output, behind in outputs.items():
        tails = [""] if len(behind) == 1 else [f":{name}" for name in behind]
        integers = {f"{output}:int{tail}": f"the integers of output '{output}'" for tail in tails}
        for key, what in ({output: f"output '{output}'"} | integers).items():
            if key in taken:
                raise RunError(
                    f"{what} and {taken[key]} would both be written as '{key}'; rename the output "
                    "in the ONNX file, or run without --output"
                )
            taken[key] = what


def output_arrays(result: RunResult) -> dict[str, NDArray[Any]]:
    """Return each ONNX output as `NAME`, the integers behind it as `NAME:int`, and `steps`."""
    arrays: dict[str, NDArray[Any]] = dict(result.outputs)
    for name, values in result.integers.items():
        # A single tensor behind an output has its name, several are OUTPUT:TENSOR.
        output = name
        while output not in result.outputs:
            output = output.rpartition(":")[0]  # names of outputs may have colons as well
        arrays[f"{output}:int{name[len(output) :]}"] = values
    arrays["steps"] = result.steps
    return arrays


def run_report(result: RunResult, program: Program, program_sha256: str) -> dict[str, Any]:
    """Return everything that was counted, in JSON types."""
    header = program.header
    return {
        "report_version": REPORT_VERSION,
        "elsac": __version__,
        "network": header.get("network"),
        "program_sha256": program_sha256,
        "target": header["target"]["name"],
        "target_sha256": header["target_sha256"],
        "alphabet": header["alphabet"],
        "coding": header["coding"],
        "engine": result.engine,
        "fallback": result.fallback,
        "model": "functional",
        "inputs": result.samples,
        "interrupted": result.interrupted,
        "terminal": bool(np.all(result.terminal)),
        "saturated": {name: asdict(found) for name, found in result.saturated.items()},
        "warnings": result.warnings,
        "accuracy": result.accuracy,
        "accuracy_per_step": result.accuracy_per_step,
        "steps": {"mean": float(result.steps.mean()), "max": int(result.steps.max())},
        "seconds": result.seconds,
        **result.counts(),
        **({} if (exits := exit_report(result)) is None else {"exit": exits}),
    }
