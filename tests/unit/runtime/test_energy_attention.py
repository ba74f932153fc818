"""Energy and area of products of activations and of functions of rows, against sums by hand."""

import dataclasses

import numpy as np
import pytest

from elsac.runtime.energy import COMPONENTS, area, chip_area, energy, factors, program_shapes
from elsac.runtime.energy.tables import width
from elsac.runtime.products import fields_of, met, partner, place, sums_shape
from elsac.runtime.program import ALWAYS, NEVER
from tests.programs_attention import AttentionBuilder, random_encoder, random_geometry
from tests.unit.runtime.test_energy import ARTIFACT, ELSA, dynamic, program, shapes


def test_events_by_hand() -> None:
    # A word of 16 membranes of 16 bits; circuits of 128 trees; words of weight memory.
    both = 0.730 + 0.480
    assert dynamic(column_words=10) == pytest.approx({"membranes": 10 * both})
    assert dynamic(form=shapes(membrane_bits=12), column_words=10) == pytest.approx(
        {"membranes": 10 * both * 12 / 16}
    )
    assert dynamic(ARTIFACT, column_words=10) == pytest.approx({"membranes": 160 * both})
    assert dynamic(column_adds=64) == pytest.approx({"adders": 35.648 / 2})
    assert dynamic(column_reads=10) == pytest.approx({"weights": 10 * 0.256})
    assert dynamic(delivered=10) == pytest.approx({"weights": 10 * 0.170})
    assert dynamic(softmaxes=10) == pytest.approx({"softmax": 10 * 0.86488})
    assert dynamic(norms=10) == pytest.approx({"norm": 10 * 3.477})


def test_a_batch_of_a_head() -> None:
    """200 columns in a PE, of which a head has 64: 4 words of membranes, half of the trees."""
    form = shapes(columns=200, weight_columns=64, batch_columns=64)
    assert dynamic(form=form, batches=10) == pytest.approx({"membranes": 10 * 4 * (0.730 + 0.480)})
    assert dynamic(form=form, adds=10) == pytest.approx({"adders": 10 * 35.648 / 2})
    assert dynamic(form=form, batch_spikes=10) == pytest.approx({"weights": 10 * 4 * 0.256})


def test_tracking_rows_keep_their_membranes() -> None:
    still = dynamic(form=shapes(tracks=True), fires=10)
    assert still["membranes"] == pytest.approx(10 * 2 * 0.730)
    assert {**dynamic(fires=10), "membranes": 0} == {**still, "membranes": 0}


def test_delivered_tracers_lie_in_memory_and_are_not_loaded() -> None:
    """100 words are 2 macros in each of the 2 PEs."""
    here, plain = shapes(factor_words=100), shapes()
    more = energy(ELSA, here, {}, 1e6).leakage - energy(ELSA, plain, {}, 1e6).leakage
    nanojoules = 4 * 91.121 * 1e6 / 2e8
    assert more[0, COMPONENTS.index("weights")] == pytest.approx(nanojoules * 1e3)
    assert np.count_nonzero(more) == 1
    assert np.array_equal(energy(ELSA, here, {}, 0).dynamic, energy(ELSA, plain, {}, 0).dynamic)
    larger = area(ELSA, here) - area(ELSA, plain)
    assert larger.sum() == pytest.approx(4 * 0.000608522)


def test_units_leak_where_they_are_used() -> None:
    form = shapes(
        softmax_share=[0.5, 0.5, 0], norm_share=[0, 0, 1], core=[0, 0, 1], layer=[0, 1, 2]
    )
    found = energy(ELSA, form, np.zeros((3, 18)), 2e8).leakage
    softmax, norm = (COMPONENTS.index(name) for name in ("softmax", "norm"))
    assert found[:, softmax] == pytest.approx([272.1618e3 / 2, 272.1618e3 / 2, 0])
    assert found[:, norm] == pytest.approx([0, 0, 669.49e3])
    assert area(ELSA, form)[:, norm].sum() == ELSA.norm_mm2
    assert chip_area(ELSA)["softmax"] == pytest.approx(36 * 0.000357588)
    none = energy(ELSA, program_shapes(ELSA, program()), {"fires": 1}, 2e8).by_component()
    assert none["softmax"] == none["norm"] == 0


