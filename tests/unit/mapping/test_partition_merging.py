"""The paper's greedy partition, and what fits."""

import pytest

from elsac.mapping.partition import (
    DoesNotFit,
    Flow,
    Layer,
    Machine,
    Single,
    explain,
    fill,
    merge_greedily,
    partition,
)
from tests.unit.mapping.partitions import option, question


def singles(*needs: int, circuits: int = 1) -> list[Single]:
    return [Single(f"layer{i}", (need,), 10, circuits) for i, need in enumerate(needs)]


def test_connections_are_added_up_after_each_merge() -> None:
    # 0-1 is the heaviest. Then {0, 1}-2 carries 3 + 4 flits, more than the 5 of 2-3: 2 joins them,
    # and 3 stays alone since the core is full. With the first weights 2 would have joined 3.
    flows = [Flow(0, 1, 9), Flow(0, 2, 3), Flow(1, 2, 4), Flow(2, 3, 5)]
    assert merge_greedily(singles(3, 3, 3, 3), flows, Machine(4, (9,), 128)) == [0, 0, 0, 1]


def test_a_merge_that_does_not_fit_gives_way_to_the_next() -> None:
    # 0-1 is too large; 1-2 is next.
    flows = [Flow(0, 1, 9), Flow(1, 2, 5)]
    assert merge_greedily(singles(8, 4, 4), flows, Machine(4, (10,), 128)) == [0, 1, 1]


def test_directions_do_not_matter() -> None:
    flows = [Flow(0, 1, 4), Flow(1, 0, 4), Flow(1, 2, 7)]
    assert merge_greedily(singles(5, 5, 5), flows, Machine(4, (10,), 128)) == [0, 0, 1]


def test_circuits_bind_only_where_they_are_not_shared_in_time() -> None:
    flows = [Flow(0, 1, 1)]
    wide = singles(1, 1, circuits=100)
    assert merge_greedily(wide, flows, Machine(4, (10,), 128, "time")) == [0, 0]
    assert merge_greedily(wide, flows, Machine(4, (10,), 128, "space")) == [0, 1]


def test_fill_packs_what_has_no_connections() -> None:
    # Groups of 6, 2 and 3 into cores of 8: 6 + 2, and 3.
    every = singles(3, 2, 3, 3)
    assert fill([0, 1, 2, 0], every, Machine(4, (8,), 128)) == [0, 0, 1, 0]


def test_there_may_be_more_groups_than_cores() -> None:
    every = singles(6, 6, 6)
    group = merge_greedily(every, [Flow(0, 1, 5), Flow(1, 2, 5)], Machine(2, (10,), 128))
    assert group == [0, 1, 2]
    assert fill(group, every, Machine(2, (10,), 128)) == [0, 1, 2]


def layers_of(*needs: tuple[int, int, int]) -> list[Layer]:
    return [Layer(f"layer{i}", (option(1, 1, need, 10),)) for i, need in enumerate(needs)]


MACHINE = Machine(2, (100, 100, 100), 128)


@pytest.mark.parametrize("effort", [0, 1])
def test_a_layer_that_is_too_large_is_named(effort: int) -> None:
    layers = layers_of((10, 10, 10), (10, 101, 10), (10, 10, 10))
    with pytest.raises(DoesNotFit, match=r"'layer1'.*101 bits of membranes.*100") as caught:
        partition(layers, [], MACHINE, effort=effort)
    fit = caught.value.fit
    assert [layer.fits for layer in fit.layers] == [True, False, True]
    assert (fit.layers[1].binds, fit.layers[1].cores, fit.suffices) == ("membranes", 0, None)
    assert not fit.fits


@pytest.mark.parametrize("effort", [0, 1, 2])
def test_what_would_do_is_said(effort: int) -> None:
    # Two fit a core by tracers, three by weights.
    layers = layers_of(*[(30, 10, 45)] * 7)
    with pytest.raises(DoesNotFit, match="2 cores: tracers alone ask for 4, and 4 would do"):
        partition(layers, [], MACHINE, effort=effort)
    fit = explain(layers, MACHINE)
    assert (fit.bounds, fit.binds, fit.suffices, fit.cores) == ((3, 1, 4), "tracers", 4, 2)
    assert fit.layers[0].share == pytest.approx(0.45)


def test_the_fit_of_a_layer_is_that_of_its_fewest_tiles() -> None:
    # In 4 tiles nothing fits; 6 of 60 take a core each, 8 of 40 share cores by two.
    options = (
        option(4, 1, (110, 1, 1), 9),
        option(6, 1, (60, 1, 1), 9),
        option(8, 1, (40, 1, 1), 9),
    )
    (layer,) = explain([Layer("wide", options)], MACHINE).layers
    assert (layer.tiles, layer.cores, layer.need, layer.binds) == (6, 6, (60, 1, 1), "weights")
    assert layer.share == pytest.approx(3.6)
    assert explain([Layer("wide", options)], MACHINE).suffices == 4  # the other option is leaner


def test_circuits_are_a_resource_where_they_are_held() -> None:
    layers = [Layer(f"layer{i}", (option(1, 1, (1,), 9, 60),)) for i in range(5)]
    machine = Machine(2, (100,), 128, "space")
    fit = explain(layers, machine)
    assert (fit.resources, fit.binds, fit.bounds, fit.suffices) == (
        ("memory", "circuits"),
        "circuits",
        (1, 3),
        3,
    )
    with pytest.raises(DoesNotFit, match="circuits alone ask for 3"):
        partition(layers, [], machine)
    too_wide = [Layer("wide", (option(1, 1, (1,), 9, 129),))]
    with pytest.raises(DoesNotFit, match=r"'wide'.*129 circuits.*128"):
        partition(too_wide, [], machine)
    assert explain(layers, Machine(2, (100,), 128, "time")).suffices == 1


def test_what_suffices_does() -> None:
    for seed in range(3):
        layers, flows, machine = question(seed, 7, 1)
        fit = explain(layers, machine)
        assert fit.suffices is not None
        enough = Machine(fit.suffices, machine.room, machine.circuits, machine.sharing)
        assert explain(layers, enough).fits
        assert partition(layers, flows, enough, effort=0).cores_used <= fit.suffices
        assert max(fit.bounds) <= partition(layers, flows, enough, objective="cores").cores_used
