"""Programs and data that several tests share."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from elsac.cli import cli
from elsac.runtime import caches

SAMPLES = Path(__file__).parents[2] / "samples"
DIGITS = SAMPLES / "digits.npz"
NETWORKS = ("digits_mlp", "digits_cnn", "digits_cnn_int8")

Run = Callable[..., Result]


def network(name: str) -> Path:
    return SAMPLES / f"{name}.onnx"


@pytest.fixture(autouse=True)
def unannounced(monkeypatch: pytest.MonkeyPatch) -> None:
    """What tests read must not depend on which kernels are on disk already."""
    monkeypatch.setattr(caches, "telling", lambda tell: nullcontext())


@pytest.fixture
def elsac() -> Run:
    """Run a command in this process."""

    def run(*args: object, code: int = 0) -> Result:
        result = CliRunner().invoke(cli, [str(a) for a in args])
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture(scope="session")
def digits() -> dict[str, Any]:
    with np.load(DIGITS) as file:
        return dict(file)


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest sample network, compiled."""
    path = tmp_path_factory.mktemp("program") / "mlp.bin"
    result = CliRunner().invoke(cli, ["compile", str(network("digits_mlp")), "-o", str(path)])
    assert result.exit_code == 0, result.output
    return path
