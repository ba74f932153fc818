"""The `elsa` dialect: cores, threads, handlers, instructions, and the tables that they index.

The instruction ops are made from the ISA table, one class for each row, so that what can be said
here is what a core executes. An operand that indexes a table is a symbol here and a number in the
word. Bulk data stay in blobs.
"""

from xdsl.ir import Dialect

from elsac.dialects.elsa.functions import (
    CurveOp,
    NormOp,
    ProductOp,
    SoftmaxOp,
    product_fields,
)
from elsac.dialects.elsa.instructions import INSTRUCTIONS, InstructionOp, check_handler, instruction
from elsac.dialects.elsa.tables import (
    ConstantsOp,
    DecisionOp,
    InputOp,
    LogitsOp,
    MapOp,
    ReadingOp,
    StairsOp,
    WeightsOp,
    WindowOp,
)
from elsac.dialects.elsa.threads import CoreOp, PortOp, ThreadOp

__all__ = [
    "INSTRUCTIONS",
    "ConstantsOp",
    "CoreOp",
    "CurveOp",
    "DecisionOp",
    "Elsa",
    "InputOp",
    "InstructionOp",
    "LogitsOp",
    "MapOp",
    "NormOp",
    "PortOp",
    "ProductOp",
    "ReadingOp",
    "SoftmaxOp",
    "StairsOp",
    "ThreadOp",
    "WeightsOp",
    "WindowOp",
    "check_handler",
    "instruction",
    "product_fields",
]

Elsa = Dialect(
    "elsa",
    [
        WindowOp,
        WeightsOp,
        ConstantsOp,
        StairsOp,
        MapOp,
        ProductOp,
        SoftmaxOp,
        NormOp,
        CurveOp,
        DecisionOp,
        LogitsOp,
        CoreOp,
        ThreadOp,
        PortOp,
        InputOp,
        ReadingOp,
        *INSTRUCTIONS.values(),
    ],
    [],
)
