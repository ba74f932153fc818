"""From what the detection network says to boxes, and from boxes to scores.

The network gives, for every cell of a 5x5 grid, `objectness` (batch, 1, 5, 5), the probability that
the middle of a digit lies in the cell; `boxes` (batch, 4, 5, 5), where the middle is and how large
the box is, in YOLO's terms; and `classes` (batch, 10, 5, 5), logits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .canvases import CELL, GRID, SIDE

Array = NDArray[Any]

CLASSES = 10
PRIOR = 16.0
"""Height and width in pixels of the box that a network means which says 0."""
FARTHEST = 2.0
"""Logarithms of sizes are held within this of the prior's, however early an answer is."""
LEAST = 0.5
"""Objectness from which a cell is believed to hold a digit."""
OVERLAP = 0.5
"""IoU from which a box is that of a digit, and of two boxes the weaker goes."""


@dataclass(frozen=True)
class Detections:
    """What is found on one canvas, the best first."""

    box: Array
    """(found, 4): left, top, right, bottom, in pixels."""
    label: NDArray[np.int64]
    """(found,)"""
    score: Array
    """(found,): objectness times the probability of the class, 0..1."""

    def __len__(self) -> int:
        return len(self.box)


def decode(outputs: Mapping[str, Array], least: float = LEAST) -> list[Detections]:
    """Find digits on every canvas of a batch: cells of objectness `least` and more, then NMS."""
    objectness = np.asarray(outputs["objectness"], np.float64)[:, 0]
    box, classes = decode_boxes(outputs["boxes"]), np.asarray(outputs["classes"], np.float64)
    weight = np.exp(classes - classes.max(axis=1, keepdims=True))
    chance = weight.max(axis=1) / weight.sum(axis=1)
    label = classes.argmax(axis=1)
    found = []
    for b in range(len(objectness)):
        rows, columns = np.nonzero(objectness[b] >= least)
        score = (objectness[b] * chance[b])[rows, columns]
        best = np.argsort(-score, kind="stable")
        rows, columns, score = rows[best], columns[best], score[best]
        kept = suppress(box[b, rows, columns])
        found.append(
            Detections(box[b, rows, columns][kept], label[b, rows, columns][kept], score[kept])
        )
    return found


def decode_boxes(said: Array) -> Array:
    """Boxes [batch, 5, 5, 4] in pixels, within the canvas, of `boxes` (batch, 4, 5, 5).

    The middle lies in the cell, at the logistic of what is said; width and height are the prior's
    times the exponential of what is said.
    """
    said = np.moveaxis(np.asarray(said, np.float64), 1, -1)
    row, column = np.mgrid[:GRID, :GRID]
    corner = np.stack([column, row], axis=-1)
    middle = CELL * (corner + 1 / (1 + np.exp(-said[..., :2].clip(-30, 30))))
    half = PRIOR / 2 * np.exp(said[..., 2:].clip(-FARTHEST, FARTHEST))
    return np.concatenate([middle - half, middle + half], axis=-1).clip(0, SIDE)


def iou(a: Array, b: Array) -> Array:
    """Intersection over union [n, m] of boxes [n, 4] and [m, 4]; 0 where both are empty."""
    a, b = a[:, np.newaxis].astype(np.float64), b[np.newaxis].astype(np.float64)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    both = sides.clip(0).prod(axis=-1)
    all_ = (a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1) - both
    return np.asarray(np.divide(both, all_, out=np.zeros_like(both), where=all_ > 0))


def suppress(box: Array) -> NDArray[np.int64]:
    """Greedy non-maximum suppression: which of the boxes [n, 4], the best first, are kept."""
    near = iou(box, box) >= OVERLAP
    kept: list[int] = []
    for i in range(len(box)):
        if not near[i, kept].any():
            kept.append(i)
    return np.array(kept, np.int64)


def match(found: Detections, box: Array, label: Array) -> NDArray[np.int64]:
    """Pair what is found with digits: for each detection its digit's number, or -1.

    `box` (n, 4) and `label` (n,) are the truth; labels below 0 are no digits. The best detection
    chooses first, among the digits of its class whose IoU with it suffices, the closest one.
    """
    overlap = np.where(found.label[:, np.newaxis] == label, iou(found.box, box), 0.0)
    overlap[:, label < 0] = 0.0
    pairs = np.full(len(found), -1, np.int64)
    for i in range(len(found)):
        if overlap.shape[1] and overlap[i].max() >= OVERLAP:
            pairs[i] = int(overlap[i].argmax())
            overlap[:, pairs[i]] = 0.0
    return pairs


def agree(a: Detections, b: Detections) -> bool:
    """Whether two answers name the same digits in the same places."""
    return len(a) == len(b) and bool((match(a, b.box, b.label) >= 0).all())


@dataclass(frozen=True)
class Score:
    """Counts over canvases."""

    right: int
    """Digits that are found: right class, and IoU of a half at least."""
    found: int
    digits: int

    @property
    def f1(self) -> float:
        """Twice the right ones over all that are found and all that are there."""
        return 2 * self.right / max(1, self.found + self.digits)


def score(found: Sequence[Detections], box: Array, label: Array) -> Score:
    """Compare canvases with the truth: `box` (count, most, 4), `label` (count, most)."""
    right = sum(int((match(f, *t) >= 0).sum()) for f, *t in zip(found, box, label, strict=True))
    return Score(right, sum(map(len, found)), int((label >= 0).sum()))


def mean_average_precision(found: Sequence[Detections], box: Array, label: Array) -> float:
    """mAP at IoU 0.5: the mean over classes of the area under precision over recall.

    Precision is made to fall only (every point interpolated), as PASCAL VOC does since 2010. Give
    detections of low scores too.
    """
    rows = []
    for one, *truth in zip(found, box, label, strict=True):
        hits = match(one, *truth) >= 0
        rows += list(zip(one.score, one.label, hits, strict=True))
    rows.sort(key=lambda row: -row[0])
    areas = []
    for which in range(CLASSES):
        there = int((label == which).sum())
        if there:
            hits = np.array([hit for _, said, hit in rows if said == which], bool)
            precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
            falling = np.maximum.accumulate(precision[::-1])[::-1]
            areas.append(float(falling[hits].sum()) / there)
    return float(np.mean(areas))
