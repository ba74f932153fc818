"""Types of the `token` dialect: streams, maps of the im2col unit, routes."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    IntAttr,
    f64,
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
        if min(i.data for v in (self.source, self.result) for i in v) < 1:
            raise VerifyException("a map has a line and a column at least")


@irdl_attr_definition
class RouteAttr(ParametrizedAttribute):
    """The path of a stream's packets to one core: the mesh places that it passes, source and
    destination included.

    Routes of a stream with the same `tree` form a multicast tree, all of one `weight` (its share of
    the spines) and one virtual `channel`. Only the spines of the range `spines` are sent to this
    core, all where there is none. The sender may be `credits` steps ahead of the
    readers there.
    `#token.route<(0, 0), (1, 0) tree 1 weight 2 channel 1 spines 0 to 56 credits 1>`: whatever is
    0, or 1 for the weight, may be left out.
    """

    name = "token.route"
    places: ArrayAttr[ArrayAttr[IntAttr]]
    tree: IntAttr
    weight: IntAttr
    channel: IntAttr
    spines: ArrayAttr[IntAttr]
    credits: IntAttr

    def __init__(
        self,
        places: Sequence[Place],
        tree: int = 0,
        weight: int = 1,
        channel: int = 0,
        spines: Sequence[int] = (),
        credits: int = 0,
    ) -> None:
        super().__init__(
            ArrayAttr([ArrayAttr([IntAttr(x), IntAttr(y)]) for x, y in places]),
            IntAttr(tree),
            IntAttr(weight),
            IntAttr(channel),
            ArrayAttr([IntAttr(s) for s in spines]),
            IntAttr(credits),
        )

    @property
    def path(self) -> list[Place]:
        """The places as (x, y)."""
        return [(p.data[0].data, p.data[1].data) for p in self.places]

    @property
    def links(self) -> list[tuple[Place, Place]]:
        """The links, from place to place."""
        return list(pairwise(self.path))

    def reach(self, spines: int) -> tuple[int, int]:
        """First spine that is sent this way, and the first that is not any more."""
        if not self.spines:
            return 0, spines
        return self.spines.data[0].data, self.spines.data[1].data

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        def place() -> Place:
            delimiter = parser.Delimiter.PAREN
            numbers = parser.parse_comma_separated_list(delimiter, parser.parse_integer)
            if len(numbers) != 2:
                parser.raise_error("a place is given as (x, y)")
            return numbers[0], numbers[1]

        numbers = {"tree": 0, "weight": 1, "channel": 0, "credits": 0}
        spines: tuple[int, ...] = ()
        with parser.in_angle_brackets():
            places = parser.parse_comma_separated_list(parser.Delimiter.NONE, place)
            while (word := parser.parse_optional_identifier()) is not None:
                if word == "spines":
                    first = parser.parse_integer()
                    parser.parse_keyword("to")
                    spines = first, parser.parse_integer()
                elif word in numbers:
                    numbers[word] = parser.parse_integer()
                else:
                    parser.raise_error(f"expected spines, {', '.join(numbers)}, got '{word}'")
        return cls(places, spines=spines, **numbers).parameters

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(", ".join(f"({x}, {y})" for x, y in self.path))
            for name, least in (("tree", 0), ("weight", 1), ("channel", 0)):
                if (value := getattr(self, name).data) != least:
                    printer.print_string(f" {name} {value}")
            if self.spines:
                printer.print_string(" spines {} to {}".format(*(s.data for s in self.spines)))
            if self.credits.data:
                printer.print_string(f" credits {self.credits.data}")

    def verify(self) -> None:
        if not self.places or any(len(p) != 2 for p in self.places):
            raise VerifyException("a route passes at least one place, given as (x, y)")
        for (x, y), (u, v) in self.links:
            if abs(x - u) + abs(y - v) != 1:
                raise VerifyException(f"({x}, {y}) and ({u}, {v}) of a route are not neighbours")
        if min(self.tree.data, self.channel.data, self.credits.data) < 0 or self.weight.data < 1:
            raise VerifyException("tree, channel and credits of a route are 0 at least, weight 1")
        if len(self.spines) not in (0, 2):
            raise VerifyException("the spines of a route are a first and a last (exclusive)")
        if self.spines and not 0 <= self.spines.data[0].data < self.spines.data[1].data:
            raise VerifyException("the spines of a route are a range, from 0 on")


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


def rates_attr(rates: Sequence[float]) -> DenseArrayBase[Any]:
    """The share of neurons that spike in each step, as an attribute."""
    return DenseArrayBase.from_list(f64, list(rates))


def rates(array: DenseArrayBase[Any] | None) -> tuple[float, ...]:
    """The share of neurons that spike in each step; none where nothing was estimated."""
    return () if array is None else tuple(float(r) for r in array.get_values())
