"""Programs of small modules: symbols become numbers, blobs become segments."""

from pathlib import Path

import numpy as np
import pytest
from xdsl.parser import Parser

from elsac.compiler import Options, lower, new_context, pipeline
from elsac.context import CompilerContext
from elsac.emit import emit_program
from elsac.runtime.container import from_bytes, to_bytes
from elsac.runtime.isa import decode
from elsac.runtime.program import Program
from elsac.targets import load_target

TEXT = (Path(__file__).parents[1] / "filecheck" / "pipeline" / "whole.mlir").read_text()
HEADER = {"network": "whole.onnx", "pipeline": "", "alphabet": "ternary", "coding": "bitplane"}
HOST = {
    "inputs": [
        {"name": "image", "tracer": "image", "dtype": "UINT4", "shape": [1, 4, 4], "head": None}
    ],
    "nodes": [],
    "outputs": [],
}


def program(**options: object) -> Program:
    """The whole of the pipeline's example, from its text to words."""
    context: CompilerContext = new_context(load_target("elsa-6x6"))
    module = Parser(context, TEXT).parse_module()
    lower(module, context, pipeline(context.target, Options(effort=0, **options)))  # type: ignore[arg-type]
    return emit_program(module, context, HEADER, HOST, {})


@pytest.fixture(scope="module")
def made() -> Program:
    return program()


def test_the_same_bytes_twice(made: Program) -> None:
    data = to_bytes(made)
    assert to_bytes(program()) == data
    assert to_bytes(from_bytes(data)) == data


def test_places_change_routes_and_nothing_else(made: Program) -> None:
    other = program(placement="random", seed=1)
    assert not np.array_equal(made.cores[["x", "y"]], other.cores[["x", "y"]])
    assert np.array_equal(made.code, other.code)
    assert np.array_equal(made.weights, other.weights)
    assert np.array_equal(made.thresholds, other.thresholds)


def test_threads_of_cores(made: Program) -> None:
    assert made.layers == ["image", "conv1", "pool1", "fc"]
    assert made.cores["threads"].tolist() == [2, 1, 1]
    assert made.threads["core"].tolist() == [0, 0, 1, 2]
    assert made.threads["rows"].tolist() == [16, 16, 4, 1]
    assert made.threads["input"].tolist() == [0, -1, -1, -1]
    assert made.ports["source"].tolist() == [0, 1, 2]


def test_handlers_end_and_index_tables(made: Program) -> None:
    decoded = [decode(word) for word in made.code]
    assert decoded[-1][0].mnemonic == "end"
    # An input has one handler, each of the three others two at its port and one for its rows; the
    # last one decides to exit.
    assert sum(i.mnemonic == "end" for i, _ in decoded) == 1 + 3 * 3 + 1
    windows = {o["window"] for i, o in decoded if i.mnemonic == "taps"}
    assert windows == set(range(len(made.windows)))
    segments = [o["weights"] for i, o in decoded if i.mnemonic == "acc"]
    assert segments == [0, 1]


def test_segments_hold_the_weights(made: Program) -> None:
    first, second = made.weight_segments
    assert (first["taps"], first["inputs"], first["outputs_per_group"]) == (9, 1, 2)
    assert (second["taps"], second["inputs"], second["outputs_per_group"]) == (4, 2, 3)
    size = 9 * 1 * 2
    assert second["offset"] == size
    # The first channel's kernel of the text, its taps in order.
    assert made.weights[:size:2].tolist() == [1, 0, -1, 2, 0, -2, 1, 0, -1]
    assert made.thresholds[:7].tolist() == [5, 12, 21, 28, 37, 44, 53]


def test_routes_lead_to_the_readers(made: Program) -> None:
    # Core 0 to core 1 and core 1 to core 2, one link each; places are counted row by row.
    assert made.routes.tolist() == [
        (1, 0, 1, 0, 1, 0, 0, 16, 1),
        (2, 1, 1, 0, 1, 0, 0, 4, 1),
    ]
    assert made.links.tolist() == [[0, 1], [1, 2]]


def test_bindings(made: Program) -> None:
    (given,) = made.bindings["inputs"]
    assert given["tracer"] == "image"
    assert float.fromhex(given["scale"]) == 1 / 16
    assert [r["name"] for r in made.bindings["readings"]] == ["image_q", "a_q", "logits"]
    assert made.bindings["probes"] == [0, 1]
    (value,) = made.bindings["values"]
    assert value["reading"] == 2
    assert made.arrays[value["factor"]].tolist() == [1 / 32]
    assert made.arrays[value["offset"]].tolist() == [0.5, 0, -0.5]


def test_the_header_says_what_it_was_made_for(made: Program) -> None:
    assert made.header["network"] == "whole.onnx"
    assert made.header["target"] == load_target("elsa-6x6").to_dict()
    assert made.header["packet"]["capacity"] == 17
