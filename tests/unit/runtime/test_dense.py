"""Dense convolution, depthwise or not, against plain integer arithmetic."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llvmlite import binding  # type: ignore[import-untyped]
from numba import njit
from numpy.typing import NDArray

from elsac.runtime.emulator import dense, depthwise
from elsac.runtime.emulator.kernels import compiled
from elsac.runtime.emulator.products import form_of
from elsac.runtime.program import WINDOW

Ints = NDArray[np.int64]
PARTS: Any = {"full": dense.convolve_rows, "depthwise": depthwise.depthwise_rows}
ROWS: dict[str, tuple[Callable[..., None], Callable[..., None]]] = {
    "full": (compiled(PARTS["full"].py_func), dense.convolve_rows_plainly),
    "depthwise": (compiled(PARTS["depthwise"].py_func), depthwise.depthwise_rows_plainly),
}


class Case(NamedTuple):
    """A layer; `gaps` are unused bytes of a pixel and unused columns of a row of sums."""

    window: tuple[int, ...]  # the fields of WINDOW
    channels: int
    outputs: int
    steps: int = 1
    gaps: tuple[int, int] = (0, 0)
    seed: int = 0
    extreme: bool = False

    @property
    def record(self) -> Any:
        return np.array([self.window], WINDOW)[0]

    def inputs(self) -> Ints:
        """Return values [steps, in_height, in_width, channels]."""
        shape = (self.steps, *self.window[:2], self.channels)
        rng = np.random.default_rng(self.seed)
        return rng.choice([-128, 127], shape) if self.extreme else rng.integers(-128, 128, shape)

    def weights(self, outputs: int) -> Ints:
        """Return weights [taps, channels, outputs]."""
        shape = (self.window[4] * self.window[5], self.channels, outputs)
        rng = np.random.default_rng(self.seed + 1)
        return rng.choice([-128, 127], shape) if self.extreme else rng.integers(-128, 128, shape)


def expected(case: Case, inputs: Ints, weights: Ints, full: bool) -> Ints:
    """Return sums [rows, outputs], from the definition of a window."""
    w = case.record
    rows = []
    for step in range(case.steps):
        for oy in range(w["out_height"]):
            for ox in range(w["out_width"]):
                total = np.zeros(weights.shape[2] if full else case.channels, np.int64)
                for tap in range(len(weights)):
                    ky, kx = divmod(tap, int(w["kernel_width"]))
                    y = oy * w["stride_height"] - w["pad_top"] + ky * w["dilation_height"]
                    x = ox * w["stride_width"] - w["pad_left"] + kx * w["dilation_width"]
                    if 0 <= y < w["in_height"] and 0 <= x < w["in_width"]:
                        row = inputs[step, y, x]
                        total += row @ weights[tap] if full else row * weights[tap, :, 0]
                rows.append(total)
    return np.array(rows)


def maps_of(case: Case, inputs: Ints, geometry: dense.Geometry, before: int) -> NDArray[np.uint8]:
    """Write inputs into maps, place by place; gaps and slack hold anything."""
    rng = np.random.default_rng(case.seed + 2)
    size = before + case.steps * geometry.map_bytes + dense.SLACK
    maps = rng.integers(0, 256, size).astype(np.uint8)
    for step in range(case.steps):
        at = before + step * geometry.map_bytes
        pixels = maps[at : at + geometry.map_bytes].reshape(-1, geometry.pixel)
        pixels[:, : case.channels] = dense.ZERO
        for y, x in np.ndindex(*case.window[:2]):
            if (place := geometry.place(y, x)) >= 0:
                maps[at + place : at + place + case.channels] = inputs[step, y, x] + dense.ZERO
    return maps


def run(case: Case, kind: str, form: int, rows: slice | None, adding: bool) -> tuple[Ints, Ints]:
    """Return sums with their surroundings, and what they should be."""
    full = kind == "full"
    outputs = case.outputs if full else case.channels
    pixel, columns = case.channels + case.gaps[0], outputs + case.gaps[1]
    geometry = dense.describe(case.record, case.channels, outputs, pixel, columns)
    inputs, weights = case.inputs(), case.weights(case.outputs if full else 1)
    if full:
        packed, start = dense.pack(weights, geometry)
    else:
        packed, start = depthwise.pack_depthwise(weights[:, :, 0], geometry)
    maps = maps_of(case, inputs, geometry, 3)
    line = np.concatenate([[7], geometry.line])
    count = case.steps * geometry.positions
    first, last, _ = (rows or slice(None)).indices(count)
    last = max(first, last)
    sums = np.random.default_rng(5).integers(-999, 999, count * columns + 9).astype(np.int32)
    wanted = sums.astype(np.int64)
    part = wanted[4 : 4 + count * columns].reshape(count, columns)[first:last, :outputs]
    part[:] = expected(case, inputs, weights, full)[first:last] + (part if adding else 0)
    packed, start = np.insert(packed, 0, 9), np.insert(start, 0, 9)
    ROWS[kind][form](
        *(maps, 3, packed, 1, start, 1, line, 1, sums, 4 + first * columns, first, last, adding)
    )
    return sums.astype(np.int64), wanted


sizes = st.integers(1, 4)
windows = st.tuples(
    *(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.integers(1, 5), sizes, sizes),
    *(st.integers(1, 3), st.integers(1, 3), st.integers(0, 3), st.integers(0, 3)),
    *(st.integers(1, 3), st.integers(1, 3)),
)
cases = st.builds(
    Case,
    windows,
    st.integers(1, 70),
    st.integers(1, 140),
    st.integers(1, 3),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.integers(0, 99),
    st.booleans(),
)


@pytest.mark.parametrize("form", [0, 1], ids=["best", "plain"])
@pytest.mark.parametrize("kind", ["full", "depthwise"])
@given(cases, st.slices(8), st.booleans())
def test_sums_are_exact(kind: str, form: int, case: Case, rows: slice, adding: bool) -> None:
    sums, wanted = run(case, kind, form, slice(rows.start, rows.stop), adding)
    np.testing.assert_array_equal(sums, wanted)


SAMPLES = [
    Case((1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1), 300, 1000),  # fully connected
    Case((1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1), 64, 100, steps=2000),  # more rows than at once
    Case((20, 20, 10, 10, 7, 7, 2, 2, 3, 3, 1, 1), 3, 64, steps=2),
    Case((7, 7, 7, 7, 3, 3, 1, 1, 1, 1, 1, 1), 130, 200, steps=3, extreme=True),
    Case((15, 15, 8, 8, 3, 3, 2, 2, 1, 1, 1, 1), 144, 24, steps=2, seed=4),
    Case((12, 12, 9, 9, 3, 3, 1, 1, 1, 1, 2, 2), 20, 40, gaps=(3, 1), seed=5),
    Case((9, 20, 7, 7, 3, 3, 1, 2, 0, 0, 1, 2), 65, 17, gaps=(0, 2), seed=6),
]


@pytest.mark.parametrize("case", SAMPLES)
@pytest.mark.parametrize("form", [0, 1], ids=["best", "plain"])
@pytest.mark.parametrize("kind", ["full", "depthwise"])
def test_layers_of_networks(case: Case, kind: str, form: int) -> None:
    np.testing.assert_array_equal(*run(case, kind, form, None, False))
    np.testing.assert_array_equal(*run(case, kind, form, slice(3, -2), True))


def test_the_longest_sum_fits() -> None:
    geometry = dense.describe(SAMPLES[0].record, dense.LIMIT, 1)
    packed, start = dense.pack(np.full((1, dense.LIMIT, 1), -128), geometry)
    sums = np.zeros(2, np.int32)
    maps = np.zeros(dense.LIMIT + dense.SLACK, np.uint8)
    for rows in ROWS["full"]:
        rows(maps, 0, packed, 0, start, 0, geometry.line, 0, sums, 0, 0, 1, False)
        assert sums.tolist() == [2**30, 0]


@pytest.mark.parametrize("grouped", [1, 2, 3])
def test_groups_share_a_geometry(grouped: int) -> None:
    window = (5, 5, 5, 5, 3, 3, 1, 1, 1, 1, 1, 1)
    whole = Case(window, 6 * grouped, 10, seed=3)
    inputs, weights = whole.inputs(), whole.weights(10 * grouped)[:, :6]
    geometry = dense.describe(whole.record, 6, 10, 6 * grouped, 10 * grouped)
    maps = maps_of(whole, inputs, geometry, 0)
    sums = np.zeros((25, 10 * grouped), np.int32)
    for group in range(grouped):
        own = slice(10 * group, 10 * group + 10)
        packed, start = dense.pack(weights[:, :, own], geometry)
        args = (packed, 0, start, 0, geometry.line, 0, sums.reshape(-1), 10 * group, 1, True)
        dense.convolve(maps, 6 * group, *args)
        part = inputs[..., 6 * group : 6 * group + 6]
        wanted = expected(whole._replace(channels=6), part, weights[:, :, own], True)
        np.testing.assert_array_equal(sums[:, own], wanted)


def test_compiled_code_calls_both() -> None:
    case = SAMPLES[3]._replace(outputs=130)
    geometry = dense.describe(case.record, 130, 130)
    maps = maps_of(case, case.inputs(), geometry, 0)
    packed, start = dense.pack(case.weights(130), geometry)
    single, single_start = depthwise.pack_depthwise(case.weights(1)[:, :, 0], geometry)
    sums = np.zeros(3 * 49 * 130, np.int32)

    @njit
    def caller(maps: Any, p: Any, s: Any, q: Any, t: Any, line: Any, sums: Any) -> None:
        dense.convolve(maps, 0, p, 0, s, 0, line, 0, sums, 0, 3, False)
        depthwise.depthwise(maps, 0, q, 0, t, 0, line, 0, sums, 0, 3, True)

    caller(maps, packed, start, single, single_start, geometry.line, sums)
    wanted = expected(case, case.inputs(), case.weights(130), True)
    wanted += expected(case, case.inputs(), case.weights(1), False)
    np.testing.assert_array_equal(sums.reshape(-1, 130), wanted)


def test_places_that_no_window_reads() -> None:
    record = np.array([(6, 6, 2, 2, 1, 1, 3, 3, 0, 1, 1, 1)], WINDOW)[0]
    geometry = dense.describe(record, 5, 1)
    assert (geometry.map_height, geometry.map_width, geometry.map_bytes) == (4, 4, 80)
    assert geometry.place(0, 0, 2) == 5 + 2
    assert geometry.place(3, 2) == (3 * 4 + 3) * 5
    assert geometry.place(4, 0) == geometry.place(0, 3) == -1


def test_refusals() -> None:
    record = SAMPLES[2].record
    with pytest.raises(ValueError, match="a sum of 98000 products may leave 32 bits"):
        dense.describe(record, 2000, 1)
    geometry = dense.describe(record, 3, 4)
    with pytest.raises(ValueError, match=r"weights are \[49, 4, 3\]: expected \[49, 3, 4\]"):
        dense.pack(np.zeros((49, 4, 3), np.int8), geometry)
    with pytest.raises(ValueError, match=r"weights are -1\.\.128: expected -128\.\.127"):
        dense.pack((np.arange(49 * 12) % 130 - 1).reshape(49, 3, 4), geometry)
    with pytest.raises(ValueError, match=r"expected -128\.\.127"):
        depthwise.pack_depthwise(np.full((49, 3), -129), geometry)


def test_forms_of_processors() -> None:
    assert form_of("+avx2,+avx512bw,+avx512f,+avx512vnni") == "vnni"
    assert form_of("+avx2,+avx512bw,+avx512f,-avx512vnni") == "avx512"
    assert form_of("+avx,+avx2") == "avx2"
    assert form_of("+avxvnni,-avx512f") == form_of("") == "plain"


def digest() -> str:
    """Return a digest of the sums of all samples."""
    found = [run(case, kind, 0, None, False)[0] for case in SAMPLES for kind in ROWS]
    return hashlib.sha256(b"".join(sums.tobytes() for sums in found)).hexdigest()


@pytest.mark.parametrize("features", ["+avx2", "+avx2,+avx512f,+avx512bw"])
def test_older_processors_find_the_same_sums(features: str) -> None:
    host = binding.get_host_cpu_features()
    if not all(host.get(name) for name in features.replace("+", "").split(",")):
        pytest.skip("this processor lacks them")
    code = "from tests.unit.runtime.test_dense import digest; print(digest())"
    environment = {**os.environ, "NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": features}
    root = Path(__file__).parents[3]
    other = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True
    )
    assert other.stdout.strip() == digest(), other.stderr
