"""Flits to be expected of a spine whose neurons spike with a given probability.

The spikes of a spine of C columns are taken as beta-binomial with the mean C * rate and a
concentration of 8: spines of one map differ, some are busy and many are silent. With the densities
of ResNet-50, measured layer by layer and step by step, this gives 3 % more 256-bit flits of the
paper's format than its published simulator counts (`benchmarks/packets.py`). Positions are uniform,
and each spike is negative with a fixed probability.

Sums over all numbers of spikes are made once for each format and number of columns, on a grid of
rates; between them, expectations are interpolated.
"""

from functools import lru_cache
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.packets.common import PacketFormat
from elsac.runtime.packets.count import BUNDLE, RICE_FIELD, RICE_LIMIT, count_flits

Floats = NDArray[np.float64]

CONCENTRATION = 8.0
NEGATIVE = 0.3
"""Share of negative spikes, where nothing better is known: about that of `samples/digits_cnn`."""

_RATES: Floats = np.concatenate([[0.0], np.geomspace(1e-5, 1.0, 121)])


@overload
def expected_flits(
    format: PacketFormat,
    columns: int,
    rate: float,
    *,
    concentration: float = ...,
    negative: float = ...,
) -> float: ...


@overload
def expected_flits(
    format: PacketFormat,
    columns: int,
    rate: NDArray[Any],
    *,
    concentration: float = ...,
    negative: float = ...,
) -> Floats: ...


def expected_flits(
    format: PacketFormat,
    columns: int,
    rate: float | NDArray[Any],
    *,
    concentration: float = CONCENTRATION,
    negative: float = NEGATIVE,
) -> float | Floats:
    """Return the expected flits of one spine of `columns` columns, for a rate (0 to 1) or an array.

    Flits that close a step are not included.
    """
    table = _table(format, columns, concentration, negative)
    found = np.interp(np.asarray(rate, np.float64), _RATES, table)
    return np.asarray(found, np.float64) if isinstance(rate, np.ndarray) else float(found)


@lru_cache(4096)
def _table(format: PacketFormat, columns: int, concentration: float, negative: float) -> Floats:
    """Return the expectations at `_RATES`."""
    flits = _flits_of(format, columns, negative)
    return np.array([_spikes(columns, rate, concentration) @ flits for rate in _RATES])


def _spikes(columns: int, rate: float, concentration: float) -> Floats:
    """Return the probabilities of 0 to `columns` spikes in a spine."""
    if rate in (0.0, 1.0):
        certain: Floats = np.zeros(columns + 1)
        certain[columns if rate else 0] = 1.0
        return certain
    k = np.arange(columns, dtype=np.float64)
    a, b = rate * concentration, (1 - rate) * concentration
    # P(k + 1) / P(k), in logarithms because P(0) may be too small for a float.
    steps = np.log((columns - k) / (k + 1) * (a + k) / (b + columns - k - 1))
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())


@lru_cache(4096)
def _flits_of(format: PacketFormat, columns: int, negative: float) -> Floats:
    """Return the expected flits of 0 to `columns` spikes."""
    unsigned, signed = (
        np.array([_count(format, columns, k, value) for k in range(columns + 1)], np.float64)
        for value in (1, -1)
    )
    if format.parameters[0] == BUNDLE and format.parameters[4]:
        unsigned = np.minimum(unsigned, _gap_flits(format, columns, 0))
        signed = np.minimum(signed, _gap_flits(format, columns, 1))
    silent = (1 - negative) ** np.arange(columns + 1)
    return np.asarray(silent * unsigned + (1 - silent) * signed)


def _count(format: PacketFormat, columns: int, spikes: int, value: int) -> int:
    """Count the flits of so many spikes by all rules that do not ask for their positions."""
    kind, first, body, exponent, _ = format.parameters
    return count_flits((kind, first, body, exponent, 0), columns, range(spikes), (value,))


def _gap_flits(format: PacketFormat, columns: int, sign: int) -> Floats:
    """Return the flits of the expected length of Rice codes, by the number of spikes.

    g silent columns stand before a spike with probability C(columns - 1 - g, k - 1) / C(columns,
    k), and so at least g of them with C(columns - g, k) / C(columns, k).
    """
    _, first, body, exponent, _ = format.parameters
    k = np.arange(1, columns + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, columns + 1)))])
    best = np.full(columns + 1, np.inf)
    for m in range(RICE_LIMIT):
        gaps = np.arange(1 << m, columns, 1 << m)[:, np.newaxis]
        rest = columns - gaps - k
        ways = logs[columns - gaps] - logs[np.maximum(rest, 0)] - logs[columns] + logs[columns - k]
        ones = np.where(rest >= 0, np.exp(ways), 0.0).sum(axis=0)
        bits = RICE_FIELD + k * (ones + 1 + m + sign + exponent)
        best[1:] = np.minimum(best[1:], 1 + np.ceil(np.maximum(bits - first, 0.0) / body))
    best[0] = 0.0
    return best
