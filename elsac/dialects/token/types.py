"""Types of the `token` dialect: streams, maps of the im2col unit, routes."""

from collections.abc import Sequence
from typing import Any

from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    IntAttr,
    i64,
)
from xdsl.ir import (
    Attribute,
    ParametrizedAttribute,
    SSAValue,
    TypeAttribute,
)
from xdsl.irdl import (
    irdl_attr_definition,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from elsac.dialects.net import WindowAttr

Place = tuple[int, int]
"""Where a core is on the mesh: (x, y)."""


@irdl_attr_definition
class StreamType(ParametrizedAttribute, TypeAttribute):
    """!token.stream<64x16 in 0 to 15>: spines, columns of a spine, bounds of the tracers."""

    name = "token.stream"
    spines: IntAttr
    columns: IntAttr
    lo: IntAttr
    hi: IntAttr

    def __init__(
        self, spines: int | IntAttr, columns: int | IntAttr, lo: int | IntAttr, hi: int | IntAttr
    ) -> None:
        super().__init__(
            *(v if isinstance(v, IntAttr) else IntAttr(v) for v in (spines, columns, lo, hi))
        )

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            spines, columns = parser.parse_dimension_list()
            parser.parse_keyword("in")
            lo = parser.parse_integer()
            parser.parse_keyword("to")
            return [IntAttr(v) for v in (spines, columns, lo, parser.parse_integer())]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_dimension_list((self.spines.data, self.columns.data))
            printer.print_string(f" in {self.lo.data} to {self.hi.data}")

    def verify(self) -> None:
        if self.spines.data < 1 or self.columns.data < 1:
            raise VerifyException("a stream has at least one spine and one column")
        if not self.lo.data <= 0 <= self.hi.data:
            raise VerifyException("the bounds of a stream hold 0, the tracer of a silent neuron")


@irdl_attr_definition
class MapAttr(ParametrizedAttribute):
    """What the im2col unit does: #token.map<8x8 to 4x4 kernel [3, 3], stride [2, 2], pads [1, 1]>.

    Sizes of input and output map, and the window that leads from one to the other (top and left pad
    only: the others follow from the sizes). `#token.map<1x1 to 1x1 kernel [1, 1]>` is the identity
    of a vector.
    """

    name = "token.map"
    source: ArrayAttr[IntAttr]
    result: ArrayAttr[IntAttr]
    window: WindowAttr

    def __init__(
        self,
        source: Sequence[int] | ArrayAttr[IntAttr],
        result: Sequence[int] | ArrayAttr[IntAttr],
        window: WindowAttr,
    ) -> None:
        super().__init__(
            *(
                v if isinstance(v, ArrayAttr) else ArrayAttr([IntAttr(d) for d in v])
                for v in (source, result)
            ),
            window,
        )

    @property
    def sizes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """((in height, in width), (out height, out width))."""
        (a, b), (c, d) = ([i.data for i in v] for v in (self.source, self.result))
        return (a, b), (c, d)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            source = parser.parse_dimension_list()
            parser.parse_keyword("to")
            result = parser.parse_dimension_list()
            parser.parse_keyword("window")
            window = WindowAttr.new(WindowAttr.parse_parameters(parser))
        return (
            ArrayAttr([IntAttr(d) for d in source]),
            ArrayAttr([IntAttr(d) for d in result]),
            window,
        )

    def print_parameters(self, printer: Printer) -> None:
        (ih, iw), (oh, ow) = self.sizes
        with printer.in_angle_brackets():
            printer.print_string(f"{ih}x{iw} to {oh}x{ow} window ")
            self.window.print_parameters(printer)

    def verify(self) -> None:
        if len(self.source) != 2 or len(self.result) != 2:
            raise VerifyException("a map has a height and a width")


@irdl_attr_definition
class RouteAttr(ParametrizedAttribute):
    """The path of a stream's packets to one core: the mesh places that it passes, source and
    destination included.
    """

    name = "token.route"
    places: ArrayAttr[ArrayAttr[IntAttr]]

    def __init__(self, places: Sequence[Place] | ArrayAttr[ArrayAttr[IntAttr]]) -> None:
        if not isinstance(places, ArrayAttr):
            places = ArrayAttr([ArrayAttr([IntAttr(x), IntAttr(y)]) for x, y in places])
        super().__init__(places)

    @property
    def path(self) -> list[Place]:
        """The places as (x, y)."""
        return [(p.data[0].data, p.data[1].data) for p in self.places]

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        def place() -> ArrayAttr[IntAttr]:
            delimiter = parser.Delimiter.PAREN
            return ArrayAttr(
                [
                    IntAttr(v)
                    for v in parser.parse_comma_separated_list(delimiter, parser.parse_integer)
                ]
            )

        places = parser.parse_comma_separated_list(parser.Delimiter.ANGLE, place)
        return (ArrayAttr(places),)

    def print_parameters(self, printer: Printer) -> None:
        printer.print_string("<" + ", ".join(f"({x}, {y})" for x, y in self.path) + ">")

    def verify(self) -> None:
        if not self.places or any(len(p) != 2 for p in self.places):
            raise VerifyException("a route passes at least one place, given as (x, y)")
        for (x, y), (u, v) in zip(self.path, self.path[1:], strict=False):
            if abs(x - u) + abs(y - v) != 1:
                raise VerifyException(f"({x}, {y}) and ({u}, {v}) of a route are not neighbours")


def stream(value: SSAValue) -> StreamType:
    """The type of a stream."""
    assert isinstance(value.type, StreamType)
    return value.type


def int_array(values: Sequence[int]) -> DenseArrayBase[Any]:
    """Integers as an attribute, printed [1, 2, 3]."""
    return DenseArrayBase.from_list(i64, list(values))


def ints(array: DenseArrayBase[Any]) -> tuple[int, ...]:
    """Plain integers of an array."""
    return tuple(int(i) for i in array.get_values())
