"""Builds `qann` ops: what the importers of single operators share."""

import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp, NameLoc, StringAttr, UnknownLoc
from xdsl.ir import Operation, SSAValue

from elsac.context import Blobs, CompilerContext
from elsac.dialects.qann import (
    AddOp,
    ClipOp,
    DequantizeOp,
    IndexOp,
    InputOp,
    OffsetOp,
    ProbeOp,
    QuantizeOp,
    ScaleOp,
    TracerType,
    dims,
    tensor_type,
)
from elsac.frontends.onnx.model import Network
from elsac.frontends.onnx.node import EARLY, Node
from elsac.frontends.onnx.values import (
    Constant,
    Function,
    Grid,
    HostInput,
    Movable,
    Real,
    Tensor,
    Value,
    minimal,
)

MOVES = frozenset("Identity Reshape Flatten Squeeze Unsqueeze Transpose Slice Split Gather".split())
"""Operators that put elements elsewhere, as they are."""

_KEEP_SCALE = MOVES | {"Relu", "Clip", "MaxPool", "Pad", "Resize"}

OpT = TypeVar("OpT", bound=Operation)


class Importer:
    """The module under construction, and the value of each ONNX tensor so far."""

    def __init__(self, network: Network, ctx: CompilerContext) -> None:
        self.network = network
        self.module = ModuleOp([])
        self.blobs = Blobs(self.module, ctx.store)
        self.values: dict[str, Value] = {}
        self.producers = {o: n for n in network.nodes for o in n.outputs if o}
        self.inputs: list[tuple[HostInput, InputOp, bool]] = []
        """What the host feeds: the tensor, its op, and whether the host quantizes it."""
        self.node = network.nodes[0]
        """The node that is imported; ops get its name as their location."""
        self._inputs: dict[Any, SSAValue] = {}
        self._dequantized: dict[SSAValue, SSAValue] = {}
        self._gridded: dict[SSAValue, SSAValue] = {}

    def emit(self, op: OpT) -> OpT:
        """Append an op."""
        op.location = NameLoc(StringAttr(self.node.name), UnknownLoc())
        self.module.body.block.add_op(op)
        return op

    # Inputs of nodes

    def value(self, node: Node, index: int) -> Value:
        """What the input of a node is; refuses a missing one."""
        if not node.has(index):
            raise node.error(f"input {index} is missing")
        return self.values[node.inputs[index]]

    def constant(self, node: Node, index: int, what: str) -> Constant:
        """A constant input; `what` is its name in the refusal of another."""
        value = self.value(node, index)
        if not isinstance(value, Constant):
            raise node.error(
                f"its {what} '{node.inputs[index]}' is computed at run time; make it a constant"
            )
        return value

    def optional(self, node: Node, index: int, what: str) -> Constant | None:
        """A constant input that may be left out."""
        return self.constant(node, index, what) if node.has(index) else None

    def axes(self, node: Node, index: int = 1) -> list[int] | None:
        """The axes of Squeeze, ReduceMean and others, attribute or input; None if left out."""
        if "axes" in node.attributes:
            return [int(a) for a in node.get("axes")]
        constant = self.optional(node, index, "axes")
        return None if constant is None else constant.integers

    def real(self, node: Node, index: int) -> Real:
        """An input as real numbers; refuses integers, constants and values of the host."""
        value = self.value(node, index)
        if isinstance(value, Real):
            return value
        if isinstance(value, Tensor):
            raise node.error(
                f"tensor '{node.inputs[index]}' is integers; put a DequantizeLinear before the node"
            )
        if isinstance(value, Constant):
            raise node.error(f"input '{node.inputs[index]}' is a constant, expected an activation")
        raise self.missing_quantizer(node, node.inputs[index])

    def movable(self, node: Node, index: int) -> Movable:
        """An input whose elements may be moved as they are."""
        value = self.value(node, index)
        if isinstance(value, Tensor) or (isinstance(value, Function) and node.op != "Pad"):
            return value
        return self.real(node, index)

    def missing_quantizer(self, node: Node, tensor: str) -> Exception:
        """The refusal of a tensor between two layers that is not rounded."""
        joined = self._joined_scales(tensor)
        if joined:
            return node.error(
                f"missing quantizer: tensor '{tensor}' holds different scales {joined} joins; "
                "add QuantizeLinear/DequantizeLinear behind that node"
            )
        if isinstance(self.values.get(tensor), HostInput):
            return node.error(
                f"missing quantizer: tensor '{tensor}' comes from the graph input without a "
                "quantizer, and before that only element-wise operators with constants, reshapes "
                "and slices run on the host; add QuantizeLinear/DequantizeLinear before the node"
            )
        producer = self.producers.get(tensor)
        source = f"node '{producer.name}' ({producer.op})" if producer else "the graph input"
        return node.error(
            f"missing quantizer: tensor '{tensor}' between {source} and this node is not "
            "quantized; add QuantizeLinear/DequantizeLinear there"
        )

    def _joined_scales(self, tensor: str) -> str | None:
        """The scales that a Concat before the tensor joins, if they differ, and its name."""
        producer = self.producers.get(tensor)
        while producer is not None and producer.op in _KEEP_SCALE:
            producer = self.producers.get(producer.inputs[0])
        if producer is None or producer.op != "Concat":
            return None
        reals = [self.values[i] for i in producer.inputs]
        grids = [r.grid for r in reals if isinstance(r, Real) and r.grid is not None]
        scales = sorted({g.scale for g in grids})
        if len(grids) < len(reals) or len(scales) < 2:
            return None
        shown = ", ".join(f"{float(s):.6g}" for s in scales)
        return f"({shown}) that node '{producer.name}' (Concat)"

    def tracers(self, node: Node, index: int) -> SSAValue:
        """An input as integers; an exact quantizer is added where a grid is known."""
        real = self.real(node, index)
        tracers = self.on_grid(real)
        if tracers is None:
            raise self.missing_quantizer(node, node.inputs[index])
        return tracers

    def on_grid(self, real: Real) -> SSAValue | None:
        """The tracers that a real is an exact multiple of, if it is."""
        if real.lazy:
            return real.value
        if real.grid is None:
            return None
        if real.value not in self._gridded:
            lo, hi = min(real.grid.lo, 0), max(real.grid.hi, 0)
            type = TracerType(real.dims, lo, hi, real.grid.scale)
            self._gridded[real.value] = self.emit(QuantizeOp(real.value, type)).output
        return self._gridded[real.value]

    # Reals

    def exact(self, real: Real) -> SSAValue:
        """The value as !qann.real."""
        if not real.lazy:
            return real.value
        if real.value not in self._dequantized:
            self._dequantized[real.value] = self.emit(DequantizeOp(real.value)).output
        return self._dequantized[real.value]

    def scale(self, real: Real, by: NDArray[Any], hint: str) -> Real:
        """Times rationals that broadcast to the shape."""
        value = self.emit(ScaleOp(self.exact(real), self.blobs.put(by, hint))).output
        grid = real.grid
        if grid is not None:
            positive = by.size == 1 and by.item() > 0
            grid = replace(grid, scale=grid.scale * by.item()) if positive else None
        return Real(value, grid, real.linear)

    def offset(self, real: Real, by: NDArray[Any], hint: str) -> Real:
        """Plus rationals that broadcast to the shape."""
        value = self.emit(OffsetOp(self.exact(real), self.blobs.put(by, hint))).output
        return Real(value, None, real.linear)

    def add(self, reals: Sequence[Real]) -> Real:
        """Sum of reals of one shape."""
        return Real(self.emit(AddOp([self.exact(r) for r in reals])).output)

    def clip(self, real: Real, lo: Fraction | None, hi: Fraction | None) -> Real:
        """Into the bounds; the grid survives bounds that lie on it or outside of it."""
        if lo is None and hi is None:
            return real
        if lo is not None and hi is not None and lo > hi:
            raise self.node.error(f"the lower bound {lo} is above the upper bound {hi}; swap them")
        value = self.emit(ClipOp(self.exact(real), lo, hi)).output
        return Real(value, None if real.grid is None else _clipped(real.grid, lo, hi))

    def rearrange(self, value: Movable, index: NDArray[Any], why: str) -> Any:
        """Gather the flattened value by an index of the new shape; -1 gives 0."""
        if isinstance(value, Function):
            return replace(value, index=value.index.ravel()[index])
        source = value.tracers if isinstance(value, Tensor) else value.value
        if index.ndim == 0:
            raise self.node.error("no dimension is left besides the batch; keep one of size 1")
        if 0 in index.shape:
            raise self.node.error("the result is empty")
        count = prod(dims(source))
        straight = index.size == count and bool((index.ravel() == np.arange(count)).all())
        if straight and index.shape == dims(source):
            return value
        if isinstance(value, Real) and isinstance(value.value.owner, ScaleOp):
            early = self._moved_earlier(value, value.value.owner, index, why)
            if early is not None:
                return early
        small = index.astype(np.int32 if count < 2**31 else np.int64)
        symbol = self.blobs.put(small, f"{why.lower()}_index")
        moved = self.emit(IndexOp(source, symbol, why, index.shape)).output
        if isinstance(value, Tensor):
            return replace(value, tracers=moved)
        return replace(value, value=moved)

    def _moved_earlier(
        self, value: Real, scaled: ScaleOp, index: NDArray[Any], why: str
    ) -> Real | None:
        """The move before the products with integers: a sum takes those, not moved reals."""
        first = scaled
        while isinstance(first.input.owner, ScaleOp):
            first = first.input.owner
        if not isinstance(first.input.owner, DequantizeOp):
            return None
        lazy = first is scaled
        moved = self.rearrange(Real(first.input.owner.input if lazy else scaled.input), index, why)
        by = self.blobs.get(scaled.by)
        if by.size > 1:
            by = minimal(np.broadcast_to(by, dims(scaled.output)).ravel()[index])
        return replace(value, value=self.scale(moved, by, f"{why.lower()}_factor").value)

    def reshape(self, value: Movable, shape: Sequence[int], why: str) -> Any:
        """The same elements in the same order."""
        return self.rearrange(value, np.arange(prod(shape)).reshape(tuple(shape)), why)

    # Integers

    def quantize(
        self, real: Real, scale: Fraction, zero: int, element_type: str, bounds: tuple[int, int]
    ) -> Tensor:
        """Round to the grid of a QuantizeLinear; what lies on it already stays as it is."""
        lo, hi = bounds
        if real.lazy:
            type = tensor_type(real.value)
            if type.fraction == scale and lo <= type.bounds[0] and type.bounds[1] <= hi:
                return Tensor(real.value, zero, element_type)
        type = TracerType(real.dims, lo, hi, scale)
        return Tensor(self.emit(QuantizeOp(self.exact(real), type)).output, zero, element_type)

    def dequantize(self, tensor: Tensor, scale: Fraction, zero: int) -> Real:
        """The reals (q - zero) * scale; nothing is done yet if that is the grid of the integers."""
        type = tensor.type
        real = Real(tensor.tracers, tensor.grid)
        if scale != type.fraction:
            real = self.scale(real, _one(scale / type.fraction), "rescale")
        if zero != tensor.zero:
            real = self.offset(real, _one((tensor.zero - zero) * scale), "shift")
        return real

    def input(
        self,
        value: HostInput,
        scale: Fraction,
        zero: int,
        element_type: str,
        bounds: tuple[int, int],
        *,
        quantize: bool,
    ) -> Tensor:
        """A graph input as tracers. Each quantization of one input is an op of its own name."""
        key = (value.tensor, scale, zero, element_type, bounds)
        if key not in self._inputs:
            uses = sum(v.source == value.source for v, _, _ in self.inputs)
            name = value.source if not uses else f"{value.source}#{uses + 1}"
            type = TracerType(self.input_shape(value), *bounds, scale)
            op = self.emit(InputOp(name, zero, element_type, type))
            op.output.name_hint = hint(value.source)
            self._inputs[key] = op.output
            self.inputs.append((value, op, quantize))
            if not quantize:
                self.probe(value.tensor, Tensor(op.output, zero, element_type))
        return Tensor(self._inputs[key], zero, element_type)

    def input_shape(self, value: HostInput) -> tuple[int, ...]:
        """The shape of a tensor of the host before it is quantized."""
        shape = self.network.shapes.get(value.tensor)
        if shape is None or len(shape) < 2 or None in shape[1:]:
            raise self.node.error(
                f"the shape of '{value.tensor}' is not known; give it in the model's value_info"
            )
        return tuple(int(d or 0) for d in shape[1:])

    def probe(self, name: str, tensor: Tensor) -> None:
        """Bind the name of an integer tensor of the file to its tracers."""
        if not name.endswith(EARLY):
            self.emit(ProbeOp(name, tensor.tracers, tensor.zero, tensor.element_type))


def hint(name: str) -> str:
    """An ONNX tensor name as the name of an SSA value."""
    text = re.sub(r"\W", "_", name, flags=re.ASCII)
    return text if text and not text[0].isdigit() else f"v{text}"


def _one(number: Fraction) -> NDArray[Any]:
    out = np.empty(1, dtype=object)
    out[0] = number
    return out


def _clipped(grid: Grid, lo: Fraction | None, hi: Fraction | None) -> Grid | None:
    """The grid after a clip, None if a bound that can be reached lies beside it."""
    low, high = grid.lo, grid.hi
    if lo is not None and lo / grid.scale > low:
        if (lo / grid.scale).denominator != 1:
            return None
        low = int(lo / grid.scale)
    if hi is not None and hi / grid.scale < high:
        if (hi / grid.scale).denominator != 1:
            return None
        high = int(hi / grid.scale)
    if low <= high:
        return Grid(grid.scale, low, high)
    # All values are beyond one bound and become it.
    value = low if low > grid.hi else high
    return Grid(grid.scale, value, value)
