"""What travels with a module through the passes: the weight store and the target."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import (
    ArrayAttr,
    IntegerType,
    ModuleOp,
    NameLoc,
    SymbolRefAttr,
    TensorType,
)
from xdsl.ir import Attribute, Operation
from xdsl.rewriter import InsertPoint, Rewriter

from elsac.dialects.net import BlobOp, RationalType, dtype_of
from elsac.store import WeightStore, rationals
from elsac.targets import Target, load_target

OpT = TypeVar("OpT", bound=Operation)

INLINE_ELEMENTS = 32
"""Blobs of at most this many elements stand in the text, larger ones in the store."""


class CompileError(Exception):
    """A refusal for the user: one line that names the node, what was expected and the nearest
    remedy.
    """


@dataclass
class CompilerContext(Context):
    """xDSL's context, with the weight store and the target that passes ask."""

    store: WeightStore = field(default_factory=WeightStore)
    target: Target = field(default_factory=lambda: load_target("elsa-6x6"))
    warnings: list[str] = field(default_factory=list)
    """What passes want the user to know, a line each."""


def compiler_context(ctx: Context) -> CompilerContext:
    """The context as ours; plain xDSL drivers have no weight store."""
    if not isinstance(ctx, CompilerContext):
        raise CompileError("this pass needs elsac's context: run it with elsac-opt")
    return ctx


class Blobs:
    """The blobs of one module: look up by symbol, declare new ones. Holds a dict, so look-up is not
    a scan.
    """

    def __init__(self, module: ModuleOp, store: WeightStore) -> None:
        self.module, self.store = module, store
        self._ops = {o.sym_name.data: o for o in module.body.ops if isinstance(o, BlobOp)}
        self._arrays: dict[str, NDArray[Any]] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._keys: dict[str, str] = {}
        self._last: BlobOp | None = None
        for op in self._ops.values():
            self._last = op

    def get(self, symbol: Any) -> NDArray[Any]:
        """The array of `@symbol` (a symbol attribute or a name)."""
        name = _name(symbol)
        if name not in self._arrays:
            self._arrays[name] = self._read(self._declared(name))
        return self._arrays[name]

    def type(self, symbol: Any) -> TensorType[Any]:
        """The declared type of `@symbol`, which is known without its array."""
        return self._declared(_name(symbol)).type

    def _declared(self, name: str) -> BlobOp:
        if name not in self._ops:
            raise CompileError(f"no net.blob @{name} is declared in the module")
        return self._ops[name]

    def _read(self, op: BlobOp) -> NDArray[Any]:
        shape = op.type.get_shape()
        if op.ints is not None:
            values = np.array(op.ints.get_values(), dtype=np.int64)
            return values.astype(dtype_of(op.type)).reshape(shape)
        if op.rationals is not None:
            return rationals(np.array([r.data for r in op.rationals], dtype="U")).reshape(shape)
        assert op.key is not None
        array = self.store.get(op.key.data)
        if array.shape != tuple(shape):
            raise CompileError(f"net.blob @{op.sym_name.data}: the store has shape {array.shape}")
        if array.dtype != dtype_of(op.type):
            kind = "rationals" if array.dtype == object else array.dtype.name
            raise CompileError(
                f"net.blob @{op.sym_name.data}: the store has {kind}, the type says "
                f"{op.type.element_type}"
            )
        return array

    def _holds(self, name: str, key: str) -> bool:
        """Whether the blob of this name is the array of this key."""
        if name not in self._keys:
            self._keys[name] = self.store.put(self.get(name))
        return self._keys[name] == key

    def put(self, array: NDArray[Any], hint: str) -> str:
        """Declare an array (integers or Fractions); return its symbol. Equal arrays of one hint
        share it.
        """
        array = np.asarray(array)
        key = self.store.put(array)
        if (hint, key) in self._names:
            return self._names[hint, key]
        name, number = _identifier(hint), 0
        while name in self._ops:
            if self._holds(name, key):
                return name
            number += 1
            name = f"{_identifier(hint)}_{number}"
        element: Attribute = (
            RationalType() if array.dtype == object else IntegerType(array.dtype.itemsize * 8)
        )
        type = TensorType(element, array.shape)
        if array.size > INLINE_ELEMENTS:
            op = BlobOp(name, type, key=key)
        elif array.dtype == object:
            op = BlobOp(name, type, rationals=[str(v) for v in array.ravel()])
        else:
            op = BlobOp(name, type, ints=[int(v) for v in array.ravel()])
        self._insert(op)
        self._ops[name], self._arrays[name], self._keys[name] = op, array, key
        self._names[hint, key] = name
        return name

    def _insert(self, op: BlobOp) -> None:
        block = self.module.body.block
        if self._last is not None and self._last.parent is block:
            Rewriter.insert_op(op, InsertPoint.after(self._last))
        else:
            Rewriter.insert_op(op, InsertPoint.at_start(block))
        self._last = op

    def prune(self) -> None:
        """Erase the blobs that no op names any more."""
        used: set[str] = set()
        for op in self.module.walk():
            if not isinstance(op, BlobOp):
                used.update(_symbols(op.properties.values()))
        for name in [n for n in self._ops if n not in used]:
            op = self._ops.pop(name)
            if self._last is op:
                self._last = None
            Rewriter.erase_op(op)


def _name(symbol: Any) -> str:
    name: str = symbol if isinstance(symbol, str) else symbol.root_reference.data
    return name


def _symbols(attributes: Iterable[Attribute]) -> Iterable[str]:
    for attribute in attributes:
        if isinstance(attribute, SymbolRefAttr):
            yield attribute.root_reference.data
        elif isinstance(attribute, ArrayAttr):
            yield from _symbols(attribute)


def _identifier(hint: str) -> str:
    text = "".join(c if c.isalnum() or c == "_" else "_" for c in hint)
    return text if text and not text[0].isdigit() else f"b{text}"


def node_name(op: Operation) -> str:
    """The ONNX node that an op comes from, for diagnostics."""
    return op.location.desc.data if isinstance(op.location, NameLoc) else op.name


def like(old: Operation, new: OpT) -> OpT:
    """Give a new op the location of the one that it stands for."""
    new.location = old.location
    return new
