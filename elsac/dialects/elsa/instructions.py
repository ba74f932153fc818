"""The instruction ops, one class for each row of the ISA table, and what a handler is."""

from typing import Any, ClassVar

from xdsl.dialects.builtin import I64, FlatSymbolRefAttrConstr, IntegerAttr, SymbolRefAttr
from xdsl.ir import Attribute, Operation, Region
from xdsl.irdl import IRDLOperation, irdl_op_definition, prop_def
from xdsl.utils.exceptions import VerifyException

from elsac.dialects.net import int_attr
from elsac.runtime.isa import BY_MNEMONIC, ISA, Handler, Instruction


class InstructionOp(IRDLOperation):
    """Base of the instruction ops; `ISA_ROW` is the row of the table."""

    ISA_ROW: ClassVar[Instruction]


def _instruction_op(row: Instruction) -> type[InstructionOp]:
    """The op class of one instruction."""
    members: dict[str, Any] = {
        "__doc__": row.meaning,
        "__module__": __name__,
        "name": f"elsa.{row.mnemonic}",
        "ISA_ROW": row,
        "__annotations__": {"ISA_ROW": ClassVar[Instruction]},
    }
    parts = []
    for field in row.fields:
        if field.table is not None:
            members[field.name] = prop_def(FlatSymbolRefAttrConstr)
        else:
            members[field.name] = prop_def(IntegerAttr[I64])
        parts.append(f"`{field.name}` ${field.name}" if field.table is None else f"${field.name}")

    def verify_(self: InstructionOp) -> None:
        for field in row.fields:
            value = self.properties[field.name]
            low, high = field.range
            if isinstance(value, IntegerAttr) and not low <= value.value.data <= high:
                raise VerifyException(f"{field.name} is {low} to {high}")

    members["verify_"] = verify_
    members["assembly_format"] = " ".join([*parts, "attr-dict"])
    made = type(f"{row.mnemonic.title()}Op", (InstructionOp,), members)
    return irdl_op_definition(made)


INSTRUCTIONS: dict[str, type[InstructionOp]] = {row.mnemonic: _instruction_op(row) for row in ISA}


def instruction(mnemonic: str, **operands: str | int) -> InstructionOp:
    """Make an instruction op; operands that index a table are given as symbol names."""
    properties: dict[str, Attribute] = {
        name: SymbolRefAttr(value) if isinstance(value, str) else int_attr(value)
        for name, value in operands.items()
    }
    assert set(properties) == {f.name for f in BY_MNEMONIC[mnemonic].fields}
    return INSTRUCTIONS[mnemonic].create(properties=properties)


def check_handler(region: Region, kind: Handler) -> None:
    """A handler holds instructions that may stand in it, loops that are closed and not nested, and
    ends in `end`.
    """
    inside = False
    ops: list[Operation] = list(region.block.ops)
    for op in ops:
        if not isinstance(op, InstructionOp):
            raise VerifyException("a handler holds instructions and nothing else")
        row = op.ISA_ROW
        if not row.handlers & kind:
            raise VerifyException(f"'{row.mnemonic}' does not stand in a handler of this kind")
        if row.in_loop is not None and row.in_loop != inside:
            raise VerifyException(
                f"'{row.mnemonic}' stands {'inside' if row.in_loop else 'outside'} of a loop"
            )
        if row.mnemonic in ("taps", "next"):
            inside = row.mnemonic == "taps"
    names = [op.ISA_ROW.mnemonic for op in ops if isinstance(op, InstructionOp)]
    if names[-1:] != ["end"] or names.count("end") != 1:
        raise VerifyException("a handler ends in its only 'end'")
