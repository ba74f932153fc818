"""Tiles of rows and columns: what covers a tensor once, and how readings lay it together."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elsac.runtime.bindings import Host, RunError
from elsac.runtime.emulator import load_image, run_sample
from elsac.runtime.tiles import Tile, covered
from tests.programs import Builder


@given(st.lists(st.builds(Tile, *[st.integers(0, 3)] * 4), max_size=5))
def test_covered_is_once_everywhere(tiles: list[Tile]) -> None:
    count = np.zeros((9, 9), int)
    for t in tiles:
        rows = slice(t.row_base, t.row_base + t.rows)
        count[rows, t.column_base : t.column_base + t.columns] += 1
    rows = max((t.row_base + t.rows for t in tiles), default=0)
    columns = max((t.column_base + t.columns for t in tiles), default=0)
    if (count[:rows, :columns] == 1).all():
        assert covered(tiles) == (rows, columns)
    else:
        with pytest.raises(ValueError, match="the tiles "):
            covered(tiles)


@pytest.mark.parametrize(
    ("tiles", "message"),
    [
        ([(0, 2, 0, 2), (1, 1, 0, 2)], "overlap: they hold 6 of 2x2"),
        ([(0, 2, 0, 2), (3, 1, 0, 2)], "leave gaps: they hold 6 of 4x2"),
        ([(0, 2, 0, 2), (1, 1, 1, 1), (2, 1, 0, 1)], "overlap and leave gaps in 3x2"),
        ([(-1, 2, 0, 2)], "before row 0"),
    ],
)
def test_what_is_wrong_is_said(tiles: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        covered(Tile(*tile) for tile in tiles)


def bound(builder: Builder, layer: Any, shape: list[int], axis: int) -> Any:
    """The program of a builder, with one reading of a layer's tracers."""
    program = builder.program()
    reading = {
        **{"name": "r", "kind": "tracer", "threads": layer.threads, "shape": shape},
        **{"channel_axis": axis, "index": None, "final_shape": shape, "zero": 0},
        "element_type": "INT8",
    }
    host = {"nodes": [], "outputs": []}
    program.bindings = {
        **{"inputs": [], "readings": [reading], "probes": [0], "values": [], "host": host}
    }
    return program


@pytest.mark.parametrize(("shape", "axis"), [([5, 4, 3], 0), ([4, 3, 5], -1)])
def test_readings_lay_tiles_together(shape: list[int], axis: int) -> None:
    builder = Builder(seed=3)
    layer = builder.source((4, 3), 5, -8, 7, "analog", tiles=2, bands=3)
    layer.threads.reverse()
    inputs = builder.samples(np.random.default_rng(0))
    image = load_image(builder.program())
    outcome = run_sample(image, inputs)
    (reading,) = Host(bound(builder, layer, shape, axis)).probes
    got = reading.integers(lambda kind, thread: image.tracer(outcome.tracers, thread))
    whole = inputs[0].reshape(4, 3, 5)
    np.testing.assert_array_equal(got, np.moveaxis(whole, -1, 0) if axis == 0 else whole)
    # With steps before the rows, as recorded values have them.
    steps = reading.natural(lambda kind, thread: image.tracer(outcome.tracers, thread)[None])
    np.testing.assert_array_equal(steps, got[None])


@pytest.mark.parametrize(
    ("shape", "drop", "message"),
    [
        ([4, 3, 5], 0, r"shape \(4, 3, 5\), but its threads hold 12 rows of 5 columns"),
        ([5, 4, 3], 1, "reading 'r': the tiles leave gaps"),
    ],
)
def test_readings_refuse(shape: list[int], drop: int, message: str) -> None:
    builder = Builder()
    layer = builder.source((4, 3), 5, -8, 7, "analog", tiles=2, bands=2)
    del layer.threads[:drop]
    with pytest.raises(RunError, match=message):
        Host(bound(builder, layer, shape, 0))
