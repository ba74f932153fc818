"""Timing and counts of products of activations and of functions of rows."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from elsac.runtime.emulator import Image, Outcome, load_image, run_sample
from elsac.runtime.products import factor_shape, met, rows_met, sums_shape
from elsac.runtime.timing.counts import KINDS
from elsac.runtime.timing.factors import Part, elements_that_feed, heads_of_rows, heads_of_spines
from elsac.runtime.timing.models import MODELS, PATTERNS, PRODUCTS, Model, Timer
from elsac.runtime.timing.ports import LEFT, RIGHT
from tests.programs_attention import (
    AttentionBuilder,
    random_encoder,
    random_geometry,
    random_product,
)
from tests.unit.runtime.timed import PLAIN, WIDE, Placed, activity, counted

FIRES, SOPS, FLITS = (KINDS.index(k) for k in ("fires", "sops", "flits"))
TIMED = [KINDS.index(k) for k in ("batches", "adds", "parked")]
"""Depend on when spines of different senders come in."""
FLAT = {"elementwise": 0, "left_columns": 1, "left_transposed": 0, "right_columns": 1}
FLAT |= {"right_transposed": 1, "out_columns": 0, "left_bits": 8, "right_bits": 8}


class PlacedAttention(Placed, AttentionBuilder):
    """Products whose threads get cores afterwards."""


def scores(heads: int = 1, tokens: int = 2, width: int = 4, end: str = "softmax") -> Image:
    """Queries and keys from outside, and the function of their product, all on one core."""
    builder = PlacedAttention(seed=1)
    queries, keys = (builder.source((tokens, 1), heads * width, -4, 4, "spikes") for _ in range(2))
    geometry = {**FLAT, "heads": heads, "m": tokens, "k": width, "n": tokens}
    whole = [((0, heads * tokens), (0, tokens))]
    builder.read(builder.product(queries, keys, geometry, end, tiles=whole), "tracer")
    return builder.image(PLAIN, [0], [0, 0, 0], {})


@pytest.mark.parametrize("model", MODELS)
def test_scores_by_hand(model: Model) -> None:
    """Step 1. Rows leave the sources at 1 and 2 and come 2 later, keys before queries. Key 0 brings
    2 spikes to column 0 of both rows: a batch, at 4. Query 0 brings 3 to the queue of row 0: a
    cycle to load them, at 5. Key 1 does as key 0, and row 0 is complete: a batch (3 rows of
    tracers), and it fires: at 8. Silent query 1 completes row 1, which fires: at 9. One after the
    other they take 7 cycles in the softmax unit: at 15 and 22.

    Step 2 begins at 22. All have come at 25: row 0 is quiet, needs no softmax, and leaves. Query 1
    brings row 1 a spike: batch, fire, softmax: at 34.
    """
    image = scores()
    spikes = [[3, 0, 2, 2, 0, 0], [0, 1, 0, 0, 0, 0]]
    timing = Timer(image, PLAIN, model).time(activity(image, spikes))
    assert (timing.first[0, 2], timing.last[0, 2]) == (15, 22)
    assert (timing.first[1, 2], timing.last[1, 2]) == (25, 34)
    counts = counted(timing, 2)
    assert {name: number for name, number in counts.items() if number} == {
        **{"batches": 2, "adds": 2, "batch_spikes": 4, "input_spikes": 8, "taps": 8},
        **{"fires": 3, "softmaxes": 3, "delivered": 8},
        # Two batches of 2 spikes of a key, 2 rows of sums long: a word of membranes each, 2
        # circuits, a word of tracers for each spike.
        **{"column_words": 2, "column_adds": 4, "column_reads": 4},
    }


def test_every_row_of_a_step_needs_every_key() -> None:
    """The barrier in front of a softmax is in the counts of rows: nothing leaves before the last
    key has come, however late.
    """
    image = scores(tokens=6)
    early, late = np.zeros((2, 1, 18), int)
    early[:, 0:12] = 1
    late[:, 0:11], late[:, 11] = 1, 4
    slow = dataclasses.replace(PLAIN, link_bits=8)
    for spikes in (early, late):
        timing = Timer(image, slow).time(activity(image, spikes))
        keys = timing.last[0, 1]
        assert timing.first[0, 2] > keys + slow.router_cycles


@pytest.mark.parametrize("end", ["softmax", "norm"])
def test_units_take_their_cycles(end: str) -> None:
    """Rows of 6 elements, one in each activation; the unit serves one row after the other."""
    image = scores(tokens=6, end=end)
    spikes = activity(image, np.ones((1, 18), int))
    one = dataclasses.replace(PLAIN, softmax_cycles=5, norm_cycles=11)
    each = dataclasses.replace(one, row_unit_elements=1)
    free = dataclasses.replace(one, softmax_cycles=0, norm_cycles=0)
    cycles = {"softmax": 5, "norm": 11}[end]
    fired = Timer(image, free).time(spikes)
    assert fired.last[0, 2] - fired.first[0, 2] < cycles
    for target, parts in ((one, 1), (each, 6)):
        timing = Timer(image, target).time(spikes)
        assert timing.first[0, 2] == fired.first[0, 2] + parts * cycles
        assert timing.last[0, 2] == fired.first[0, 2] + 6 * parts * cycles
        assert counted(timing, 2)["softmaxes" if end == "softmax" else "norms"] == 6 * parts
        assert timing.busy.tolist() == fired.busy.tolist()


def test_layers_of_a_core_queue_for_its_unit() -> None:
    builder = PlacedAttention(seed=1)
    queries, keys = (builder.source((3, 1), 4, -4, 4, "spikes") for _ in range(2))
    geometry = {**FLAT, "heads": 1, "m": 3, "k": 4, "n": 3}
    for _ in range(2):
        layer = builder.product(queries, keys, geometry, "softmax", tiles=[((0, 3), (0, 3))])
        builder.read(layer, "tracer")
    together = builder.image(PLAIN, [0], [0] * 4, {})
    spikes = activity(together, [[1] * 12])
    timing = Timer(together, PLAIN).time(spikes)
    # Six rows, one after the other.
    assert timing.cycles - timing.first[0, 2:].min() == 5 * PLAIN.softmax_cycles


def test_spikes_of_a_spine_spread_over_heads() -> None:
    """A query feeds a row of each head, a key a column of each head."""
    image = scores(heads=3, tokens=2, width=4)
    timing = Timer(image, PLAIN).time(activity(image, [[6, 0, 0, 0] + [0] * 6]))
    counts = counted(timing, 2)
    assert counts["batches"] == 3 and counts["batch_spikes"] == 6
    timing = Timer(image, PLAIN).time(activity(image, [[0, 0, 6, 0] + [0] * 6]))
    counts = counted(timing, 2)
    assert counts["column_words"] == 3 and counts["column_reads"] == 6
    assert counts["column_adds"] == 3 * 2 and counts["delivered"] == 6


def timed(seed: int) -> tuple[Image, Outcome]:
    make = random_encoder if seed % 2 else random_product
    builder = make(seed, ("ternary", "nearest", "floor")[seed % 3])
    image = load_image(builder.program())
    inputs = builder.samples(np.random.default_rng(seed))
    steps = run_sample(image, inputs, max_steps=40, activity=True).steps
    return image, run_sample(image, inputs, max_steps=steps, activity=True)


@pytest.mark.parametrize("seed", range(12))
def test_both_models_count_the_same(seed: int) -> None:
    image, outcome = timed(seed)
    assert outcome.activity is not None
    found = [Timer(image, WIDE, model).time(outcome.activity) for model in MODELS]
    for timing in found:
        assert np.array_equal(timing.counts[:, FLITS], outcome.stats.packets)
        assert np.array_equal(timing.counts[:, SOPS], outcome.stats.sops)
        assert (timing.first >= 0).all() and (timing.last >= timing.first).all()
        assert (np.diff(timing.step_cycles) >= 0).all()
        sent = np.add.reduceat(outcome.activity.spikes > 0, outcome.activity.offset[:-1], axis=1)
        working = image.program.threads["input"] < 0
        assert (timing.counts[working, FIRES] >= sent.sum(0)[working]).all()
    same = np.setdiff1d(np.arange(len(KINDS)), TIMED)
    assert np.array_equal(found[0].counts[:, same], found[1].counts[:, same])
    assert np.array_equal(found[0].links, found[1].links)


@pytest.mark.parametrize("seed", [1, 4, 7])
def test_patterns_and_products(seed: int) -> None:
    image, outcome = timed(seed)
    spikes = outcome.activity
    assert spikes is not None
    spine = Timer(image, WIDE, "pipeline").time(spikes)
    for pattern in PATTERNS:
        timing = Timer(image, WIDE, "pipeline", pattern).time(spikes)
        assert np.array_equal(timing.counts[:, FIRES], spine.counts[:, FIRES])
    for product in PRODUCTS:
        timing = Timer(image, WIDE, "pipeline", product=product).time(spikes)
        for kind in ("delivered", "softmaxes", "norms", "fires", "input_spikes"):
            number = KINDS.index(kind)
            assert np.array_equal(timing.counts[:, number], spine.counts[:, number]), kind


def random_part(rng: np.random.Generator, product: dict[str, int]) -> dict[str, int]:
    """Some of the sums of a product, as a thread's entry."""
    thread: dict[str, int] = {}
    for name, size in zip(("row", "column"), sums_shape(product), strict=True):
        first, last = sorted(rng.integers(0, size, 2).tolist())
        thread |= {f"{name}_base": first, f"{name}s": last - first + 1}
    return thread


