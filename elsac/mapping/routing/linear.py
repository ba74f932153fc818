"""The linear program of routing: divide flows among candidates so that no link carries much.

    minimise    z + detour * sum_j f_j h_j x_j
    such that   sum of x_j over the candidates of one flow = 1
                sum of f_jl c_l x_j over the candidates that use link l <= z,  for all links l
                x >= 0

with x_j the share of candidate j, f_j the part of all flits that its flow has and f_jl the part
that passes link l on it, h_j f_j its hops, the sum of f_jl c_l, and c_l the hops that link l costs:
a link that is c_l times as slow is as busy as c_l links. So z is the
load of the busiest link, and the second sum the mean hops of a flit. `detour` says how many parts
of all flits a hop of every flit is worth.

Flits are divided by their sum first: GLOP works with absolute tolerances, and coefficients of 1e5
would make them meaningless. There are at most a few thousand shares, where a simplex method takes
milliseconds and gives an exact corner; a first-order method (PDLP) takes longer for less.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

DUST = 1e-9
"""Shares below it are taken for zero; GLOP's own tolerance is 1e-8."""


@dataclass(frozen=True)
class Choices:
    """Candidates for every flow, and the links that they use."""

    owner: Ints
    """[candidates]: the flow of each candidate, ascending; every flow has one or more."""
    candidate: Ints
    """[uses]: a candidate that uses ..."""
    link: Ints
    """[uses]: ... this link, once."""
    cost: Ints
    """[links]: hops that each link costs."""
    carried: Ints | None = None
    """[uses]: flits over the link if all take the candidate; those of the flow, if not said."""

    def passing(self, flits: Ints) -> Ints:
        """Flits times hops of each use, [uses]; `flits` are those of each flow."""
        all_of_them = flits[self.owner[self.candidate]] if self.carried is None else self.carried
        return np.asarray(all_of_them * self.cost[self.link])

    def loads(self, flits: Ints, shares: Floats) -> Floats:
        """Load of each link in flits times hops, [links]."""
        loads = np.zeros(len(self.cost))
        np.add.at(loads, self.link, self.passing(flits) * shares[self.candidate])
        return loads


@dataclass(frozen=True)
class Division:
    """The best shares, and what the program says that flits and flows cost."""

    shares: Floats
    """[candidates]; those of one flow sum to one."""
    price: Floats
    """[links]: what the objective gains by a flit less over a link, detours aside, for each hop."""
    paid: Floats
    """[flows]: what the objective gains without a flow."""


def divide(choices: Choices, flits: Ints, detour: float) -> Floats:
    """The best shares, [candidates]; those of one flow sum to one."""
    return division(choices, flits, detour).shares


def division(choices: Choices, flits: Ints, detour: float) -> Division:
    """The best shares and their prices. Prices are for parts of all flits, not for flits."""
    if not len(choices.owner):
        return Division(np.zeros(0), np.zeros(len(choices.cost)), np.zeros(len(flits)))
    candidates, flows = len(choices.owner), len(flits)
    part = choices.passing(flits) / (flits.sum(dtype=np.float64) or 1.0)
    hops = np.zeros(candidates)
    np.add.at(hops, choices.candidate, part)
    used, row = np.unique(choices.link, return_inverse=True)
    found, duals = glop_priced(
        prices=np.append(detour * hops, 1.0),
        lower=np.append(np.ones(flows), np.full(len(used), -np.inf)),
        upper=np.append(np.ones(flows), np.zeros(len(used))),
        row=np.concatenate([choices.owner, flows + row, flows + np.arange(len(used))]),
        column=np.concatenate(
            [np.arange(candidates), choices.candidate, np.full(len(used), candidates)]
        ),
        value=np.concatenate(
            [
                np.ones(candidates),
                part,
                -np.ones(len(used)),
            ]
        ),
    )
    shares = np.where(found[:-1] > DUST, found[:-1], 0.0)
    total = np.zeros(flows)
    np.add.at(total, choices.owner, shares)
    price = np.zeros(len(choices.cost))
    price[used] = np.maximum(-duals[flows:], 0.0)
    return Division(shares / total[choices.owner], price, duals[:flows])


def glop(
    *, prices: Floats, lower: Floats, upper: Floats, row: Ints, column: Ints, value: Floats
) -> Floats:
    """The best x of `glop_priced`."""
    return glop_priced(
        prices=prices, lower=lower, upper=upper, row=row, column=column, value=value
    )[0]


def glop_priced(
    *, prices: Floats, lower: Floats, upper: Floats, row: Ints, column: Ints, value: Floats
) -> tuple[Floats, Floats]:
    """Minimise prices @ x over x >= 0 with lower <= A x <= upper, A[row, column] = value; the
    best x, and the dual value of each row.

    Every row has an entry. Raises RuntimeError if GLOP gives up, for which programs that have a
    solution give no reason.
    """
    from ortools.linear_solver import linear_solver_pb2, pywraplp

    model = linear_solver_pb2.MPModelProto()
    for price in prices.tolist():
        model.variable.add(lower_bound=0.0, objective_coefficient=price)
    order = np.argsort(row, kind="stable")
    columns, values = column[order].tolist(), value[order].tolist()
    starts = np.searchsorted(row[order], np.arange(len(lower) + 1)).tolist()
    for (a, b), low, high in zip(pairwise(starts), lower.tolist(), upper.tolist(), strict=True):
        model.constraint.add(
            lower_bound=low, upper_bound=high, var_index=columns[a:b], coefficient=values[a:b]
        )
    solver = pywraplp.Solver.CreateSolver("GLOP")
    # Half the time of the default on programs of this kind.
    solver.SetSolverSpecificParametersAsString("use_dual_simplex: true use_preprocessing: false")
    error = solver.LoadModelFromProto(model)
    status = solver.Solve()
    if error or status != pywraplp.Solver.OPTIMAL:
        raise RuntimeError(f"GLOP found no solution (status {status}) {error}".rstrip())
    answer = linear_solver_pb2.MPSolutionResponse()
    solver.FillSolutionResponseProto(answer)
    return np.array(answer.variable_value), np.array(answer.dual_value)
