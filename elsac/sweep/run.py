"""A sweep from its plan to its rows: kept at every step, and taken up again."""

from collections.abc import Callable, Mapping
from typing import Any

from elsac import __version__
from elsac.runtime import container
from elsac.runtime.program import Program
from elsac.sweep.axes import TARGET
from elsac.sweep.inputs import Array, store
from elsac.sweep.measure import FIGURES, program_file, refused
from elsac.sweep.plan import Plan, Timed, chip_named
from elsac.sweep.pool import Schedule, Work, work_through
from elsac.sweep.spec import Values
from elsac.sweep.state import State, digest, digest_of_arrays, digest_of_elsac, read_all

Progress = Callable[[int, int], None]


def columns_of(plan: Plan) -> list[str]:
    """Return the columns of the table: axes, then figures."""
    return [*plan.spec.columns, *FIGURES]


def run_sweep(
    plan: Plan,
    state: State,
    arrays: Mapping[str, Array],
    labels: Array | None,
    jobs: int,
    program: Program | None = None,
    progress: Progress | None = None,
) -> list[Values]:
    """Return the rows of a sweep, in order; what is in the state already is not done again.

    `arrays` are the samples by the names of the inputs, `program` the compiled one if the sweep
    names one; `progress` is called with the pieces of work done and of all. Raises
    :class:`SweepError`, and `KeyboardInterrupt` with everything kept.
    """
    state.open(identity(plan, arrays, labels))
    try:
        return _run(plan, state, arrays, labels, jobs, program, progress)
    finally:
        state.close()


def _run(
    plan: Plan,
    state: State,
    arrays: Mapping[str, Array],
    labels: Array | None,
    jobs: int,
    program: Program | None,
    progress: Progress | None,
) -> list[Values]:
    if not state.has("input.npz"):
        store(state, arrays, labels)
    if program is not None:
        state.put(program_file("program"), container.to_bytes(program))
    todo = _unfinished(plan, state)
    left = {key: plan.programs[key] for key in dict.fromkeys(t.program for t in todo)}
    schedule = Schedule(left.values(), todo)
    remaining = {key: len(timings) for key, timings in schedule.timings.items()}
    total = len(plan.programs) + len(plan.timings)
    finished = total - len(left) - len(todo)

    def done(work: Work, answer: Any) -> None:
        nonlocal finished
        finished += 1
        if work.timed is not None:
            state.put_json(row_file(work.timed), answer)
            remaining[work.program] -= 1
        elif answer is not None:
            timings = schedule.refuse(work.program)
            for timed in timings:
                state.put_json(row_file(timed), {r.number: refused(answer) for r in timed.rows})
            finished += len(timings)
            remaining[work.program] = 0
        if not remaining[work.program]:
            state.drop(f"runs/{work.program}")
        if progress is not None:
            progress(finished, total)

    if todo:
        if progress is not None:
            progress(finished, total)
        network = None if plan.spec.network is None else str(plan.spec.network)
        start = {"folder": str(state.folder.resolve()), "network": network}
        most = max(len(left), len(todo))
        work_through(schedule, min(jobs, most), start, done)
    return _rows(plan, state)


def finished_rows(plan: Plan, state: State) -> int:
    """Return how many configurations the state has figures of."""
    left = sum(len(timed.rows) for timed in _unfinished(plan, state))
    return len(plan.values) - left - len(plan.refused)


def row_file(timed: Timed) -> str:
    """Return where the rows of a timing lie in the state."""
    return f"rows/{timed.key}.json"


def identity(plan: Plan, arrays: Mapping[str, Array], labels: Array | None) -> dict[str, Any]:
    """Return what a state must be of, in JSON types."""
    spec = plan.spec
    names = {v for part in (spec.axes, *spec.zips) for v in part.get(TARGET, ())}
    files = [spec.network or spec.program]
    profiles = {v for values in plan.values if (v := values.get("mapping.profile")) is not None}
    found: dict[str, Any] = {
        "elsac": __version__,
        "source of elsac": digest_of_elsac(),
        "network": digest(read_all(files[0])) if files[0] is not None else None,
        "input": digest_of_arrays(arrays),
        "labels": None if labels is None else digest_of_arrays({"labels": labels}),
    }
    for name in sorted(names):
        found[f"target {name}"] = chip_named(spec, name).sha256
    for name in sorted(profiles):
        found[f"profile {name}"] = digest(read_all(spec.folder / name))
    # Rows are kept by their numbers, which follow the order of the axes.
    found["order"] = [*spec.axes, *(name for part in spec.zips for name in part)]
    found |= {name: list(values) for name, values in spec.axes.items()}
    found |= {f"zip {i}": dict(part) for i, part in enumerate(spec.zips, 1)}
    return found | {f"exclude {i}": dict(part) for i, part in enumerate(spec.exclude, 1)}


def _unfinished(plan: Plan, state: State) -> list[Timed]:
    return [timed for timed in plan.timings.values() if not state.has(row_file(timed))]


def _rows(plan: Plan, state: State) -> list[Values]:
    figures = {number: refused(why) for number, why in plan.refused.items()}
    for timed in plan.timings.values():
        kept = state.json(row_file(timed))
        figures |= {row.number: kept[str(row.number)] for row in timed.rows}
    return [{**values, **figures[number]} for number, values in enumerate(plan.values)]
