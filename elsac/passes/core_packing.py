"""Pack actors into cores with a constraint solver: the answer where greedy merging finds none.

Minimizes the fullest memory over all cores. Deterministic: one worker, a fixed seed, a limit in the
solver's own units of work and not in seconds.
"""

from collections.abc import Sequence

WORK_LIMIT = 20.0
"""Deterministic time of the solver; about as many seconds on one core."""


def pack(needs: Sequence[Sequence[int]], has: Sequence[int], cores: int) -> list[int] | None:
    """The core of each actor, or None where it is proved (or, at the limit, not known) that none
    fits.

    `needs` has the bits of each actor, `has` those of a PE, both by memory. Cores are numbered in
    the order of their first actors.
    """
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    on = [[model.new_bool_var(f"{a}@{c}") for c in range(cores)] for a in range(len(needs))]
    fullest = model.new_int_var(0, 1000, "fullest")  # per mille
    for actor, row in enumerate(on):
        model.add_exactly_one(row)
        for core in range(actor + 1, cores):
            model.add(row[core] == 0)  # cores are alike: actor a uses one of the first a + 1
    for core in range(cores):
        for memory, size in enumerate(has):
            used = sum(n[memory] * row[core] for n, row in zip(needs, on, strict=True))
            model.add(used <= size)
            model.add(1000 * used <= size * fullest)
    model.minimize(fullest)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    solver.parameters.max_deterministic_time = WORK_LIMIT
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    chosen = [next(c for c in range(cores) if solver.boolean_value(row[c])) for row in on]
    numbers: dict[int, int] = {}
    return [numbers.setdefault(core, len(numbers)) for core in chosen]
