"""What `auto` makes of routes: never worse than X-Y, by the figures that are claimed."""

from functools import cache
from pathlib import Path

import pytest
from xdsl.dialects.builtin import IntegerAttr

from elsac.compiler import Options, compile_onnx
from elsac.passes.claims import claimed
from elsac.targets import load_target
from tests.networks import concat_upsample, mobilenet_like

NETWORKS = {"mobilenet_like": mobilenet_like, "concat_upsample": concat_upsample}


@cache
def figures(name: str, routing: str, folder: Path) -> tuple[int, int, int]:
    """Cycles of the busiest core, flits on the busiest link, flits times hops."""
    path = folder / f"{name}.onnx"
    path.write_bytes(NETWORKS[name]().SerializeToString())
    module = compile_onnx(
        path, load_target("elsa-6x6"), Options(routing=routing), level="token"
    ).module
    found = []
    for subject, figure in (
        ("partition", "bottleneck"),
        ("routing", "max_link"),
        ("routing", "flit_hops"),
    ):
        claim = claimed(module, subject)
        assert claim is not None
        value = claim.figures.data[figure]
        assert isinstance(value, IntegerAttr)
        found.append(value.value.data)
    return found[0], found[1], found[2]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("other", ["xy", "lp"])
def test_auto_is_not_worse(name: str, other: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """By the time of the busiest core or link, and half as much by hops."""
    folder = tmp_path_factory.getbasetemp()
    busiest, *auto = figures(name, "auto", folder)
    same, *plain = figures(name, other, folder)
    assert same == busiest
    # A link of 512 bits moves two flits of 256 bits in a cycle.
    ranked = [max(link / 2, busiest) * hops**0.5 for link, hops in (auto, plain)]
    assert ranked[0] <= ranked[1]
