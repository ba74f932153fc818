"""Small modules for the tests of the interpreters, from text."""

from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.parser import Parser

from elsac.dialects.net import Net
from elsac.dialects.qann import Qann
from elsac.dialects.spiking import Spiking
from elsac.interpreters.qann import QannResult, run_qann
from elsac.interpreters.rational import Real
from elsac.store import WeightStore


def parse(text: str) -> ModuleOp:
    context = Context()
    for dialect in (Builtin, Net, Qann, Spiking):
        context.load_dialect(dialect)
    module = Parser(context, text).parse_module()
    module.verify()
    return module


def qann(text: str, **inputs: Any) -> QannResult:
    """Run `qann` ops; lists of integers are q, of floats float32."""
    return run_qann(parse(text), WeightStore(), {n: array(v) for n, v in inputs.items()})


def array(values: Any) -> NDArray[Any]:
    given = np.asarray(values)
    return given.astype(np.float32) if given.dtype == np.float64 else given


def fractions(value: Any) -> list[Any]:
    """The numbers of a real output as nested lists."""
    assert isinstance(value, Real)
    return value.fractions().tolist()  # type: ignore[no-any-return]


def staircase(factor: Fraction, offset: Fraction, scale: Fraction, lo: int, hi: int) -> list[int]:
    """T[k] = the least integer A with rhe((A * factor + offset) / scale) >= k, found by trying."""
    steps = []
    for k in range(lo + 1, hi + 1):
        # Level k begins within half a level of k * scale; start surely below, and climb.
        charge = ceil((scale * (k - 1) - offset) / factor) - 1
        while round((charge * factor + offset) / scale) < k:
            charge += 1
        steps.append(charge)
    return steps
