"""Sweeps of the smallest sample network."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.sweep.measure import Figures, Measurer
from elsac.sweep.plan import Plan, plan_of
from elsac.sweep.spec import Spec, spec_of
from elsac.sweep.state import State

SAMPLES = Path(__file__).parents[3] / "samples"
MLP = SAMPLES / "digits_mlp.onnx"


def spec(**table: Any) -> Spec:
    """A sweep of digits_mlp."""
    base: dict[str, Any] = {"network": MLP.name, "input": "digits.npz", "labels": "label"}
    return spec_of(base | table, str(SAMPLES / "sweep.toml"))


def plan(**table: Any) -> Plan:
    """The plan of such a sweep, with quick mappings."""
    mapping = {"effort": 0} | table.pop("mapping", {})
    return plan_of(spec(mapping=mapping, **table))


def digits(samples: int) -> tuple[dict[str, NDArray[Any]], NDArray[Any]]:
    """The first digits, and their labels."""
    with np.load(SAMPLES / "digits.npz") as file:
        return {"image": file["image"][:samples]}, file["label"][:samples]


def measured(
    plan: Plan, folder: Path, samples: int = 3, labelled: bool = True
) -> dict[int, Figures]:
    """The figures of all configurations of a plan, in this process."""
    for name in ("programs", "runs", "rows"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    arrays, labels = digits(samples)
    worker = Measurer(State(folder), str(MLP), arrays, labels if labelled else None)
    found = {}
    for built in plan.programs.values():
        why = worker.build(built)
        assert why is None, why
        for timed in plan.timings_of(built.key):
            found |= worker.rows(timed)
    return found
