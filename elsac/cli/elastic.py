"""The options of `elsac run` that end inputs early, or say what that would be worth."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from elsac.runtime.bindings import Host
    from elsac.runtime.calibration import Calibration
    from elsac.runtime.exiting import Exit
    from elsac.runtime.program import Program
    from elsac.runtime.run import RunResult

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_OPEN = click.FloatRange(0, 1, min_open=True, max_open=True)

OPTIONS: tuple[Decorator, ...] = (
    click.option(
        "--exit-confidence",
        type=_OPEN,
        metavar="P",
        help="End an input when its confidence is P or more, above 0 and below 1.",
    ),
    click.option(
        "--exit-stable",
        type=click.IntRange(min=1),
        metavar="N",
        help="End an input when its class has stayed the same for N steps; with --exit-confidence: "
        "only then.",
    ),
    click.option(
        "--elastic",
        is_flag=True,
        help="Show accuracy, mismatch and exits for all steps and thresholds, from full runs. "
        "Nothing ends early: --exit-confidence adds a threshold, --exit-stable holds for all.",
    ),
    click.option(
        "--calibrate",
        type=click.FloatRange(0, 100),
        metavar="POINTS",
        help="With --elastic: choose the threshold of least latency that loses at most so many "
        "points of accuracy, on a part of the inputs; report on the others.",
    ),
    click.option(
        "--calibration-split",
        type=_OPEN,
        metavar="SHARE",
        help="With --calibrate: share of the inputs that a threshold is chosen on; else 0.5.",
    ),
    click.option(
        "--calibration-seed",
        type=click.IntRange(min=0),
        metavar="SEED",
        help="With --calibrate: of the split; else 0.",
    ),
)


def elastic_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets them as keywords, to hand them to the functions here."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


def check(chosen: dict[str, Any], labels: str | None, max_steps: int | None) -> None:
    """Refuse options that need others."""
    if chosen["calibrate"] is not None and chosen["calibrate"] != chosen["calibrate"]:
        raise click.UsageError("--calibrate nan is no number of points, 0 to 100")
    if chosen["calibrate"] is not None and not chosen["elastic"]:
        raise click.UsageError("--calibrate needs --elastic")
    for name in ("calibration_split", "calibration_seed"):
        if chosen[name] is not None and chosen["calibrate"] is None:
            raise click.UsageError(f"--{name.replace('_', '-')} needs --calibrate POINTS")
    if chosen["elastic"] and labels is None:
        raise click.UsageError("--elastic needs --labels NAME")
    if chosen["elastic"] and max_steps is not None:
        raise click.UsageError("--elastic needs full runs; leave out --max-steps")


def exit_of(chosen: dict[str, Any]) -> "Exit | None":
    """When inputs end early; None with --elastic, whose runs are full."""
    from elsac.runtime.exiting import Exit

    confidence, stable = chosen["exit_confidence"], chosen["exit_stable"]
    if chosen["elastic"] or (confidence is None and stable is None):
        return None
    return Exit(confidence, stable)


def check_calibration(
    chosen: dict[str, Any], program: "Program", host: "Host", arrays: Any, labels: Any
) -> None:
    """Refuse before the run what could not be calibrated after it; raise `InputError`."""
    if chosen["calibrate"] is None:
        return
    import numpy as np

    from elsac.runtime.calibration import parts
    from elsac.runtime.exiting import obstacle, rule_of_program

    truth = np.asarray(labels).reshape(-1)
    # Where they do not belong together, the run says what is wrong.
    if all(np.shape(array)[:1] == truth.shape for array in arrays.values()):
        rule = None if obstacle(program, host) else rule_of_program(program)
        parts(truth, rule, _calibration(chosen))


def _calibration(chosen: dict[str, Any]) -> "Calibration":
    from elsac.runtime.calibration import Calibration

    split, seed = chosen["calibration_split"], chosen["calibration_seed"]
    return Calibration(chosen["calibrate"], 0.5 if split is None else split, seed or 0)


def measure(
    result: "RunResult",
    chosen: dict[str, Any],
    step_cycles: Any = None,
    step_energy_uj: Any = None,
) -> tuple[Any, str | None]:
    """The figures of the curve, and why they have no calibration although it was asked for.

    The figures are an :class:`elsac.runtime.elastic.Elastic`, None without --elastic.

    Costs are [samples, steps], as `elsac.runtime.elastic.elastic` takes them.
    """
    if result.curve is None:
        return None, None
    from dataclasses import replace

    from elsac.runtime.bindings import InputError
    from elsac.runtime.calibration import calibrate
    from elsac.runtime.elastic import GRID, elastic, with_costs

    stable, confidence = chosen["exit_stable"] or 0, chosen["exit_confidence"]
    grid = GRID if confidence is None else (*GRID, confidence)
    curve = result.curve
    found = elastic(curve, step_cycles, step_energy_uj, grid, stable)
    if chosen["calibrate"] is None:
        return found, None
    try:  # of an interrupted run, too little may be left
        how = _calibration(chosen)
        made = calibrate(with_costs(curve, step_cycles, step_energy_uj), how, stable)
    except InputError as error:
        return found, f"not calibrated: {error}"
    return replace(found, calibration=made), None