@pytest.mark.parametrize("seed", range(40))
def test_words_of_factors(seed: int) -> None:
    """Those that the sums of a PE need, looked for one by one."""
    rng = np.random.default_rng(seed)
    product = random_geometry(rng)
    high, wide = sums_shape(product)
    i, j = (sorted(rng.integers(0, size + 1, 2).tolist()) for size in (high, wide))
    thread = {"row_base": i[0], "rows": i[1] - i[0], "column_base": j[0], "columns": j[1] - j[0]}
    needed: tuple[set[object], set[object]] = set(), set()
    for row in range(*i):
        for column in range(*j):
            for at in range(max(product["k"], 1)):
                if product["elementwise"]:
                    left = (
                        (0 if product["left_transposed"] else row),
                        (0 if product["left_columns"] else column),
                    )
                else:
                    size, number = (
                        (product["n"], column) if product["out_columns"] else (product["m"], row)
                    )
                    inner = row if product["out_columns"] else row % product["m"]
                    left = place(product, "left", (number // size, inner, at))
                sums = met(product, thread, "left", *left)
                assert row - i[0] in sums.rows and column - j[0] in sums.columns
                needed[0].add(left)
                needed[1].add(partner(product, "left", *left, row, column))
    found = factors.elements(product, range(*i), range(*j))
    if i[0] < i[1] and j[0] < j[1]:
        assert found == (len(needed[0]), len(needed[1]))


@pytest.mark.parametrize("seed", range(6))
def test_shapes_of_programs_with_products(seed: int) -> None:
    made = random_encoder(seed).program()
    form = program_shapes(ELSA, made)
    for product in map(fields_of, made.products):
        thread = product["thread"]
        # Nothing of a factor is there before a run.
        assert form.weight_rows[thread] == 0 and form.factor_words[thread] > 0
        assert form.weight_columns[thread] == form.batch_columns[thread] <= form.columns[thread]
        assert form.weight_bits[thread] >= product["right_bits"]
    others = np.setdiff1d(np.arange(len(form)), made.products["thread"])
    assert not form.factor_words[others].any()
    assert np.array_equal(form.batch_columns[others], form.columns[others])
    # A core has one unit of a kind, if it has any.
    for share in (form.softmax_share, form.norm_share):
        assert set(np.round(np.bincount(form.core, share), 9).tolist()) <= {0.0, 1.0}
    assert form.tracks.any() and (form.stair_bits[form.tracks] > 0).any()
    wide = dataclasses.replace(ELSA, circuits_per_pe=1)
    assert energy(wide, form, {"column_adds": 1}, 0).total > energy(ELSA, form, {}, 0).total


def test_tables_of_norms_lie_with_the_membranes() -> None:
    builder = AttentionBuilder(seed=2)
    source = builder.source((3, 1), 4, -4, 4, "spikes")
    builder.read(builder.function_of([source], "norm"), "tracer")
    made = builder.program()
    form = program_shapes(ELSA, made)
    threads = np.flatnonzero(made.threads["input"] < 0)
    entry = made.norms[0]
    numbers = made.thresholds[entry["offset"] :][: entry["columns"] * entry["levels"]]
    finite = [n for n in numbers.tolist() if ALWAYS < n < NEVER]
    bits = max(max(n.bit_length(), (~n).bit_length()) for n in finite) + 1
    assert form.stair_bits[threads[0]] == entry["levels"] * bits + 2
    assert form.stair_classes[threads].tolist() == [1] * len(threads)


@pytest.mark.parametrize(
    ("numbers", "bits"), [([], 1), ([0], 1), ([1], 2), ([-1], 1), ([-8, 7], 4), ([8, NEVER], 5)]
)
def test_widths(numbers: list[int], bits: int) -> None:
    assert width(np.array(numbers, np.int64)) == bits
