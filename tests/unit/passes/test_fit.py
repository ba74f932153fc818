"""What a network needs, as it is mapped: more cores where they would do, larger PEs where not."""

from dataclasses import replace
from pathlib import Path

import pytest

from elsac.compiler import Options, compile_onnx, fit_of
from elsac.context import CompileError
from elsac.report.fit import fit_table
from elsac.targets import Target, load_target
from tests.networks.named import mobilenet_like


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fit") / "network.onnx"
    path.write_bytes(mobilenet_like().SerializeToString())
    return path


def small(membranes: int) -> Target:
    """A chip of one core, with so many bytes for membranes in a PE."""
    return replace(
        load_target("elsa-6x6"),
        mesh_width=1,
        mesh_height=1,
        membrane_sram_bytes_per_pe=membranes,
    )


def test_more_cores_would_do_for_layers_larger_than_one(network: Path) -> None:
    chip = small(128)
    fit = fit_of(network, chip, Options())
    assert not fit["fits"] and fit["suffices"] > 1
    assert max(layer["tiles"] for layer in fit["layers"]) > 1
    with pytest.raises(CompileError, match=f"needs {fit['suffices']} cores, the chip has 1 "):
        compile_onnx(network, chip)


def test_larger_pes_where_no_number_of_cores_would_do(network: Path) -> None:
    chip = small(1)
    assert fit_of(network, chip, Options())["suffices"] is None
    with pytest.raises(CompileError, match="use a target with larger PEs or a smaller map"):
        compile_onnx(network, chip)


@pytest.mark.parametrize(
    ("chip", "said"),
    [
        (
            small(128),
            ("no: it needs", "the chip has 1 (", "too few); its", "use --target elsa-6x6"),
        ),
        (small(1), ("no: the layers with 'none' for cores fit no chip", "larger PEs")),
        (load_target("elsa-6x6"), ("yes: in 1 of its 36 cores",)),
    ],
)
def test_the_table_says_what_is_too_large_and_what_helps(
    chip: Target, said: tuple[str, ...], network: Path
) -> None:
    lines = fit_table(fit_of(network, chip, Options())).splitlines()
    end = lines[lines.index("") :]
    for text in said:
        assert any(text in line for line in end), end
    assert any(line.startswith("remedy") for line in end) != said[0].startswith("yes")


def test_the_table_knows_layers_that_fit_alone_but_not_together(network: Path) -> None:
    fit = fit_of(network, small(128), Options()) | {"suffices": None}
    assert all(layer["fits"] for layer in fit["layers"])
    assert "joined ones need equal cuts and have none in common" in fit_table(fit)


def test_what_fits_is_asked_of_the_tiling_that_is_used(network: Path) -> None:
    """Padded shells speak of whole maps, so that nothing is cut into bands."""
    chip = replace(load_target("elsa-6x6"), membrane_sram_bytes_per_pe=128)
    padded = fit_of(network, chip, Options(schedule="shells-padded"))
    columns = fit_of(network, chip, Options(tiling="columns"))
    assert padded == columns != fit_of(network, chip, Options())
