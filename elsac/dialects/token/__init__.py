"""The `token` dialect: the network as processes that exchange streams of spines.

A `!token.stream` carries, for each step, the spikes of each of its spines and then their end. A
`token.actor` is one tile (a range of columns, a range of lines) of one layer: a deterministic
process whose body says what it does with each stream that it reads and how its rows fire. Passes
add how busy it is (`rates`), where it runs (`core`, `place`), how its spines travel (`routes`) and
where its data lies (`memory`), and what they claim of the whole (`token.claim`).
"""

from xdsl.ir import Dialect

from elsac.dialects.token.actors import (
    ActorOp,
    Charged,
    End,
    ProbeOp,
    ReadoutOp,
    SourceOp,
    place,
)
from elsac.dialects.token.claims import ClaimOp, PacketFormatOp
from elsac.dialects.token.functions import CurveOp, FactorOp, NormOp, RowFunction, SoftmaxOp
from elsac.dialects.token.steps import (
    AccumulateOp,
    AddOp,
    FireOp,
    FlowOp,
    HoldOp,
    MaximumOp,
    ScatterOp,
    Step,
    TraceOp,
    check_map,
)
from elsac.dialects.token.types import (
    MapAttr,
    Place,
    RouteAttr,
    StreamType,
    int_array,
    ints,
    rates,
    rates_attr,
    stream,
)

Token = Dialect(
    "token",
    [
        PacketFormatOp,
        SourceOp,
        ActorOp,
        AccumulateOp,
        AddOp,
        ScatterOp,
        TraceOp,
        FactorOp,
        FireOp,
        SoftmaxOp,
        NormOp,
        CurveOp,
        MaximumOp,
        FlowOp,
        HoldOp,
        ProbeOp,
        ReadoutOp,
        ClaimOp,
    ],
    [StreamType, MapAttr, RouteAttr],
)

__all__ = [
    "AccumulateOp",
    "ActorOp",
    "AddOp",
    "Charged",
    "ClaimOp",
    "CurveOp",
    "End",
    "FactorOp",
    "FireOp",
    "FlowOp",
    "HoldOp",
    "MapAttr",
    "MaximumOp",
    "NormOp",
    "PacketFormatOp",
    "Place",
    "ProbeOp",
    "ReadoutOp",
    "RouteAttr",
    "RowFunction",
    "ScatterOp",
    "SoftmaxOp",
    "SourceOp",
    "Step",
    "StreamType",
    "Token",
    "TraceOp",
    "check_map",
    "int_array",
    "ints",
    "place",
    "rates",
    "rates_attr",
    "stream",
]
