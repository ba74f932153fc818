"""Stages by hand: max pools in vectors, lists of spikes."""

import numpy as np
import pytest

from elsac.runtime.emulator.stages.listing import ROOM
from tests.programs import Builder
from tests.stages import ALPHABETS, CODINGS, check

# Max pools.

COLUMNS = (1, 5, 63, 64, 65, 130)
POOLS = {
    "2x2": (2, 2, 0),
    "2x2, stride 1": (2, 1, 0),
    "2x2, padded": (2, 2, 1),
    "3x3, stride 2, padded": (3, 2, 1),
    "3x3, stride 1, padded": (3, 1, 1),
}


@pytest.mark.parametrize("alphabet", ALPHABETS)
@pytest.mark.parametrize("pool", POOLS)
def test_max_pools(pool: str, alphabet: str) -> None:
    """Words of 64 columns, and parts of them; windows in which all tracers are negative, too."""
    for number, columns in enumerate(COLUMNS):
        builder = Builder(alphabet, number)
        source = builder.source((5, 5), columns, -8, 7, CODINGS[number % 2])
        layer = builder.conv(source, columns, 1, 1, 0, lo=-6, hi=5) if number % 3 else source
        builder.maxpool(layer, *POOLS[pool])
        builder.maxpool(source, *POOLS[pool])
        program, rng = builder.program(), np.random.default_rng(number)
        for low, high in ((-8, 8), (-8, 0), (0, 8)):
            outcome = check(program, [rng.integers(low, high, (source.rows, columns))])
            assert outcome.stats.spikes_positive.any() or outcome.stats.spikes_negative.any()


@pytest.mark.parametrize("columns", [5, 130, 250])
@pytest.mark.parametrize("tiles", [(1, 3), (3, 1), (2, 3)])
def test_max_pools_in_tiles(tiles: tuple[int, int], columns: int) -> None:
    """Tiles take parts of the words that they hear; the columns around them are not theirs."""
    builder = Builder()
    source = builder.source((4, 4), columns, -8, 7, "spikes", tiles=tiles[0], bands=2)
    builder.maxpool(source, 2, 2, 0, tiles=tiles[1], bands=2)
    builder.maxpool(builder.layers[-1], 2, 1, 1, tiles=tiles[0])
    check(builder.program(), builder.samples(np.random.default_rng(0)))


def test_a_pool_that_reaches_its_bounds() -> None:
    """What goes beyond the bounds of a pool's own tracers stays at them."""
    builder = Builder()
    source = builder.source((4, 4), 70, -8, 7, "spikes")
    pool = builder.maxpool(source)
    threads = builder.tables["threads"]
    threads[pool.threads[0]] |= {"lo": -2, "hi": 3}
    check(builder.program(), builder.samples(np.random.default_rng(0)))


# Lists of spikes.


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("columns", [5, 66, 150])
def test_more_spikes_than_a_list_holds(columns: int, classes: int) -> None:
    """Neurons that spiked are listed and moved together, as often as the list is full."""
    builder = Builder()
    source = builder.source((24, 24), 40, -8, 7, "spikes")
    layer = builder.conv(source, columns, lo=-7, hi=7, classes=classes)
    inputs = [np.where(np.arange(40) % 2, 7, -8) * np.ones((source.rows, 1), np.int64)]
    outcome = check(builder.program(), inputs)
    spikes = outcome.step_spikes[:, layer.threads[0]]
    assert spikes.max() > ROOM + columns
