"""From text to the ids that `text_classifier.onnx` takes, and what `text.npz` holds.

The text is real: the descriptions of data sets that scikit-learn installs, which `train_text.py`
reads. Nothing else here needs scikit-learn or PyTorch.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TOKENS = 32
"""Tokens of a passage."""
LETTERS = 5
"""Words are cut to so many letters, which joins most of their inflections."""
PADDING, UNKNOWN, NUMBER = "<padding>", "<unknown>", "<number>"
HELD_OUT = 4
"""Every so manieth passage of a document is held out."""

_TOKEN = re.compile(r"(?P<word>[a-z]+)|(?P<number>\d+(\.\d+)?)|(?P<mark>[^\sa-z\d])(?P=mark)*")

Ids = NDArray[np.int64]


def tokens(text: str) -> list[str]:
    """Words in lower case and cut, `<number>` for every number, and runs of one mark as one."""
    found = []
    for match in _TOKEN.finditer(text.lower()):
        if match["word"]:
            found.append(match["word"][:LETTERS])
        else:
            found.append(NUMBER if match["number"] else match["mark"])
    return found


def vocabulary(documents: Sequence[Sequence[str]], least: int = 2) -> tuple[str, ...]:
    """Padding, unknown, and the tokens seen at least so many times, in alphabetical order."""
    count = Counter(token for document in documents for token in document)
    return (PADDING, UNKNOWN, *sorted(t for t, times in count.items() if times >= least))


def encode(found: Sequence[str], words: Sequence[str]) -> Ids:
    """The ids of tokens, (tokens,) in 0..words-1."""
    ids = {word: number for number, word in enumerate(words)}
    unknown = ids[UNKNOWN]
    return np.array([ids.get(token, unknown) for token in found], np.int64)


def passages(text: str, words: Sequence[str]) -> Ids:
    """The ids of a text in passages of TOKENS, (passages, TOKENS); the last one is padded.

    The network has no mask for padding and was trained without any, so expect less of a short one.
    """
    ids = encode(tokens(text), words)
    count = max(1, -(-len(ids) // TOKENS))
    padded = np.full(count * TOKENS, list(words).index(PADDING), np.int64)
    padded[: len(ids)] = ids
    return padded.reshape(count, TOKENS)


def split(document: Sequence[str]) -> Iterator[tuple[bool, Sequence[str]]]:
    """A document's held-out passages, and between them the stretches to train with.

    True and TOKENS tokens for each passage held out; False and a multiple of TOKENS tokens for each
    stretch. What is left at the end is dropped. No token is in two of them.
    """
    last = len(document) // TOKENS
    begin = 0
    for passage in range(HELD_OUT // 2, last, HELD_OUT):
        yield False, document[begin * TOKENS : passage * TOKENS]
        yield True, document[passage * TOKENS : (passage + 1) * TOKENS]
        begin = passage + 1
    if begin < last:
        yield False, document[begin * TOKENS : last * TOKENS]


@dataclass(frozen=True)
class HeldOut:
    """What `text.npz` holds."""

    ids: Ids
    """(passages, TOKENS)"""
    label: Ids
    """(passages,): the document a passage is from."""
    classes: tuple[str, ...]
    """Names of the documents."""
    words: tuple[str, ...]
    """The vocabulary; an id is a place in it."""

    def arrays(self) -> Mapping[str, NDArray[np.int64] | NDArray[np.str_]]:
        """The arrays as they are stored."""
        return {
            "ids": self.ids,
            "label": self.label,
            "classes": np.array(self.classes),
            "words": np.array(self.words),
        }


def load(path: str | Path) -> HeldOut:
    """Read `text.npz`."""
    with np.load(path) as arrays:
        classes, words = arrays["classes"].tolist(), arrays["words"].tolist()
        return HeldOut(arrays["ids"], arrays["label"], tuple(classes), tuple(words))
