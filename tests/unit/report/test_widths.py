"""Proved widths against a walk over every word of a program, and against the compiler's own."""

import dataclasses
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import samples
from elsac.compiler import Options, compile_onnx
from elsac.report.widths import NoProof, layer_widths, proved, widths_table
from elsac.runtime.isa import decode
from elsac.runtime.program import Program
from elsac.targets import load_target

SAMPLES = Path(samples.__file__).parent
NETWORKS = ["digits_mlp", "digits_cnn", "digits_detection"]


@cache
def program(name: str, **options: str) -> Program:
    chosen = Options(effort=0, **options)  # type: ignore[arg-type]
    made = compile_onnx(SAMPLES / f"{name}.onnx", load_target("elsa-6x6"), chosen).program
    assert made is not None
    return made


def words(made: Program, first: int) -> list[tuple[str, dict[str, int]]]:
    found: list[tuple[str, dict[str, int]]] = []
    for code in made.code[first:].tolist():
        instruction, operands = decode(code)
        if instruction.mnemonic == "end":
            return found
        found.append((instruction.mnemonic, operands))
    raise AssertionError("no end")


def tap_pairs(window: dict[str, int], spine: int) -> list[tuple[int, int]]:
    """The (row, tap) pairs that a spine feeds, from the definition in `program.py`."""
    pairs = []
    for row in range(window["out_height"] * window["out_width"]):
        oy, ox = divmod(row, window["out_width"])
        for tap in range(window["kernel_height"] * window["kernel_width"]):
            ky, kx = divmod(tap, window["kernel_width"])
            y = oy * window["stride_height"] - window["pad_top"] + ky * window["dilation_height"]
            x = ox * window["stride_width"] - window["pad_left"] + kx * window["dilation_width"]
            inside = 0 <= y < window["in_height"] and 0 <= x < window["in_width"]
            if inside and y * window["in_width"] + x == spine:
                pairs.append((row, tap))
    return pairs


def walked(made: Program, thread: int) -> tuple[int, int]:
    """Least and greatest charge: every spine, tap and channel of every port, one by one."""
    entry = made.threads[thread]
    low, high = np.zeros((2, entry["rows"], entry["columns"]), np.int64)
    for port in made.ports[entry["first_port"] : entry["first_port"] + entry["ports"]]:
        source = made.threads[port["source"]]
        ends = np.array([source["lo"], source["hi"]], np.int64)
        window: dict[str, int] = {}
        for name, operands in words(made, int(port["on_spikes"])):
            if name == "taps":
                row = made.windows[operands["window"]]
                window = {n: int(row[n]) for n in row.dtype.names}
                continue
            if name == "next":
                continue
            for spine in range(port["first"], port["stop"]):
                for row, tap in tap_pairs(window, spine):
                    for channel in range(
                        port["column_base"], port["column_base"] + source["columns"]
                    ):
                        if name == "acc":
                            segment = made.weight_segments[operands["weights"]]
                            place = channel - int(segment["first_input"])
                            if not 0 <= place < segment["inputs"]:
                                continue
                            size = int(segment["outputs_per_group"])
                            start = int(segment["offset"])
                            start += (tap * int(segment["inputs"]) + place) * size
                            factors = made.weights[start : start + size].astype(np.int64)
                            column = place // int(segment["inputs_per_group"]) * size
                            factors = factors << operands["shift"]
                        else:
                            assert name == "add"
                            segment = made.constant_segments[operands["constants"]]
                            column, size = channel - int(segment["first_input"]), 1
                            if not 0 <= column < segment["inputs"]:
                                continue
                            start = int(segment["offset"]) + column
                            factors = made.weights[start : start + 1].astype(np.int64)
                        products = factors[:, None] * ends
                        low[row, column : column + size] += products.min(axis=1)
                        high[row, column : column + size] += products.max(axis=1)
    return int(low.min()), int(high.max())


@pytest.mark.parametrize("name", NETWORKS)
def test_bounds_are_those_of_a_walk_over_every_word(name: str) -> None:
    made = program(name)
    expected: dict[str, tuple[int, int]] = {}
    for number, thread in enumerate(made.threads):
        # The walk is slow; a few layers of each kind will do.
        if not thread["membrane_bits"] or int(thread["rows"]) * int(thread["columns"]) > 1300:
            continue
        layer = made.layers[thread["layer"]]
        least, greatest = walked(made, number)
        old = expected.get(layer, (0, 0))
        expected[layer] = min(old[0], least), max(old[1], greatest)
    found = {row.layer: (row.least, row.greatest) for row in layer_widths(made)}
    assert expected
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize("name", [*NETWORKS, "digits_cnn_int8"])
def test_the_compiler_gives_every_membrane_its_bits(name: str) -> None:
    made = program(name)
    rows = layer_widths(made)
    assert proved(rows)
    held = made.threads[made.threads["membrane_bits"] > 0]
    membranes = int((held["rows"].astype(np.int64) * held["columns"]).sum())
    assert sum(row.membranes for row in rows) == membranes
    last = widths_table(rows).splitlines()[-1]
    assert last == (
        f"proved: no membrane of {membranes:,} can leave its width, in any order of arrival"
    )
    assert all(-(1 << (r.needed - 1)) <= r.least for r in rows)
    assert all(r.greatest < 1 << (r.needed - 1) for r in rows)


def test_one_bit_less_is_no_proof() -> None:
    made = program("digits_mlp")
    threads = made.threads.copy()
    victim = int(np.flatnonzero(threads["membrane_bits"])[0])
    threads["membrane_bits"][victim] -= 1
    rows = layer_widths(dataclasses.replace(made, threads=threads))
    assert not proved(rows)
    layer, bits = made.layers[threads["layer"][victim]], int(threads["membrane_bits"][victim])
    last = widths_table(rows).splitlines()[-1]
    assert last.startswith("NOT proved: membranes of 1 layers can leave their width")
    assert last.endswith(f"in '{layer}' they need {bits + 1} bits and have {bits}")


def test_a_larger_weight_needs_more_bits() -> None:
    made = program("digits_mlp")
    before = layer_widths(made)[0]
    weights = made.weights.copy()
    first = int(made.weight_segments["offset"][0])
    weights[first] += 1 << 20
    after = layer_widths(dataclasses.replace(made, weights=weights))
    grown = [r for r in after if r.margin < 0]
    assert len(grown) == 1
    assert grown[0].greatest - before.greatest > 1 << 20 or grown[0].layer != before.layer


def test_what_cannot_be_read_is_not_proved() -> None:
    with pytest.raises(NoProof, match="its widths cannot be proved: "):
        layer_widths(program("digits_mlp", coding="analog"))