@pytest.mark.parametrize("seed", range(60))
def test_elements_that_feed(seed: int) -> None:
    """All at once as one by one; and heads, as they are met."""
    rng = np.random.default_rng(seed)
    product = random_geometry(rng)
    thread = random_part(rng, product)
    row, column = thread["row_base"], thread["column_base"]
    part = Part(row, row + thread["rows"], column, column + thread["columns"])
    for side in ("left", "right"):
        spines, columns = factor_shape(product, side)
        found = elements_that_feed(
            product, part, side, np.arange(spines + 1), np.arange(columns + 1)
        )
        assert not found[spines].any() and not found[:, columns].any()
        for spine in range(spines):
            # (rows, columns) of sums that each element meets.
            sums = [met(product, thread, side, spine, c) for c in range(columns)]
            feeds = [bool(m.rows) and bool(m.columns) for m in sums]
            assert found[spine, :columns].tolist() == feeds
            if product["elementwise"] or side == "left" or not any(feeds):
                continue
            rows = len(rows_met(product, thread, side, spine))
            met_columns = {m.columns.start for m in sums if m.rows and m.columns}
            heads = product["n"] if product["out_columns"] else product["m"]
            groups = {
                (m.columns.start, (row + m.rows.start) // heads * (not product["out_columns"]))
                for m in sums
                if m.rows and m.columns
            }
            if product["right_transposed"]:
                # A head that a spine has elements of holds its column only if the part does.
                assert len(groups) <= heads_of_spines(product, part)
            assert len(met_columns) <= len(groups)
            longest = max(len(m.rows) for m in sums if m.columns)
            assert longest >= rows / heads_of_rows(product, part)


def test_kinds_of_readers() -> None:
    net = Timer(scores(), PLAIN).net
    assert sorted(net.reader_kind.tolist()) == [LEFT, RIGHT]
    assert net.reader_share.tolist() == [1 << 16, 1 << 16]


def test_inner_products_read_all_of_a_factor() -> None:
    image = scores(tokens=3, width=5)
    timing: Any = Timer(image, PLAIN, product="inner").time(activity(image, [[1] * 9]))
    counts = counted(timing, 2)
    assert counts["batch_spikes"] == 3 * 5 and counts["column_words"] == 0
