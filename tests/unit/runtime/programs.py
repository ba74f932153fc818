"""A program by hand, with something in every table."""

import numpy as np

from elsac.runtime.isa import words
from elsac.runtime.program import (
    ALWAYS,
    CONSTANTS,
    CORE,
    CURVE,
    DECISION,
    LOGITS,
    MAP,
    NEVER,
    NORM,
    PORT,
    PRODUCT,
    ROUTE,
    SOFTMAX,
    STAIRS,
    THREAD,
    WEIGHTS,
    WINDOW,
    Program,
)


def small_program() -> Program:
    """Return a source and one tile of a convolution on two cores; every table has rows."""
    code = words(
        ("inject", {}),
        ("send", {}),
        ("end", {}),
        ("taps", {"window": 0}),
        ("acc", {"weights": 0, "shift": 3}),
        ("add", {"constants": 0}),
        ("next", {}),
        ("scat", {"map": 0}),
        ("end", {}),
        ("taps", {"window": 0}),
        ("count", {}),
        ("next", {}),
        ("end", {}),
        ("fire", {"stairs": 0}),
        ("send", {}),
        ("end", {}),
        ("report", {"logits": 0}),
        ("exit", {"decision": 0}),
        ("end", {}),
        ("left", {"product": 0, "base": 1}),
        ("rcount", {"product": 1, "base": 0}),
        ("softmax", {"softmax": 0}),
        ("norm", {"norm": 0}),
        ("curve", {"curve": 0}),
        ("end", {}),
    )
    source = (0, 0, 0, 4, 2, 0, 0, -7, 7, 0, 0, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 1, 4)
    tile = (1, 1, 1, 4, 3, 0, 0, 0, 3, 9, 0, 0, 0, 1, 13, 16, 4, -1, -1, 1, 0, 1, 4)
    thresholds = np.array(
        [[1, 11, 22, ALWAYS, -9, 3, NEVER, NEVER, NEVER], [5, 15, 26, -4, 6, 17, 9, 19, 30]],
        dtype=np.int64,
    )
    normed = np.array([[-(1 << 40), 1, 1 << 40], [ALWAYS, ALWAYS, NEVER], [-3, 0, 3]])
    edges = np.arange(18).reshape(2, 9) * 5 - 40
    return Program(
        header={"format": 1, "elsac": "0.1.0", "network": "netz\u00e4", "alphabet": "ternary"},
        bindings={"inputs": [{"name": "x", "scale": (0.1).hex(), "zero": 0, "head": []}]},
        layers=["input", "conv; 1"],
        code=code,
        cores=np.array([(0, 0, 0, 1, 0, 3), (1, 0, 1, 1, 3, 22)], dtype=CORE),
        threads=np.array([source, tile], dtype=THREAD),
        ports=np.array([(0, 0, 4, 0, 4, 3, 9)], dtype=PORT),
        windows=np.array([(2, 2, 2, 2, 3, 3, 1, 1, 1, 1, 1, 1)], dtype=WINDOW),
        weight_segments=np.array([(0, 9, 0, 2, 2, 3, 4)], dtype=WEIGHTS),
        constant_segments=np.array([(54, 0, 2, 12)], dtype=CONSTANTS),
        stairs=np.array([(0, 2, 3, 0, 3, 0)], dtype=STAIRS),
        maps=np.array([(0, 4, 2, 0, 3)], dtype=MAP),
        products=np.array(
            [
                (1, 0, 2, 2, 3, 3, 1, 0, 1, 1, 0, 4, 5),
                (1, 1, 1, 4, 0, 3, 0, 0, 1, 0, 0, 4, 5),
            ],
            dtype=PRODUCT,
        ),
        softmaxes=np.array([(0, 3, 7, 5, 0, 2, 0)], dtype=SOFTMAX),
        norms=np.array([(18, 56, 3, 0, 3, 24, 7, 20, 1)], dtype=NORM),
        curves=np.array([(27, 2, 3, 3, 0, 0)], dtype=CURVE),
        exponentials=np.array([1 << 24, 1 << 23, 1], dtype=np.int64),
        absent=np.array([0, 1, 0, 0, 0, 1], dtype=np.int8),
        levels=np.array([3, -1, 0, 2], dtype=np.int32),
        routes=np.array([(1, 0, 1, 0, 1, 0, 0, 4, 64)], dtype=ROUTE),
        logits=np.array([(0, 0, 0, 2, 2, 0, 0, 3)], dtype=LOGITS),
        decisions=np.array([(0, 1, 8, 0)], dtype=DECISION),
        weights=np.concatenate([np.arange(54) % 16 - 8, [2047, -2048], [1, 0, -1]]).astype(
            np.int32
        ),
        thresholds=np.concatenate([t.reshape(-1) for t in (thresholds, normed, edges)]),
        row_classes=np.array([0, 0, 1, 1], dtype=np.int32),
        depends=np.array([4, 4, 4, 4], dtype=np.int32),
        row_orders=np.array([0, 1, 3, 2], dtype=np.int32),
        map_indptr=np.array([0, 1, 2, 3, 3, 3, 3, 3, 3], dtype=np.int64),
        map_targets=np.array([[0, 1], [1, 2], [3, 0]], dtype=np.int32),
        links=np.array([[0, 1]], dtype=np.int32),
        scales=np.array([[1 << 40, -5], [-(1 << 39), 1 << 50]], dtype=np.int64),
        exps=np.arange(256, dtype=np.int32),
        arrays={
            "head/w": np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3),
            "scalar": np.array(7, dtype=np.int64),
            "empty \u2192": np.zeros((0, 3), dtype=np.float64),
        },
    )
