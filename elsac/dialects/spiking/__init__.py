"""The `spiking` dialect: the same network as spikes.

A `!spiking.train` carries, step by step, spikes that move the tracers of a layer; a spike is a
signed power of two (1 in the `ternary` alphabet). Synapse maps turn trains into a
`!spiking.current`, integers that a neuron adds to its charge. A neuron compares its charge with a
threshold staircase and fires towards the level that the charge has reached; so its tracer ends at
the integer of the quantized network, whatever the order of events.
"""

from xdsl.ir import Dialect

from elsac.dialects.net import dims
from elsac.dialects.spiking.edges import InputOp, ProbeOp, ReadoutOp
from elsac.dialects.spiking.functions import CurveOp, FunctionOp, NormOp, SoftmaxOp
from elsac.dialects.spiking.neurons import ConcatOp, IndexOp, MaxPoolOp, NeuronOp
from elsac.dialects.spiking.products import MultiplyOp, ProductOp, SilenceOp
from elsac.dialects.spiking.synapses import ConvOp, DenseOp, JoinOp, RelayOp, SumPoolOp
from elsac.dialects.spiking.types import (
    Alphabet,
    AlphabetAttr,
    AnySpiking,
    Coding,
    CodingAttr,
    CurrentType,
    TrainType,
    channel_axis,
    check_range,
    train_type,
)

Spiking = Dialect(
    "spiking",
    [
        InputOp,
        ConvOp,
        DenseOp,
        SumPoolOp,
        RelayOp,
        ProductOp,
        MultiplyOp,
        SilenceOp,
        JoinOp,
        NeuronOp,
        SoftmaxOp,
        NormOp,
        CurveOp,
        MaxPoolOp,
        IndexOp,
        ConcatOp,
        ProbeOp,
        ReadoutOp,
    ],
    [AlphabetAttr, CodingAttr, TrainType, CurrentType],
)

__all__ = [
    "Alphabet",
    "AlphabetAttr",
    "AnySpiking",
    "Coding",
    "CodingAttr",
    "ConcatOp",
    "ConvOp",
    "CurrentType",
    "CurveOp",
    "DenseOp",
    "FunctionOp",
    "IndexOp",
    "InputOp",
    "JoinOp",
    "MaxPoolOp",
    "MultiplyOp",
    "NeuronOp",
    "NormOp",
    "ProbeOp",
    "ProductOp",
    "ReadoutOp",
    "RelayOp",
    "SilenceOp",
    "SoftmaxOp",
    "Spiking",
    "SumPoolOp",
    "TrainType",
    "channel_axis",
    "check_range",
    "dims",
    "train_type",
]
