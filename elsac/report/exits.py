"""What early exits came to, as data and as lines of a summary."""

from typing import Any

import numpy as np

from elsac.runtime.run import RunResult


def exit_report(result: RunResult) -> dict[str, Any] | None:
    """Return what early exits came to, in JSON types; None for full runs."""
    if result.exit is None:
        return None
    steps = result.steps
    return {
        "confidence": result.exit.confidence,
        "stable": result.exit.stable,
        "exits": int(result.exited.sum()),
        "steps": {
            "mean": float(steps.mean()),
            "p50": float(np.percentile(steps, 50)),
            "p95": float(np.percentile(steps, 95)),
            "max": int(steps.max()),
        },
        "accuracy": result.accuracy,
        "control_flits": int(result.control_flits),
        "control_hops": int(result.control_hops),
    }


def exit_rows(result: RunResult) -> list[tuple[str, str]]:
    """Return the lines of a run's summary that speak of exits."""
    report = exit_report(result)
    if report is None or result.exit is None:
        return []
    steps = report["steps"]
    return [
        ("exits", f"{report['exits']:,} of {result.samples:,} inputs, once {result.exit.text}"),
        (
            "exit steps",
            f"mean {steps['mean']:,.2f}, p50 {steps['p50']:,.0f}, p95 {steps['p95']:,.0f}, "
            f"max {steps['max']:,}",
        ),
        (
            "control",
            f"{report['control_flits']:,} flits of reports and kill tokens  "
            f"({report['control_hops']:,} flit hops)",
        ),
    ]
