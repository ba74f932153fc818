"""What the passes say of a mapping as a whole: the packet format, and their claims."""

from collections.abc import Mapping

from xdsl.dialects.builtin import I64, DictionaryAttr, IntegerAttr, StringAttr
from xdsl.ir import Attribute
from xdsl.irdl import IRDLOperation, irdl_op_definition, prop_def
from xdsl.utils.exceptions import VerifyException

from elsac.dialects.net import int_attr


@irdl_op_definition
class PacketFormatOp(IRDLOperation):
    """How spikes are bundled on the mesh: the widths of a flit's fields in bits, and the spikes
    that one holds.
    """

    name = "token.packet_format"
    kind = prop_def(StringAttr)
    flit = prop_def(IntegerAttr[I64])
    fields = prop_def(DictionaryAttr)
    capacity = prop_def(IntegerAttr[I64])
    assembly_format = "$kind `flit` $flit `fields` $fields `capacity` $capacity attr-dict"

    def __init__(self, kind: str, flit: int, fields: dict[str, int], capacity: int) -> None:
        super().__init__(
            properties={
                "kind": StringAttr(kind),
                "flit": int_attr(flit),
                "fields": DictionaryAttr({k: int_attr(v) for k, v in fields.items()}),
                "capacity": int_attr(capacity),
            }
        )

    def verify_(self) -> None:
        if self.capacity.value.data < 1:
            raise VerifyException("a flit holds at least one spike")


@irdl_op_definition
class ClaimOp(IRDLOperation):
    """What a pass says of the mapping that it made: numbers that `verify-mapping` computes again
    from the rest of the module, and the bounds and limits they were reached with.

    `token.claim "placement" {flit_hops = 10 : i64, bound = 10 : i64, method = "anneal"}`
    """

    name = "token.claim"
    subject = prop_def(StringAttr)
    figures = prop_def(DictionaryAttr)
    assembly_format = "$subject $figures attr-dict"

    def __init__(self, subject: str, figures: Mapping[str, Attribute | int | str]) -> None:
        attributes = {
            key: int_attr(v) if isinstance(v, int) else StringAttr(v) if isinstance(v, str) else v
            for key, v in figures.items()
        }
        super().__init__(
            properties={"subject": StringAttr(subject), "figures": DictionaryAttr(attributes)}
        )
