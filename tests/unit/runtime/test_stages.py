"""Stages by hand: dense or by events, what links share, and what they must not share."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from elsac.runtime.emulator import load_image
from elsac.runtime.emulator.stages import fields as at
from elsac.runtime.emulator.stages import plan_of
from elsac.runtime.emulator.stages.links import links_of
from tests.programs import Builder, Layer
from tests.properties.support import Chip, images_of, program_of
from tests.stages import (
    ALPHABETS,
    CODINGS,
    check,
    force,
    forced,
    joined,
    links_in,
    random_stages,
    run,
    same,
    scaled,
    unlike,
)

# Dense or by events.

LAYERS: dict[str, Callable[[Builder, Layer], Any]] = {
    "conv 3x3": lambda b, x: b.conv(x, 10, lo=-4),
    "conv 3x3, 70 columns": lambda b, x: b.conv(x, 70, lo=-4),
    "conv 1x1": lambda b, x: b.conv(x, 20, 1, 1, 0, lo=-4),
    "conv 3x3, stride 2": lambda b, x: b.conv(x, 9, 3, 2, 1, lo=-4),
    "conv 3x3, stride 2, no pad": lambda b, x: b.conv(x, 9, 3, 2, 0, lo=-4),
    "conv 3x3, dilated": lambda b, x: b.conv(x, 9, 3, 1, 2, 2, lo=-4),
    "depthwise": lambda b, x: b.conv(x, x.columns, 3, groups=x.columns, lo=-4),
    "depthwise, stride 2": lambda b, x: b.conv(x, x.columns, 3, 2, groups=x.columns, lo=-4),
    "fully connected": lambda b, x: b.conv(x, 30, x.height, 1, 0, lo=-4),
}


def drawn(layer: Layer, percent: int, most: int) -> Any:
    """An input of which so many values are `most` or its negative, and the others 0."""
    rng = np.random.default_rng(percent)
    values = rng.choice([-most, most], layer.rows * layer.columns)
    values[rng.permutation(len(values))[: round(len(values) * (100 - percent) / 100)]] = 0
    return values.reshape(layer.rows, layer.columns)


@pytest.mark.parametrize("kind", LAYERS)
def test_dense_and_single_spikes_give_the_same(kind: str) -> None:
    """In every alphabet; each step of the source has the same share of spikes."""
    for number, alphabet in enumerate(ALPHABETS):
        for source_columns in (66, 5):
            builder = Builder(alphabet)
            source = builder.source((5, 5), source_columns, -3, 3, CODINGS[number % 2])
            LAYERS[kind](builder, LAYERS[kind](builder, source) if number else source)
            program = builder.program()
            images = [load_image(program), forced(program, True), forced(program, False)]
            for percent in (0, 1, 5, 10, 20, 50, 100):
                inputs = [drawn(source, percent, 3)]
                expected = run(load_image(program), inputs, "machine")
                for image in images:
                    same(run(image, inputs, "fast"), expected)


@pytest.mark.parametrize("kind", ["conv 3x3", "depthwise"])
@pytest.mark.parametrize("dense", [True, False])
def test_the_way_is_forced(kind: str, dense: bool) -> None:
    """Or the tests of both ways would be tests of one: each has its own weights, here spoiled."""
    builder = Builder()
    source = builder.source((5, 5), 20, -3, 3, "spikes")
    LAYERS[kind](builder, source)
    program, inputs = builder.program(), [drawn(source, 30, 3)]
    expected = run(load_image(program), inputs, "machine")
    for spoiled in ("packed", "weights"):
        image = load_image(program)
        assert force(plan_of(image), dense) == 1
        getattr(plan_of(image), spoiled)[:] = 0
        changed = bool(unlike(run(image, inputs, "fast"), expected))
        assert changed == (dense == (spoiled == "packed"))


def test_random_programs_have_links_of_every_kind() -> None:
    kinds, forms, wide, planes = set(), set(), set(), set()
    for seed in range(40):
        program = random_stages(seed, "ternary", "bitplane").program()
        scaled(program, (1, 18, 40, 5000)[seed % 4], np.random.default_rng(seed))
        plan = plan_of(load_image(program))
        wide |= set(plan.tables[plan.line_of + at.WIDE].tolist())
        for link in links_in(plan):
            kinds.add(int(plan.tables[link + at.LINK_KIND]))
            forms.add(int(plan.tables[link + at.FORM]))
            planes.add(int(plan.tables[link + at.WEIGHT_PLANES]))
    assert kinds == {at.ACC, at.ADD, at.TRACE, at.SCAT}
    assert forms == {at.PLAIN, at.DEPTHWISE, at.GROUPED}
    assert wide == {0, 1}
    assert planes >= {1, 2, 3}


# Several sources with one operand.

Sources = Callable[[Builder], list[Layer]]
SOURCES: dict[str, Sources] = {
    "inputs of different planes": lambda b: [
        b.source((4, 4), 3, -8, 7, "bitplane"),
        b.source((4, 4), 2, -3, 3, "bitplane"),
    ],
    "inputs of different codings": lambda b: [
        b.source((4, 4), 3, -8, 7, "bitplane"),
        b.source((4, 4), 2, -3, 3, "spikes"),
    ],
    "an input and a layer": lambda b: [
        b.source((4, 4), 3, -8, 7, "bitplane"),
        b.conv(b.layers[0], 2, lo=-4),
    ],
    "a layer and an input": lambda b: [
        b.conv(b.source((4, 4), 3, -8, 7, "bitplane"), 2, lo=-4),
        b.layers[0],
    ],
    "two layers": lambda b: [
        b.conv(b.source((4, 4), 3, -8, 7, "bitplane"), 2, lo=-4),
        b.conv(b.layers[0], 4, lo=-4),
    ],
}


@pytest.mark.parametrize("alphabet", ALPHABETS)
@pytest.mark.parametrize("case", SOURCES)
def test_sources_of_one_operand_keep_their_own_sizes(case: str, alphabet: str) -> None:
    """Spikes of one step may count 8 from one source and 1 from another."""
    builder = Builder(alphabet)
    joined(builder, SOURCES[case](builder), 5)
    program, inputs = builder.program(), builder.samples(np.random.default_rng(1))
    outcome = check(program, inputs)
    for dense in (True, False):
        same(run(forced(program, dense), inputs, "fast"), outcome)


def test_equal_constants_may_be_one_segment() -> None:
    """A compiler may keep equal constants once: `add`s of two sources then have one operand."""
    chip = Chip(program_of("power_of_two_cnn"))
    (inputs,) = chip.rows(images_of("power_of_two_cnn", 1))
    check(chip.program, inputs)


# Tables that stages share.


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_maps_of_other_widths_do_not_share_their_rows(order: tuple[int, int]) -> None:
    """8 places of 8 columns and 4 of 16 are lines of as many membranes, but not of as many rows.

    Rows that are fed by the lines' shared runs, but marked where another map has them, rest.
    """
    builder = Builder()
    shapes = [((4, 8), 8), ((4, 4), 16)]
    for shape, columns in (shapes[i] for i in order):
        source = builder.source(shape, columns, -8, 7, "spikes")
        builder.total([source], -4, 7)
        builder.total([builder.layers[-1], source], -4, 7)
    outcome = check(builder.program(), builder.samples(np.random.default_rng(0)))
    assert outcome.stats.spikes_positive.all()


def test_residual_blocks_across_a_stride() -> None:
    builder = Builder()
    first = builder.source((8, 8), 8, -8, 7, "bitplane")
    second = builder.total([builder.conv(first, 8, lo=-4), first], -4, 7)
    third = builder.conv(second, 16, 3, 2, 1, lo=-4)
    builder.total([builder.conv(third, 16, lo=-4), third], -4, 7)
    check(builder.program(), builder.samples(np.random.default_rng(0)))


def test_bands_that_a_tile_does_not_read() -> None:
    """A band without spines of its own adds nothing, dense or not, wherever it stands."""
    for bands in (2, 3, 6):
        builder = Builder()
        source = builder.source((6, 4), 20, -8, 7, "bitplane", bands=bands)
        builder.conv(source, 5, 1, 1, 0, bands=3)
        program, inputs = builder.program(), builder.samples(np.random.default_rng(0))
        outcome = check(program, inputs)
        for dense in (True, False):
            same(run(forced(program, dense), inputs, "fast"), outcome)


def test_tiles_and_bands_of_a_source_are_one_link() -> None:
    builder = Builder()
    source = builder.source((6, 4), 20, -8, 7, "bitplane", tiles=2, bands=2)
    layer = builder.conv(source, 5, 3, 1, 1)
    image = load_image(builder.program())
    plan = plan_of(image)
    (stage,) = (s for s in plan.stages if s.thread in layer.threads)
    (link,) = links_of(image.program, stage)
    assert [(band.top, band.lines, len(band.ports)) for band in link.bands] == [
        *((0, 3, 2), (3, 3, 2)),
    ]
    assert [port.column_base for port in link.bands[1].ports] == [0, 10]
    assert link.vertical is not None
    assert (link.vertical.size, link.vertical.pad) == (6, 1)


def test_plans_go_with_their_image() -> None:
    """Nobody keeps what a program needs once nobody has the program."""
    builder = Builder()
    builder.conv(builder.source((3, 3), 2, -8, 7, "bitplane"), 4)
    image = load_image(builder.program())
    run(image, builder.samples(np.random.default_rng(0)), "fast")
    seen = weakref.ref(image)
    del image
    gc.collect()
    assert seen() is None
