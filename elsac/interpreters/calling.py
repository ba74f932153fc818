"""Calling the meaning of an operation, and what the host does before a run: quantize the inputs."""

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp
from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues
from xdsl.ir import Operation, SSAValue
from xdsl.utils.exceptions import InterpretationError

from elsac.context import CompileError
from elsac.interpreters.rational import nearest_float32
from elsac.store import StoreError


def call(interpreter: Interpreter, op: Operation, args: PythonValues) -> PythonValues:
    """The results of one op; raise :class:`CompileError` for one without a meaning at this level.

    xDSL adds a print of the whole module to every error; a user's error is the one line alone.
    """
    try:
        return interpreter.run_op(op, args)
    except InterpretationError:
        raise CompileError(f"{op.name} has no meaning at this level") from None
    except (CompileError, StoreError) as error:
        raise CompileError(str(error)) from None


def run_through(module: ModuleOp, functions: InterpreterFunctions) -> None:
    """Call every op of the module once, in order; a value is dropped after its last use."""
    interpreter = Interpreter(module)
    interpreter.register_implementations(functions)
    uses = Counter(operand for op in module.body.ops for operand in op.operands)
    values: dict[SSAValue, Any] = {}
    for op in module.body.ops:
        results = call(interpreter, op, tuple(values[o] for o in op.operands))
        values.update(zip(op.results, results, strict=True))
        for operand in op.operands:
            uses[operand] -= 1
            if not uses[operand]:
                del values[operand]


def quantize_input(
    inputs: Mapping[str, NDArray[Any]],
    name: str,
    shape: tuple[int, ...],
    bounds: tuple[int, int],
    scale: Fraction,
    zero: int,
) -> NDArray[np.int64]:
    """The tracers S = q - zero of the network input `name`, (batch, *shape) within the bounds.

    A float32 array is quantized as QuantizeLinear of ONNX does in float32: divide by the scale,
    round half to even, saturate. An array of integers is q itself. Raises :class:`CompileError` for
    a missing input, another shape or dtype, NaN, and integers outside the bounds.
    """
    lo, hi = bounds
    if name not in inputs:
        raise CompileError(f"no values are given for input '{name}'")
    values = np.asarray(inputs[name])
    if values.shape[1:] != shape or values.ndim != len(shape) + 1:
        expected = ", ".join(str(d) for d in ("batch", *shape))
        raise CompileError(f"input '{name}' has shape {values.shape}, expected ({expected})")
    if not len(values):
        raise CompileError(f"input '{name}' is an empty batch")
    if values.dtype == np.float32:
        if np.isnan(values).any():
            raise CompileError(f"input '{name}' holds NaN, which no integer stands for")
        # A quotient beyond float32 is infinite and saturates like any large one.
        with np.errstate(over="ignore"):
            levels = np.rint(values / nearest_float32(scale.numerator, scale.denominator))
        return np.clip(levels, lo, hi).astype(np.int64)
    if values.dtype.kind not in "iu":
        raise CompileError(f"input '{name}' is {values.dtype}, expected float32 or integers")
    tracers = values.astype(np.int64) - zero
    if tracers.size and (tracers.min() < lo or tracers.max() > hi):
        raise CompileError(f"input '{name}' holds integers outside {lo + zero} to {hi + zero}")
    return tracers
