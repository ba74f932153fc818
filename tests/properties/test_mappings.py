"""Mappings do not matter: tiles, cores, places, routes, packets and schedules change no integer.

Mappings are drawn at random here, far from any that a solver would choose: cuts anywhere, tiles on
any core, routes by way of random places.
"""

import random
import tempfile
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from xdsl.dialects.builtin import ModuleOp

from elsac.compiler import Options, emit, lower, new_context, pipeline
from elsac.context import Blobs
from elsac.dialects import token
from elsac.dialects.net import int_attr
from elsac.frontends import import_onnx
from elsac.passes.bands import Range, cuttable, lines_of
from elsac.passes.partition import place_sources
from elsac.passes.tiles import Tiling, group_size, retile
from elsac.passes.traffic import core_of
from elsac.runtime.program import Program
from elsac.targets import load_target
from tests import networks
from tests.properties.comparison import assert_same, emulated
from tests.properties.support import (
    NETWORKS,
    SEEDS,
    Key,
    examples,
    images_of,
    model_of,
    program_from,
    program_of,
)

ROUTINGS = ("xy", "o1turn", "valiant", "lp")
PACKETS = ("baer", "bundle", "aer-truenorth", "aer-morphic")


def cut(draw: random.Random, total: int, unit: int, most: int) -> list[Range]:
    """Ranges with cuts anywhere between units."""
    inner = range(1, total // unit)
    places = sorted(draw.sample(inner, min(len(inner), draw.randrange(most))))
    bounds = [0, *(unit * p for p in places), total]
    return list(pairwise(bounds))


def scatter_tiles(module: ModuleOp, blobs: Blobs, draw: random.Random, cores: int) -> None:
    """Cut every layer at random, and give every tile any core."""

    def tiling(actor: token.ActorOp) -> Tiling:
        lines = lines_of(actor)
        bands = [(0, lines[2] if lines else 1)]
        if lines and cuttable(actor):
            bands = cut(draw, lines[2], 1, 4)
        columns = cut(draw, actor.total.value.data, group_size(actor, blobs), 3)
        tiles = len(bands) * len(columns)
        pes = draw.choice([(4, 1), (2, 2), (1, 4)]) if lines else (4, 1)
        return Tiling(columns, bands, pes, [draw.randrange(cores) for _ in range(tiles)])

    retile(module, blobs, tiling)
    place_sources(module)
    # Cores are numbered without gaps.
    nodes = [o for o in module.body.ops if isinstance(o, token.ActorOp | token.SourceOp)]
    numbers = {core: n for n, core in enumerate(sorted({core_of(o) for o in nodes}))}
    for op in nodes:
        op.core = int_attr(numbers[core_of(op)])


@lru_cache(64)
def scattered(key: Key, seed: int) -> Program:
    """A program of a network under a mapping drawn from a seed."""
    draw = random.Random(seed)
    target = load_target("elsa-12x12")
    options = Options(
        effort=0,
        placement="random",
        seed=seed,
        routing=draw.choice(ROUTINGS),
        packet=draw.choice(PACKETS),
        schedule=draw.choice(["raster", "shells", "bands", "serpentine"]),
    )
    before, after = pipeline(target, options).split(",tile-columns,assign-cores,")
    context = new_context(target)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        path.write_bytes(model_of(key).SerializeToString())
        imported = import_onnx(path, context)
    lower(imported.module, context, before)
    scatter_tiles(imported.module, Blobs(imported.module, context.store), draw, 12)
    lower(imported.module, context, after)
    imported.module.verify()
    return emit(imported, context, "", target, options, "network.onnx")


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", NETWORKS)
def test_random_mappings_do_not_matter(name: str, seed: int) -> None:
    whole, split = program_of(name), scattered(name, seed)
    inputs = images_of(name, 2)
    expected = emulated(whole, inputs)
    assert_same(expected, emulated(split, inputs))
    assert_same(expected, emulated(split, inputs, jitter=seed))
    if (split.threads["hi"] - split.threads["lo"]).max() < 16:
        one = {key: array[:1] for key, array in expected.items()}
        few = {key: array[:1] for key, array in inputs.items()}
        assert_same(one, emulated(split, few, "interpreter"))


@given(SEEDS)
@examples(10)
def test_random_mappings_do_not_matter_for_random_networks(seed: int) -> None:
    inputs = images_of(seed, 2)
    assert_same(emulated(program_of(seed), inputs), emulated(scattered(seed, seed), inputs))


def test_random_mappings_cut_lines_and_columns() -> None:
    """Or the tests above would try less than they say."""
    threads = [scattered(name, 0).threads for name in NETWORKS]
    assert sum(int((t["row_base"] > 0).sum()) for t in threads) > 5
    assert sum(int((t["column_base"] > 0).sum()) for t in threads) > 5
    assert sum(int(((t["row_base"] > 0) & (t["input"] >= 0)).sum()) for t in threads) > 5
    assert any(scattered(name, 0).routes["tree"].max() > 0 for name in NETWORKS)


CHOICES = {
    "quick": Options(effort=0),
    "proved": Options(effort=2),
    "energy": Options(objective="energy"),
    "cores": Options(objective="cores"),
    "columns": Options(tiling="columns"),
    **{f"by_{r}": Options(routing=r) for r in ROUTINGS},
    **{p: Options(packet=p) for p in PACKETS},
    "short_flits": Options(packet="bundle", flit_bits=128),
    "shells": Options(schedule="shells"),
    "padded": Options(schedule="shells-padded"),
    "serpentine": Options(schedule="serpentine"),
}


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        (name, choice)
        for name in ("mobilenet_like", "unquantized_skip", "concat_upsample")
        for choice in CHOICES
        if choice != "proved" or name == "unquantized_skip"  # proofs take their time
    ],
)
def test_choices_of_mapping_do_not_matter(name: str, choice: str) -> None:
    inputs = images_of(name, 2)
    expected = emulated(program_of(name), inputs)
    assert_same(expected, emulated(program_of(name, "elsa-6x6", CHOICES[choice]), inputs))


def test_padded_rows_wait_for_a_spine_that_they_do_not_need() -> None:
    """Of 8 lines a kernel of 1 with a stride of 2 reads the even ones; its rows at the right wait
    for the last spine in the order of shells, in line 7.
    """
    b = networks.NetworkBuilder((2, 8, 4), 0)
    x = b.quantize("image")
    x = b.quantize(b.relu(b.conv(x, 4, 1, stride=2, pads=(0, 0, 0, 1))))
    model = b.finish(logits=b.gemm(b.flatten(b.quantize(b.conv(x, 4))), 5))
    inputs = {"image": networks.images_for(model, 2, 0)}
    expected = emulated(program_from(model), inputs)
    for effort in (0, 1):
        options = Options(effort=effort, schedule="shells-padded")
        assert_same(expected, emulated(program_from(model, "elsa-6x6", options), inputs))
