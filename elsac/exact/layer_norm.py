"""Quantized layer norm and RMS norm of integer charges: their definition, decided exactly.

A row of D charges A stands for x = A * unit. Both norms have one integer form,

    y[j] = gamma[j] * N[j] / sqrt(W + E) + beta[j],  E = epsilon * D**2 / unit**2,

with N[j] = D A[j] - sum(A), W = D sum(A**2) - sum(A)**2 of layer norm, and N[j] = D A[j],
W = D sum(A**2) of RMS norm. W is never negative, and a W of 0 means that all N are 0; if epsilon is
0 too, y is beta. The network's integer is clip(rhe(y / scale), lo, hi): level k is reached when
gamma N >= c sqrt(W + E) with c = scale * (k - 1/2) - beta, and on equality only for even k.
"""

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.exact.norm_table import NormTable, norm_table, table_norm
from elsac.exact.rows import parts, row_sums
from elsac.exact.ties import TINY, ULP, as_float, check_levels, round_certain, settle

__all__ = ["NormTable", "norm_table", "quantized_layer_norm", "table_norm"]


def quantized_layer_norm(
    charges: NDArray[np.int64],
    unit: Fraction,
    gamma: NDArray[Any],
    beta: NDArray[Any],
    epsilon: Fraction,
    scale: Fraction,
    lo: int,
    hi: int,
    center: bool = True,
) -> NDArray[np.int64]:
    """clip(rhe(y / scale), lo, hi) of charges [..., D] over the last axis, exactly.

    gamma and beta are arrays [D] of Fraction; unit and scale are positive, epsilon is not negative;
    `center` is False for RMS norm. float64 decides almost all, integers the rest; ties go to even.
    """
    grain = as_float(scale, "scale")
    as_float(unit, "unit")
    check_levels(lo, hi)
    length = check_norm(charges, gamma, beta, epsilon)
    rows = charges.reshape(-1, length)
    added = epsilon * length * length / (unit * unit)
    slopes = np.array([float(g / scale) for g in gamma])
    starts = np.array([float(b / scale) for b in beta])
    result = np.empty(rows.shape, dtype=np.int64)
    for part in parts(*rows.shape):
        centered, spread = row_sums(rows[part], center)
        total = spread.astype(np.float64) + float(added)
        root = np.sqrt(np.where(total > 0, total, 1.0))[:, None]
        scaled = centered.astype(np.float64) / root * slopes
        # W, E, their sum and half of it for the root, N, the quotient, slope, product, start and
        # sum: less than 16 roundings, each relative to one of the two terms.
        errors = (np.abs(scaled) + np.abs(starts)) * (16 * ULP) + TINY / grain
        levels, doubt = round_certain(scaled + starts, errors, lo, hi)
        for i, j in np.argwhere(doubt):
            levels[i, j] = _exact_level(
                gamma[j] * int(centered[i, j]),
                int(spread[i]) + added,
                beta[j],
                scale,
                lo,
                hi,
                int(levels[i, j]),
            )
        result[part] = levels
    return result.reshape(charges.shape)


def check_norm(
    charges: NDArray[np.int64], gamma: NDArray[Any], beta: NDArray[Any], epsilon: Fraction
) -> int:
    """D, the length of a row; ValueError for shapes and numbers that no norm has."""
    length = charges.shape[-1] if charges.ndim else 0
    if length == 0 or gamma.shape != (length,) or beta.shape != (length,):
        raise ValueError(
            f"a norm over rows of {length} needs as many gamma and beta, found shapes "
            f"{gamma.shape} and {beta.shape}"
        )
    if epsilon < 0:
        raise ValueError(f"epsilon of a norm must not be negative, found {float(epsilon):.3g}")
    return length


def _exact_level(
    product: Fraction,
    total: Fraction,
    beta: Fraction,
    scale: Fraction,
    lo: int,
    hi: int,
    guess: int,
) -> int:
    """Of y = product / sqrt(total) + beta; beta if the total, and so the product, is 0."""
    squared = product * product

    def reaches(level: int) -> bool:
        c = scale * (2 * level - 1) / 2 - beta
        # Signs first, then squares: c**2 total is compared with product**2 from the side of c.
        bound = c * c * (total or 1)
        if product >= 0:
            side = 1 if c <= 0 and (product or c) else _order(squared, bound)
        else:
            side = -1 if c >= 0 else _order(bound, squared)
        return side > 0 or (side == 0 and level % 2 == 0)

    return settle(guess, lo, hi, reaches)


def _order(a: Fraction, b: Fraction) -> int:
    return (a > b) - (a < b)
