"""The body of an actor: one step for each stream that it reads, and how its rows fire.

A stream is a tile of a layer: `base` is the layer's column that is its column 0, `spine` the
layer's spine that is its spine 0. Maps and index maps speak of whole layers.
"""

from xdsl.dialects.builtin import (
    I64,
    FlatSymbolRefAttrConstr,
    IntegerAttr,
    SymbolRefAttr,
)
from xdsl.ir import (
    SSAValue,
)
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    traits_def,
)
from xdsl.traits import IsTerminator
from xdsl.utils.exceptions import VerifyException

from elsac.dialects.net import int_attr
from elsac.dialects.spiking import AlphabetAttr
from elsac.dialects.token.functions import FactorOp
from elsac.dialects.token.types import MapAttr, StreamType, stream


@irdl_op_definition
class AccumulateOp(IRDLOperation):
    """A spike of the stream adds weight rows to the rows that its spine feeds (MM-sc).

    Weights are [out, in/groups, kh, kw] of the whole layer; the actor holds its own columns of
    them.
    """

    name = "token.accumulate"
    input = operand_def(StreamType)
    weight = prop_def(FlatSymbolRefAttrConstr)
    map = prop_def(MapAttr)
    groups = prop_def(IntegerAttr[I64])
    shift = prop_def(IntegerAttr[I64], default_value=int_attr(0))
    base = prop_def(IntegerAttr[I64], default_value=int_attr(0))
    spine = prop_def(IntegerAttr[I64], default_value=int_attr(0))
    assembly_format = (
        "$input (`from` $base^)? (`spine` $spine^)? `weight` $weight `map` $map"
        " `groups` $groups (`shift` $shift^)? attr-dict `:` type($input)"
    )

    def __init__(
        self,
        input: SSAValue,
        base: int,
        weight: SymbolRefAttr,
        map: MapAttr,
        groups: int,
        shift: int,
    ) -> None:
        super().__init__(
            operands=[input],
            properties={
                "weight": weight,
                "map": map,
                "groups": int_attr(groups),
                "shift": int_attr(shift),
                "base": int_attr(base),
            },
        )

    def verify_(self) -> None:
        check_map(self.input, self.map, self.spine)
        if not 0 <= self.shift.value.data <= 31:
            raise VerifyException("a shift is 0 to 31 bits")


def check_map(input: SSAValue, map: MapAttr, spine: IntegerAttr[I64]) -> None:
    """Refuse a stream that is no band of the map: whole lines, from spine `spine` on."""
    (height, width), _ = map.sizes
    first, spines = spine.value.data, stream(input).spines.data
    if first % width or spines % width or not 0 <= first <= first + spines <= height * width:
        raise VerifyException(
            f"spines {first} to {first + spines} are no lines of a map of {height}x{width}"
        )


@irdl_op_definition
class AddOp(IRDLOperation):
    """A spike adds a constant per column to the same column of the rows that its spine feeds (skip,
    pooling).
    """

    name = "token.add"
    input = operand_def(StreamType)
    base = prop_def(IntegerAttr[I64], default_value=int_attr(0))
    spine = prop_def(IntegerAttr[I64], default_value=int_attr(0))
    constants = prop_def(FlatSymbolRefAttrConstr)  # of the whole layer
    map = prop_def(MapAttr)
    assembly_format = (
        "$input (`from` $base^)? (`spine` $spine^)? `by` $constants `map` $map attr-dict"
        " `:` type($input)"
    )

    def __init__(self, input: SSAValue, base: int, constants: SymbolRefAttr, map: MapAttr) -> None:
        super().__init__(
            operands=[input],
            properties={"constants": constants, "map": map, "base": int_attr(base)},
        )

    def verify_(self) -> None:
        check_map(self.input, self.map, self.spine)


