"""The text that `text_classifier.onnx` learns from: descriptions of data sets in scikit-learn."""

from collections.abc import Sequence
from importlib.resources import files

import numpy as np

from .text import TOKENS, HeldOut, Ids, encode, split, tokens, vocabulary

CLASSES = 10


def documents() -> dict[str, list[str]]:
    """The longest descriptions that scikit-learn has, in tokens, by name."""
    folder = files("sklearn.datasets.descr")
    found = {
        file.name.removesuffix(".rst"): tokens(file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(".rst")
    }
    longest = sorted(found, key=lambda name: (-len(found[name]), name))[:CLASSES]
    return {name: found[name] for name in sorted(longest)}


def windows(stretches: Sequence[tuple[Ids, int]]) -> tuple[Ids, Ids]:
    """Every passage that lies in a stretch, at every offset, and its label."""
    ids, label = [], []
    for stretch, number in stretches:
        if len(stretch) >= TOKENS:
            ids.append(np.lib.stride_tricks.sliding_window_view(stretch, TOKENS))
            label.append(np.full(len(ids[-1]), number, np.int64))
    return np.concatenate(ids), np.concatenate(label)


def data() -> tuple[Ids, Ids, HeldOut]:
    """Windows to train with, (windows, TOKENS), their labels, and what is held out."""
    found = documents()
    parts = [
        (held, part, number)
        for number, document in enumerate(found.values())
        for held, part in split(document)
    ]
    words = vocabulary([part for held, part, _ in parts if not held])
    ids, label = windows([(encode(part, words), n) for held, part, n in parts if not held])
    chosen = [(encode(part, words), number) for held, part, number in parts if held]
    held_out = HeldOut(
        np.stack([part for part, _ in chosen]),
        np.array([number for _, number in chosen], np.int64),
        tuple(found),
        words,
    )
    return ids, label, held_out


def baselines(ids: Ids, label: Ids, held_out: HeldOut) -> tuple[float, float]:
    """Right answers of the commonest class, and of a logistic regression on counts of words."""
    from sklearn.linear_model import LogisticRegression  # the one thing here that is slow to import

    def counts(passages: Ids) -> Ids:
        return np.stack([np.bincount(p, minlength=len(held_out.words)) for p in passages])

    common = float((held_out.label == np.bincount(label).argmax()).mean())
    model = LogisticRegression(C=0.1, max_iter=1000).fit(counts(ids), label)
    return common, float(model.score(counts(held_out.ids), held_out.label))
