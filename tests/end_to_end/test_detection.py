"""The detection sample: its canvases, the reading of its answers, and its numbers on the chip."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from samples.canvases import (
    CELL,
    DIGIT,
    GRID,
    LEVELS,
    SCALES,
    SIDE,
    Canvases,
    cell_of,
    inked,
    load,
    make,
)
from samples.detection import (
    CLASSES,
    PRIOR,
    Detections,
    agree,
    decode,
    decode_boxes,
    iou,
    match,
    mean_average_precision,
    score,
    suppress,
)
from tests.end_to_end.conftest import SAMPLES, Run, network

DATA = SAMPLES / "detection.npz"
NETWORK = network("digits_detection")


@pytest.fixture(scope="module")
def canvases() -> Canvases:
    return load(DATA)


@cache
def onnxruntime_outputs() -> dict[str, Any]:
    """What the network says about all canvases, the graph run as it is written."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(NETWORK, options)
    names = [output.name for output in session.get_outputs()]
    feed = {"image": load(DATA).image.astype(np.float32)}
    return dict(zip(names, session.run(names, feed), strict=True))


# Canvases


def test_the_file_is_made_of_held_out_digits_alone(
    canvases: Canvases, digits: dict[str, Any]
) -> None:
    made = make(digits["image"][:, 0], digits["label"], len(canvases), seed=0)
    for name, array in canvases.arrays().items():
        np.testing.assert_array_equal(made.arrays()[name], array, name)
        assert made.arrays()[name].dtype == array.dtype


def test_another_seed_gives_other_canvases(digits: dict[str, Any]) -> None:
    a, b, c = (make(digits["image"][:, 0], digits["label"], 5, seed) for seed in (1, 1, 2))
    assert a.image.tobytes() == b.image.tobytes()
    assert a.image.tobytes() != c.image.tobytes()


def test_truths_are_possible(canvases: Canvases) -> None:
    there = canvases.label >= 0
    assert there[:, 0].all() and 0.15 < there[:, 1].mean() < 0.5
    assert canvases.image.max() < LEVELS
    assert set(canvases.scale[there]) == set(SCALES) and not canvases.scale[~there].any()
    assert set(canvases.label[there]) == set(range(CLASSES))
    low, high = canvases.box[there][:, :2], canvases.box[there][:, 2:]
    assert (low >= 0).all() and (low < high).all() and (high <= SIDE).all()
    assert ((high - low) <= DIGIT * canvases.scale[there][:, np.newaxis]).all()
    for box in canvases.box[there.all(axis=1)]:
        assert iou(box[:1], box[1:])[0, 0] == 0
        assert not np.array_equal(*cell_of(box))


def test_boxes_hold_the_ink(canvases: Canvases) -> None:
    # A box is brighter than what surrounds it, which is as dark as the ground of 6 at most.
    row, column = np.mgrid[:SIDE, :SIDE] + 0.5
    for image, boxes, label in zip(canvases.image, canvases.box, canvases.label, strict=True):
        inside = np.zeros((SIDE, SIDE), bool)
        for left, top, right, bottom in boxes[label >= 0]:
            box = (column > left) & (column < right) & (row > top) & (row < bottom)
            assert image[0][box].mean() > 1.2 * np.median(image)
            inside |= box
        assert np.median(image[0][~inside]) <= 7


def test_the_box_of_ink() -> None:
    digit = np.zeros((8, 8))
    digit[2:5, 3] = 1
    digit[6, 6] = 0.2  # too faint
    assert inked(digit).tolist() == [3, 2, 4, 5]


# Answers


def encoded(canvases: Canvases, sure: float = 0.9) -> dict[str, Any]:
    """What a perfect network would say."""
    count = len(canvases)
    outputs = {
        "objectness": np.full((count, 1, GRID, GRID), 0.01),
        "boxes": np.zeros((count, 4, GRID, GRID)),
        "classes": np.zeros((count, CLASSES, GRID, GRID)),
    }
    for number, which in np.argwhere(canvases.label >= 0):
        box = canvases.box[number, which].astype(np.float64)
        column, row = cell_of(box)
        middle = (box[:2] + box[2:]) / 2 / CELL - [column, row]
        middle = middle.clip(1e-9, 1 - 1e-9)
        said = np.concatenate([np.log(middle / (1 - middle)), np.log((box[2:] - box[:2]) / PRIOR)])
        outputs["objectness"][number, 0, row, column] = sure
        outputs["boxes"][number, :, row, column] = said
        outputs["classes"][number, canvases.label[number, which], row, column] = 9
    return outputs


def test_decoding_undoes_encoding(canvases: Canvases) -> None:
    outputs = encoded(canvases)
    found = decode(outputs)
    for one, box, label in zip(found, canvases.box, canvases.label, strict=True):
        there = label >= 0
        assert len(one) == there.sum()
        pairs = match(one, box, label)
        np.testing.assert_allclose(one.box, box[pairs], atol=1e-4)
        assert one.label.tolist() == label[pairs].tolist()
    assert score(found, canvases.box, canvases.label).f1 == 1
    assert mean_average_precision(found, canvases.box, canvases.label) == pytest.approx(1)
    assert not any(map(len, decode(outputs, least=0.91)))
    # Another class everywhere: nothing is right, whatever the boxes.
    wrong = [replace(one, label=(one.label + 1) % CLASSES) for one in found]
    assert score(wrong, canvases.box, canvases.label).right == 0
    assert not any(agree(a, b) for a, b in zip(found, wrong, strict=True))