@irdl_op_definition
class ScatterOp(IRDLOperation):
    """A spike of (spine, column) goes to the (row, column) pairs of an index map.

    `index` is a blob [rows, columns] of the layer: the flat place spine * channels + column that
    each element follows, or -1. `channels` counts the columns of the whole layer that the stream is
    a tile of.
    """

    name = "token.scatter"
    input = operand_def(StreamType)
    base = prop_def(IntegerAttr[I64], default_value=int_attr(0))
    spine = prop_def(IntegerAttr[I64], default_value=int_attr(0))
    channels = prop_def(IntegerAttr[I64])
    index = prop_def(FlatSymbolRefAttrConstr)
    assembly_format = (
        "$input (`from` $base^)? (`spine` $spine^)? `of` $channels `at` $index attr-dict"
        " `:` type($input)"
    )

    def __init__(self, input: SSAValue, base: int, channels: int, index: SymbolRefAttr) -> None:
        super().__init__(
            operands=[input],
            properties={"index": index, "base": int_attr(base), "channels": int_attr(channels)},
        )

    def verify_(self) -> None:
        if not 0 <= self.base.value.data < self.channels.value.data:
            raise VerifyException("a stream starts at one of its layer's columns")


@irdl_op_definition
class TraceOp(IRDLOperation):
    """A spike moves the actor's own copy of the stream's tracers (max-pool)."""

    name = "token.trace"
    input = operand_def(StreamType)
    base = prop_def(IntegerAttr[I64], default_value=int_attr(0))
    spine = prop_def(IntegerAttr[I64], default_value=int_attr(0))
    map = prop_def(MapAttr)
    assembly_format = (
        "$input (`from` $base^)? (`spine` $spine^)? `map` $map attr-dict `:` type($input)"
    )

    def __init__(self, input: SSAValue, base: int, map: MapAttr) -> None:
        super().__init__(operands=[input], properties={"map": map, "base": int_attr(base)})

    def verify_(self) -> None:
        check_map(self.input, self.map, self.spine)


Step = AccumulateOp | AddOp | ScatterOp | TraceOp | FactorOp
"""What the body of an actor does with a stream."""


@irdl_op_definition
class FireOp(IRDLOperation):
    """Rows fire as ST-BIF neurons; stairs [levels, classes, columns] of the whole layer, `rows` the
    rows' classes.
    """

    name = "token.fire"
    stairs = prop_def(FlatSymbolRefAttrConstr)
    classes = opt_prop_def(FlatSymbolRefAttrConstr)
    alphabet = prop_def(AlphabetAttr)
    bits = prop_def(IntegerAttr[I64])
    traits = traits_def(IsTerminator())
    assembly_format = (
        "`stairs` $stairs (`classes` $classes^)? `alphabet` $alphabet `bits` $bits attr-dict"
    )

    def __init__(
        self,
        stairs: SymbolRefAttr,
        classes: SymbolRefAttr | None,
        alphabet: AlphabetAttr,
        bits: IntegerAttr[I64],
    ) -> None:
        super().__init__(
            properties={
                "stairs": stairs,
                "classes": classes,
                "alphabet": alphabet,
                "bits": bits,
            }
        )


@irdl_op_definition
class MaximumOp(IRDLOperation):
    """Rows follow the maximum of the traced inputs in their window."""

    name = "token.maximum"
    map = prop_def(MapAttr)
    alphabet = prop_def(AlphabetAttr)
    traits = traits_def(IsTerminator())
    assembly_format = "`map` $map `alphabet` $alphabet attr-dict"

    def __init__(self, map: MapAttr, alphabet: AlphabetAttr) -> None:
        super().__init__(properties={"map": map, "alphabet": alphabet})


@irdl_op_definition
class FlowOp(IRDLOperation):
    """Rows pass on what they received."""

    name = "token.flow"
    alphabet = prop_def(AlphabetAttr)
    bits = prop_def(IntegerAttr[I64])
    traits = traits_def(IsTerminator())
    assembly_format = "`alphabet` $alphabet `bits` $bits attr-dict"

    def __init__(self, alphabet: AlphabetAttr, bits: int) -> None:
        super().__init__(properties={"alphabet": alphabet, "bits": int_attr(bits)})


@irdl_op_definition
class HoldOp(IRDLOperation):
    """Rows keep their charge for the read-out and send nothing."""

    name = "token.hold"
    bits = prop_def(IntegerAttr[I64])
    traits = traits_def(IsTerminator())
    assembly_format = "`bits` $bits attr-dict"

    def __init__(self, bits: IntegerAttr[I64]) -> None:
        super().__init__(properties={"bits": bits})
