"""Inputs enter in bands, where they are read, and a mapping that lies about that is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
from xdsl.dialects.builtin import StringAttr
from xdsl.parser import Parser

from elsac.compiler import lower, new_context
from elsac.context import CompileError
from elsac.dialects import token
from elsac.dialects.net import int_attr
from elsac.passes.tile_sources import Demand, cut, home, joined
from elsac.targets import load_target

EXAMPLE = Path(__file__).parents[2] / "filecheck/passes/tile-sources.mlir"
MAPPED = 'tile-sources,place-cores{method="snake"},route-streams,allocate-memory'


def test_halos_are_divided_in_the_middle() -> None:
    needed = [Demand("a", 0, (0, 5)), Demand("a", 1, (3, 9)), Demand("b", 2, (0, 9))]
    assert cut(needed, 9) == [(0, 4), (4, 9)]


def test_what_nobody_needs_enters_with_a_neighbour() -> None:
    """A stride of 4 with a kernel of 1 reads lines 0, 4 and 8 of 12."""
    needed = [Demand("a", core, (4 * core, 4 * core + 1)) for core in range(3)]
    assert cut(needed, 12) == [(0, 2), (2, 6), (6, 12)]
    assert [home(needed, band) for band in cut(needed, 12)] == [0, 1, 2]


def test_an_input_without_readers_stays_whole() -> None:
    assert cut([], 7) == [(0, 7)]
    assert home([], (0, 7)) == 0


def test_lines_are_counted_once_for_a_core() -> None:
    """Two layers on core 3 need the same line, one on core 1 needs two."""
    needed = [Demand("a", 3, (0, 1)), Demand("b", 3, (0, 1)), Demand("c", 1, (0, 2))]
    assert home(needed, (0, 2)) == 1


def test_neighbours_on_one_core_are_one_band() -> None:
    bands = [(0, 2), (2, 4), (4, 5), (5, 8)]
    assert joined(bands, [1, 1, 0, 1]) == [((0, 4), 1), ((4, 5), 0), ((5, 8), 1)]


def mapped() -> tuple[list[token.SourceOp], Callable[[], object]]:
    """The sources of the example, mapped, and what verifies it."""
    context = new_context(load_target("elsa-6x6"))
    module = Parser(context, EXAMPLE.read_text("utf-8")).parse_module()
    lower(module, context, MAPPED)
    sources = [o for o in module.body.ops if isinstance(o, token.SourceOp)]
    return sources, lambda: lower(module, context, "verify-mapping")


def test_only_halos_cross_the_mesh() -> None:
    """Lines 3 (to the tile above), 2 and 6 (to that amid), 5 (to that below), of two spines."""
    sources, verify = mapped()
    verify()
    reaches = [r.reach(token.stream(s.output).spines.data) for s in sources for r in s.routes or ()]
    assert sorted(stop - first for first, stop in reaches) == [2, 2, 2, 2]


def lie_lines(source: token.SourceOp) -> None:
    source.first_line, source.last_line = int_attr(2), int_attr(5)


def lie_coding(source: token.SourceOp) -> None:
    source.order = StringAttr("bands")


def lie_total(source: token.SourceOp) -> None:
    source.lines = int_attr(9)


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        (lie_lines, "spine 4 is sent by 2 tiles, not by one"),
        (lie_coding, "its coding and order differ from those of"),
        (lie_total, "its spines in all differ from those of"),
    ],
)
def test_lies_about_inputs_are_refused(lie: Callable[[token.SourceOp], None], message: str) -> None:
    sources, verify = mapped()
    lie(sources[1])
    with pytest.raises(CompileError, match=message):
        verify()