def test_early_answers_of_any_charge_decode() -> None:
    said = np.full((1, 4, GRID, GRID), -1e6)
    said[:, :, ::2] = 1e6
    boxes = decode_boxes(said)
    assert np.isfinite(boxes).all() and (boxes >= 0).all() and (boxes <= SIDE).all()
    outputs = {
        "objectness": np.ones((1, 1, GRID, GRID)),
        "boxes": said,
        "classes": np.full((1, CLASSES, GRID, GRID), 1e6),
    }
    (found,) = decode(outputs)
    assert 1 <= len(found) <= GRID * GRID and np.isfinite(found.score).all()


def test_iou_counts_pixels() -> None:
    rng = np.random.default_rng(0)
    corners = np.sort(rng.integers(0, 12, (40, 2, 2)), axis=1)
    boxes = corners.reshape(40, 4)
    row, column = np.mgrid[:12, :12]
    masks = [
        (column >= left) & (column < right) & (row >= top) & (row < bottom)
        for left, top, right, bottom in boxes
    ]
    for i, a in enumerate(masks):
        for j, b in enumerate(masks):
            union = (a | b).sum()
            expected = (a & b).sum() / union if union else 0
            assert iou(boxes[i : i + 1], boxes[j : j + 1])[0, 0] == pytest.approx(expected)


def test_suppression_keeps_the_best_of_each_heap() -> None:
    a, shifted, apart = [0, 0, 10, 10], [0, 1, 10, 11], [20, 20, 30, 30]
    # The third lies on the second, which is gone by then, and not enough on the first.
    third = [0, 5, 10, 15]
    assert suppress(np.array([a, shifted, apart])).tolist() == [0, 2]
    assert suppress(np.array([a, shifted, third, apart])).tolist() == [0, 2, 3]
    assert suppress(np.zeros((0, 4))).tolist() == []


def found_of(*rows: tuple[list[float], int, float]) -> Detections:
    box, label, certainty = zip(*rows, strict=True)
    return Detections(np.array(box), np.array(label), np.array(certainty))


def test_a_digit_is_found_once_and_only_as_itself() -> None:
    box = np.array([[0, 0, 10, 10], [20, 20, 30, 30], [0, 0, 0, 0]], np.float32)
    label = np.array([3, 4, -1])
    found = found_of(
        ([0, 0, 10, 9], 3, 0.9),
        ([0, 0, 10, 10], 3, 0.8),  # the digit is taken
        ([20, 20, 30, 30], 5, 0.7),  # not its class
        ([26, 20, 36, 30], 4, 0.6),  # not its place
    )
    assert match(found, box, label).tolist() == [0, -1, -1, -1]
    total = score([found], box[np.newaxis], label[np.newaxis])
    assert (total.right, total.found, total.digits) == (1, 4, 2)
    assert total.f1 == pytest.approx(2 * 1 / (4 + 2))


def test_mean_average_precision_by_hand() -> None:
    box = np.array([[[0, 0, 10, 10], [20, 20, 30, 30]]] * 2, np.float32)
    label = np.array([[3, 3], [3, 7]])
    found = [
        found_of(([0, 0, 10, 10], 3, 0.9), ([10, 0, 20, 10], 3, 0.8), ([20, 20, 30, 30], 3, 0.7)),
        found_of(([20, 20, 30, 30], 7, 0.5)),
    ]
    # Class 3: right, wrong, right, and one of three digits missed: 1/3 + 1/3 * 2/3. Class 7: 1.
    assert mean_average_precision(found, box, label) == pytest.approx((1 / 3 + 2 / 9 + 1) / 2)


# The network


def test_large_digits_are_found(canvases: Canvases) -> None:
    large = np.where(canvases.label >= 0, canvases.scale >= 2, True).all(axis=1)
    outputs = {name: array[large] for name, array in onnxruntime_outputs().items()}
    part = canvases.chosen(large)
    assert score(decode(outputs), part.box, part.label).f1 > 0.85


@pytest.mark.parametrize("target", ["elsa-6x6", "elsa-6x6-shift"])
def test_the_emulator_says_what_onnxruntime_says(target: str, elsac: Run, tmp_path: Path) -> None:
    binary, out, count = tmp_path / "p.bin", tmp_path / "o.npz", 6
    elsac("compile", NETWORK, "-o", binary, "--target", target)
    limit = ("--images", count, "--output", out)
    text = elsac("run", binary, "--input", DATA, *limit).output
    assert "terminal  every input quiescent" in text
    with np.load(out) as arrays:
        for name in ("objectness", "boxes", "classes"):
            expected = onnxruntime_outputs()[name][:count]
            assert arrays[name].dtype == np.float32
            np.testing.assert_allclose(arrays[name], expected, rtol=1e-5, atol=1e-5)


def test_verify_finds_no_difference(elsac: Run, tmp_path: Path) -> None:
    report = tmp_path / "v.json"
    limit = ("--images", 2, "--engine", "fast", "--json", report)
    elsac("verify", NETWORK, "--input", DATA, *limit)
    result = json.loads(report.read_text())
    assert result["passed"] is True
    assert [o["name"] for o in result["outputs"]] == ["objectness", "boxes", "classes"]
    checked = result["tensors"] + result["outputs"]
    assert not any(t["unexplained"] or t["emulator"] or t["spiking"] for t in checked)
