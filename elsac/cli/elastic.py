"""The options of `elsac run` that end inputs early, or say what that would be worth."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from elsac.runtime.exiting import Exit
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
        help="Show accuracy, mismatch and exits for all steps and thresholds, from full runs.",
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
        default=0.5,
        show_default=True,
        metavar="SHARE",
        help="Share of the inputs that a threshold is chosen on.",
    ),
    click.option(
        "--calibration-seed",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        metavar="SEED",
        help="Of the split.",
    ),
)


def elastic_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets them as keywords, to hand them to the functions here."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


def check(chosen: dict[str, Any], labels: str | None, max_steps: int | None) -> None:
    """Refuse options that need others."""
    if chosen["calibrate"] is not None and not chosen["elastic"]:
        raise click.UsageError("--calibrate needs --elastic")
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


def measure(
    result: "RunResult",
    chosen: dict[str, Any],
    step_cycles: Any = None,
    step_energy_uj: Any = None,
) -> Any:
    """The figures of the curve (:class:`elsac.runtime.elastic.Elastic`); None without --elastic.

    Costs are [samples, steps], as `elsac.runtime.elastic.elastic` takes them.
    """
    if result.curve is None:
        return None
    from dataclasses import replace

    from elsac.runtime.calibration import Calibration, calibrate
    from elsac.runtime.elastic import GRID, elastic, with_costs

    stable, confidence = chosen["exit_stable"] or 0, chosen["exit_confidence"]
    grid = GRID if confidence is None else (*GRID, confidence)
    curve = result.curve
    found = elastic(curve, step_cycles, step_energy_uj, grid, stable)
    if chosen["calibrate"] is None:
        return found
    how = Calibration(chosen["calibrate"], chosen["calibration_split"], chosen["calibration_seed"])
    return replace(
        found, calibration=calibrate(with_costs(curve, step_cycles, step_energy_uj), how, stable)
    )
