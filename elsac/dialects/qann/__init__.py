"""The `qann` dialect: the quantized network as exact integers.

A `!qann.tensor` holds tracers: S = q - z, integers with a scale. A `!qann.real` is an exact real
number per element, the value between two quantizers; no rounding happens there. `qann.quantize` is
the only op that rounds: half to even, then into the bounds of its type. Shapes are per sample (no
batch dimension), channels first as in ONNX.
"""

from xdsl.ir import Dialect

from elsac.dialects.net import dims
from elsac.dialects.qann.edges import DequantizeOp, InputOp, OutputOp, ProbeOp, QuantizeOp
from elsac.dialects.qann.functions import (
    ConstantOp,
    CurveOp,
    FunctionOp,
    NormOp,
    SoftmaxOp,
    rational,
)
from elsac.dialects.qann.linear import ConvOp, MatmulOp, SumPoolOp
from elsac.dialects.qann.products import MultiplyOp, ProductOp
from elsac.dialects.qann.real import AddOp, AffineOp, ClipOp, OffsetOp, ScaleOp
from elsac.dialects.qann.structure import ConcatOp, IndexOp, MaxPoolOp
from elsac.dialects.qann.types import (
    ELEMENT_TYPES,
    AnyTensor,
    RealType,
    TracerType,
    check_same_scale,
    elements,
    parse_scale,
    reshaped,
    scale_text,
    tensor_type,
)

Qann = Dialect(
    "qann",
    [
        InputOp,
        ConvOp,
        MatmulOp,
        SumPoolOp,
        ProductOp,
        MultiplyOp,
        ConstantOp,
        DequantizeOp,
        ScaleOp,
        OffsetOp,
        ClipOp,
        AddOp,
        MaxPoolOp,
        IndexOp,
        ConcatOp,
        AffineOp,
        QuantizeOp,
        SoftmaxOp,
        NormOp,
        CurveOp,
        ProbeOp,
        OutputOp,
    ],
    [TracerType, RealType],
)

__all__ = [
    "ELEMENT_TYPES",
    "AddOp",
    "AffineOp",
    "AnyTensor",
    "ClipOp",
    "ConcatOp",
    "ConstantOp",
    "ConvOp",
    "CurveOp",
    "DequantizeOp",
    "FunctionOp",
    "IndexOp",
    "InputOp",
    "MatmulOp",
    "MaxPoolOp",
    "MultiplyOp",
    "NormOp",
    "OffsetOp",
    "OutputOp",
    "ProbeOp",
    "ProductOp",
    "Qann",
    "QuantizeOp",
    "RealType",
    "ScaleOp",
    "SoftmaxOp",
    "SumPoolOp",
    "TracerType",
    "check_same_scale",
    "dims",
    "elements",
    "parse_scale",
    "rational",
    "reshaped",
    "scale_text",
    "tensor_type",
]
