"""What optimizing does for a transformer, in the timing model rather than in its own figures."""

import sys
from pathlib import Path

import numpy as np
import pytest

from elsac.compiler import Options, compile_onnx
from elsac.runtime.bindings import Host
from elsac.runtime.emulator import load_image, run_sample
from elsac.runtime.timing.models import Timer
from elsac.targets import load_target

# Scripts import what lies beside them.
sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))

from zoo_networks.transformers import Transformer, build

SIZES = Transformer(1, 64, 2, 128, tokens=64, vocabulary=64, classes=4)


@pytest.fixture(scope="module")
def cycles(tmp_path_factory: pytest.TempPathFactory) -> dict[int, int]:
    """Cycles of a text in a small encoder, by the effort of its mapping."""
    path = tmp_path_factory.mktemp("encoder") / "encoder.onnx"
    model, inputs = build("encoder", SIZES, 1, 0)
    path.write_bytes(model.SerializeToString())
    target, found, levels = load_target("elsa-6x6"), {}, []
    for effort in (0, 1):
        program = compile_onnx(path, target, Options(effort=effort, exit="none")).program
        assert program is not None
        image, host = load_image(program), Host(program)
        tracers = [array[0] for array in host.tracers(host.check(inputs))]
        outcome = run_sample(image, tracers, activity=True)
        assert outcome.activity is not None
        found[effort] = Timer(image, target).time(outcome.activity).cycles
        levels.append([r.integers(outcome.state.read) for r in host.probes])
    assert all(np.array_equal(a, b) for a, b in zip(*levels, strict=True))
    return found


def test_an_optimized_mapping_is_the_faster_one(cycles: dict[int, int]) -> None:
    """It balances what the timing model charges: half the cycles, or fewer."""
    assert 2 * cycles[1] < cycles[0]
