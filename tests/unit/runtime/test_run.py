"""Runs of a batch: what is counted by layer and step, and that tiles leave as one tensor."""

import json
from typing import Any

import numpy as np

from elsac.runtime.emulator import load_image, run_sample
from elsac.runtime.program import Program
from elsac.runtime.run import run_program
from tests.programs import Builder


def tiled() -> tuple[Builder, Program]:
    """A source and a convolution, both in tiles of columns and lines, with all bindings."""
    builder = Builder(seed=2)
    source = builder.source((4, 3), 5, -8, 7, "bitplane", tiles=2, bands=2)
    layer = builder.conv(source, 6, lo=-4, tiles=2, bands=3)
    program = builder.program()
    entry = {
        **{"name": "x", "tracer": "x", "dtype": "float32", "tensor_shape": [5, 4, 3]},
        **{"shape": [5, 4, 3], "scale": (1.0).hex(), "zero": 0, "lo": -8, "hi": 7},
        **{"coding": "bitplane", "quantize": True, "head": [], "element_type": "INT4"},
    }
    reading = {
        **{"name": "y", "kind": "tracer", "threads": layer.threads, "shape": [6, 4, 3]},
        **{"channel_axis": 0, "index": None, "final_shape": [6, 4, 3], "zero": 0},
        "element_type": "INT8",
    }
    program.bindings = {
        **{"inputs": [entry], "readings": [reading], "probes": [0]},
        "values": [{"name": "y", "reading": 0, "factor": None, "offset": None}],
        "host": {"nodes": [], "outputs": [{"name": "y", "values": ["y"], "integers": None}]},
    }
    return builder, program


def rows_of(image: Any) -> Any:
    return np.moveaxis(image.reshape(5, 12), 0, 1).astype(np.int64)


def test_spikes_per_step_are_means_over_samples() -> None:
    _, program = tiled()
    batch = np.random.default_rng(0).integers(-8, 8, (3, 5, 4, 3)).astype(np.float32)
    batch[0] = 0  # a sample without spikes counts as well
    result = run_program(program, {"x": batch})
    image = load_image(program)
    outcomes = [run_sample(image, [rows_of(sample)]) for sample in batch]
    assert [layer.steps for layer in result.layers] == [4, max(o.steps for o in outcomes)]
    for number, layer in enumerate(result.layers):
        mine = program.threads["layer"] == number
        sums = np.zeros(layer.steps)
        for outcome in outcomes:
            steps = outcome.step_spikes[:, mine].sum(axis=1)[: layer.steps]
            sums[: len(steps)] += steps
        np.testing.assert_allclose(layer.spikes_per_step, sums / 3)
        spikes = layer.spikes_positive + layer.spikes_negative
        assert round(3 * sum(layer.spikes_per_step)) == spikes > 0
    total = np.zeros(result.totals.steps)
    for layer in result.layers:
        total[: layer.steps] += layer.spikes_per_step
    np.testing.assert_allclose(result.totals.spikes_per_step, total)
    counts = json.loads(json.dumps(result.counts()))
    assert counts["layers"][1]["spikes_per_step"] == result.layers[1].spikes_per_step


def test_tiles_leave_as_one_tensor() -> None:
    builder, program = tiled()
    batch = np.random.default_rng(1).integers(-8, 8, (2, 5, 4, 3)).astype(np.float32)
    labels = np.zeros((2, 6, 4), np.int64)
    result = run_program(program, {"x": batch}, tensors=True, labels=labels, record_steps=True)
    threads = builder.layers[1].threads
    for sample, output in zip(batch, result.outputs["y"], strict=True):
        flat = builder.expected([rows_of(sample)])
        parts = {t: load_image(program).tracer(flat, t) for t in threads}
        whole = builder.whole(builder.layers[1], parts.__getitem__)
        np.testing.assert_array_equal(output, np.moveaxis(whole, 0, 1).reshape(6, 4, 3))
    np.testing.assert_array_equal(result.tensors["y"], result.outputs["y"])
    # The values after the last step are those of the outputs.
    assert result.correct is not None
    assert result.accuracy_per_step[-1] == result.correct / labels.size
