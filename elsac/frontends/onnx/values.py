"""What a tensor of the ONNX graph is while it is imported."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from elsac.dialects.qann import TracerType, dims, tensor_type
from elsac.frontends.onnx.node import Node


@dataclass(frozen=True)
class Quantized:
    """The integers behind a dequantized constant: it stands for integers * scale, exactly."""

    integers: NDArray[np.int64]
    """Zero point removed."""
    scale: NDArray[np.float32]
    """One for all, shape (1,), or one for each index of `axis`."""
    axis: int
    element_type: str

    def exact(self) -> NDArray[Any]:
        """The rational numbers, in the shape of the integers."""
        shape = [1] * self.integers.ndim
        if self.scale.size > 1:
            shape[self.axis] = -1
        scale = fractions(self.scale)
        out = np.empty(self.integers.shape, dtype=object)
        out[...] = self.integers.astype(object) * (scale.reshape(shape) if shape else scale[0])
        return out


@dataclass(frozen=True)
class Constant:
    """An array that is known while compiling; `quantized` if it came from a DequantizeLinear."""

    name: str
    array: NDArray[Any]
    quantized: Quantized | None = None
    batched: bool = False
    """Whether axis 0 is the batch: it has size 1 here, since all samples are the same."""

    def exact(self) -> NDArray[Any]:
        """The rational numbers that it stands for."""
        return fractions(self.array) if self.quantized is None else self.quantized.exact()

    @property
    def integers(self) -> list[int]:
        """The elements of a shape, axes or similar."""
        return [int(v) for v in self.array.ravel()]


@dataclass(frozen=True)
class Grid:
    """Says that a real is S * scale with integers S from lo to hi."""

    scale: Fraction
    lo: int
    hi: int


@dataclass(frozen=True)
class Tensor:
    """Integers of the file: q = S + zero, with S the tracers."""

    tracers: SSAValue
    zero: int
    element_type: str

    @property
    def type(self) -> TracerType:
        """Shape, bounds and scale of the tracers."""
        return tensor_type(self.tracers)

    @property
    def grid(self) -> Grid:
        """The reals that the tracers stand for."""
        return Grid(self.type.fraction, *self.type.bounds)


@dataclass(frozen=True)
class Real:
    """Exact real numbers. Those that are just dequantized have no op yet: `value` is the tracers.

    `grid` if the numbers are a multiple of one scale; `linear` if they are a linear layer's charge,
    scaled and shifted, which the host can read.
    """

    value: SSAValue
    grid: Grid | None = None
    linear: bool = False

    @property
    def lazy(self) -> bool:
        """Whether the value is tracers, which stand for the reals."""
        return isinstance(self.value.type, TracerType)

    @property
    def dims(self) -> tuple[int, ...]:
        """The shape, without batch."""
        return dims(self.value)


@dataclass(frozen=True)
class HostInput:
    """A graph input, or what nodes on the host make of it before it is quantized."""

    source: str
    tensor: str
    dtype: np.dtype[Any]
    head: tuple[Node, ...] = field(default=())


@dataclass(frozen=True)
class Deferred:
    """An output of a node that nothing on the chip follows: the host computes it, if needed."""

    node: Node


@dataclass(frozen=True)
class Softmax:
    """A softmax over the last axis of (rows, n); `absent`, (rows or 1, n), takes elements out."""

    absent: NDArray[np.int8] | None = None


@dataclass(frozen=True)
class Norm:
    """A normalization over the last axis of (rows, d); gamma and beta are rationals, [d] or [1]."""

    gamma: NDArray[Any]
    beta: NDArray[Any]
    epsilon: Fraction
    rms: bool


@dataclass(frozen=True)
class Curve:
    """An element-wise function, by its name in `elsac.exact.curves`."""

    name: str
    parameters: tuple[Fraction, ...] = ()


@dataclass(frozen=True, eq=False)
class Function:
    """A function of reals that waits for its quantizer: function(real) * by + plus, in [lo, hi].

    `index` says where each element lies in what the function gives.
    """

    node: Node
    kind: Softmax | Norm | Curve
    real: SSAValue
    index: NDArray[np.int64]
    by: Fraction = Fraction(1)
    plus: Fraction = Fraction(0)
    lo: Fraction | None = None
    hi: Fraction | None = None

    @property
    def dims(self) -> tuple[int, ...]:
        """The shape, without batch."""
        return self.index.shape

    @property
    def straight(self) -> bool:
        """Whether all elements still lie in their order."""
        return bool((self.index.ravel() == np.arange(self.index.size)).all())


@dataclass(frozen=True, eq=False)
class Turned:
    """Elements whose batch is not axis 0 by itself, until a later node brings it back.

    `index` has the rank of the ONNX tensor and holds the places in `value`; its axis `at` is the
    batch, times the size of that axis. Of that size, `outer` is slower than the batch, the rest is
    faster. A batch that is the number 1 in the file is nowhere: `at` is -1.
    """

    node: Node
    value: "Tensor | Real | Function"
    index: NDArray[np.int64]
    at: int
    outer: int = 1


Value = Constant | Tensor | Real | Function | Turned | HostInput | Deferred
Movable = Tensor | Real | Function


def shape_of(value: Movable) -> tuple[int, ...]:
    """The shape without batch."""
    return dims(value.tracers) if isinstance(value, Tensor) else value.dims


def fractions(array: NDArray[Any]) -> NDArray[Any]:
    """The numbers as exact rationals, in an object array of the same shape.

    Raises ValueError for numbers that are not finite.
    """
    out = np.empty(array.size, dtype=object)
    if array.dtype.kind in "iub":
        out[:] = [Fraction(int(v)) for v in array.ravel()]
    else:
        with np.errstate(invalid="ignore"):  # of a signaling NaN
            wide = array.astype(np.float64)
        if not np.isfinite(wide).all():
            raise ValueError("a constant is infinite or not a number; export the model again")
        out[:] = [Fraction(float(v)) for v in array.ravel()]
    return out.reshape(array.shape)


def minimal(array: NDArray[Any]) -> NDArray[Any]:
    """The smallest array that broadcasts to this one; at least one dimension."""
    for axis in range(array.ndim):
        first = array.take([0], axis=axis)
        if array.shape[axis] > 1 and bool(np.all(array == first)):
            array = first
    while array.ndim > 1 and array.shape[0] == 1:
        array = array[0]
    return array.reshape(1) if array.ndim == 0 else array
