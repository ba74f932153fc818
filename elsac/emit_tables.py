"""The tables of a program that instructions index, and the arrays that they lie in: from ops of the
`elsa` level with blobs to rows with offsets.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp, StringAttr, SymbolRefAttr

from elsac.context import Blobs, CompileError
from elsac.dialects import elsa
from elsac.runtime import program as p
from elsac.runtime.isa import EXIT_RULES, LOGIT_KINDS

_TABLES = {
    elsa.WindowOp: "windows",
    elsa.WeightsOp: "weights",
    elsa.ConstantsOp: "constants",
    elsa.StairsOp: "stairs",
    elsa.MapOp: "maps",
    elsa.ProductOp: "products",
    elsa.SoftmaxOp: "softmaxes",
    elsa.NormOp: "norms",
    elsa.CurveOp: "curves",
    elsa.DecisionOp: "decisions",
    elsa.LogitsOp: "logits",
}

FunctionTable = elsa.ProductOp | elsa.SoftmaxOp | elsa.NormOp | elsa.CurveOp


def _exactly(array: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """The same integers in another width; none is ever cut."""
    cast = np.asarray(array, dtype=dtype)
    if not np.array_equal(cast, array):
        raise CompileError(f"a table of the program needs more than {cast.itemsize * 8} bits")
    return cast


class _Pool:
    """Arrays laid one after the other; an array that is there already is not laid down again."""

    def __init__(self, dtype: Any) -> None:
        self.parts: list[NDArray[Any]] = []
        self.size, self.dtype = 0, dtype
        self.known: dict[int, int] = {}

    def add(self, array: NDArray[Any]) -> int:
        """Append, return the offset of the first element (or row)."""
        if id(array) not in self.known:
            self.known[id(array)] = self.size
            self.parts.append(array)
            self.size += len(array)
        return self.known[id(array)]

    def array(self, *rest: int) -> NDArray[Any]:
        """All of it."""
        flat = [_exactly(part, self.dtype).reshape(-1, *rest) for part in self.parts]
        return np.concatenate(flat) if flat else np.zeros((0, *rest), dtype=self.dtype)


class Tables:
    """Rows of tables and pools of arrays; `numbers` has the number of each symbol's row."""

    def __init__(self, module: ModuleOp, blobs: Blobs) -> None:
        self.module, self.blobs = module, blobs
        self.numbers: dict[str, int] = {}
        self.weights, self.thresholds = _Pool(np.int32), _Pool(np.int64)
        self.row_classes, self.depends = _Pool(np.int32), _Pool(np.int32)
        self.row_orders = _Pool(np.int32)
        self.map_starts, self.map_targets = _Pool(np.int64), _Pool(np.int32)
        self.exponentials, self.absent = _Pool(np.int64), _Pool(np.int8)
        self.levels = _Pool(np.int32)
        self.scales, self.exps = _Pool(np.int64), _Pool(np.int32)
        self.flat: dict[str, NDArray[Any]] = {}

    def blob(self, symbol: Any, *shape: int) -> NDArray[Any]:
        """A blob, flattened once so that pools can tell that they hold it."""
        name = symbol.root_reference.data
        if name not in self.flat:
            self.flat[name] = self.blobs.get(symbol).reshape(-1, *shape)
        return self.flat[name]

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Rows of the tables that instructions index; remembers the number of each symbol."""
        tables: dict[str, list[tuple[Any, ...]]] = {name: [] for name in _TABLES.values()}
        for op in self.module.body.ops:
            if type(op) not in _TABLES:
                continue
            rows = tables[_TABLES[type(op)]]
            name = op.properties["sym_name"]
            assert isinstance(name, StringAttr)
            self.numbers[name.data] = len(rows)
            rows.append(self.row(op))
        return tables

    def row(self, op: Any) -> tuple[Any, ...]:
        """The row of one op, with symbols in place of the numbers of threads."""
        match op:
            case elsa.WindowOp():
                (height, width), (out_height, out_width) = op.map.sizes
                kernel, stride, pads, dilation = op.map.window.values
                sizes = (height, width, out_height, out_width)
                return (*sizes, *kernel, *stride, pads[0], pads[1], *dilation)
            case elsa.WeightsOp():
                taps, inputs, outputs = self.blobs.get(op.blob).shape
                offset = self.weights.add(self.blob(op.blob))
                group = op.inputs_per_group.value.data
                first, bits = op.first_input.value.data, op.bits.value.data
                return (offset, taps, first, inputs, group, outputs, bits)
            case elsa.ConstantsOp():
                offset = self.weights.add(self.blob(op.blob))
                inputs = self.blobs.get(op.blob).shape[0]
                return (offset, op.first_input.value.data, inputs, op.bits.value.data)
            case elsa.StairsOp():
                classes, columns, levels = self.blobs.get(op.blob).shape
                offset = self.thresholds.add(self.blob(op.blob))
                lo = op.lo.value.data
                return (offset, classes, columns, lo, levels, self.kinds(op.classes))
            case elsa.MapOp():
                targets = self.blobs.get(op.targets)
                start = self.map_targets.add(self.blob(op.targets, 2))
                indptr = self.map_starts.add(self.blob(op.starts))
                spines, channels = op.spines.value.data, op.channels.value.data
                return (indptr, spines, channels, start, len(targets))
            case elsa.ProductOp() | elsa.SoftmaxOp() | elsa.NormOp() | elsa.CurveOp():
                return self.function(op)
            case elsa.DecisionOp():
                rule = EXIT_RULES.index(op.rule.data)
                thread = op.thread.root_reference.data  # threads have no numbers yet
                return (rule, thread, op.values.value.data, self.exps.add(self.blob(op.exps)))
            case elsa.LogitsOp():
                decision = self.numbers[op.decision.root_reference.data]
                numbers = (v.value.data for v in (op.first, op.stride, op.count, op.base))
                scales = self.scales.add(self.blob(op.scales, 2))
                kind = LOGIT_KINDS.index(op.kind.data)
                return (decision, kind, *numbers, scales, op.shift.value.data)
            case _:
                raise AssertionError(f"{op} is no table row")

    def kinds(self, classes: SymbolRefAttr | None) -> int:
        """Where the classes of a table's rows lie; -1 if there are none."""
        return -1 if classes is None else self.row_classes.add(self.blob(classes))

    def function(self, op: FunctionTable) -> tuple[Any, ...]:
        """The row of a product or of a function of rows."""
        match op:
            case elsa.ProductOp():
                thread = op.thread.root_reference.data  # threads have no numbers yet
                bits = {
                    "left_bits": op.left_bits.value.data,
                    "right_bits": op.right_bits.value.data,
                }
                return _entry(p.PRODUCT, elsa.product_fields(op.map) | bits | {"thread": thread})
            case elsa.SoftmaxOp():
                absent, classes = -1, 1
                if op.absent is not None:
                    absent = self.absent.add(self.blob(op.absent))
                    classes = self.blobs.get(op.absent).shape[0]
                entries = self.blob(op.exps)
                values = {
                    "exps": self.exponentials.add(entries),
                    "entries": entries.size,
                    "shift": op.shift.value.data,
                    "multiplier": op.multiplier.value.data,
                    "absent": absent,
                    "classes": classes,
                    "row_class": self.kinds(op.classes),
                }
                return _entry(p.SOFTMAX, values)
            case elsa.NormOp():
                columns, levels = self.blobs.get(op.thresholds).shape
                names = ("lo", "fraction", "epsilon", "epsilon_bits")
                values = {name: getattr(op, name).value.data for name in names} | {
                    "offset": self.thresholds.add(self.blob(op.thresholds)),
                    "signs": self.weights.add(self.blob(op.signs)),
                    "columns": columns,
                    "levels": levels,
                    "rms": int(op.rms is not None),
                }
                return _entry(p.NORM, values)
            case _:
                classes, columns, pieces = self.blobs.get(op.breakpoints).shape
                values = {
                    "offset": self.thresholds.add(self.blob(op.breakpoints)),
                    "classes": classes,
                    "columns": columns,
                    "pieces": pieces,
                    "row_class": self.kinds(op.classes),
                    "levels": self.levels.add(self.blob(op.levels)),
                }
                return _entry(p.CURVE, values)


def _entry(dtype: np.dtype[Any], values: dict[str, Any]) -> tuple[Any, ...]:
    """A row of a table, its fields in their order."""
    assert dtype.names is not None
    return tuple(values[name] for name in dtype.names)
