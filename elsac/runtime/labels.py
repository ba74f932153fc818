"""Labels: what they must look like, and which answers they make right."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.bindings import InputError

Array = NDArray[Any]
Ints = NDArray[np.int64]


def checked_labels(labels: Array, batch: int) -> Ints:
    """Return labels as integers; raise :class:`InputError` if they are no classes of a batch."""
    labels = np.asarray(labels)
    if labels.dtype.kind == "f" and np.isfinite(labels).all() and (labels == np.rint(labels)).all():
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "iu":
        raise InputError(f"labels: dtype {labels.dtype}, expected integers, the classes")
    if not labels.ndim or len(labels) != batch:
        raise InputError(f"labels: shape {labels.shape}, expected one label for {batch} samples")
    return labels.astype(np.int64)


def right_answers(outputs: dict[str, Array], labels: Ints) -> NDArray[np.bool_]:
    """Compare the answers of the first output with the labels, of which each sample has one."""
    name, output = next(iter(outputs.items()))
    scores = scores_of(output, len(labels))
    answers = output if scores is None else np.argmax(scores, axis=-1)
    if answers.size == labels.size:  # (batch, 1) is as good as (batch,)
        return np.asarray(answers.reshape(labels.shape) == labels, np.bool_)
    if scores is not None and labels.size == scores.size:
        raise InputError(
            f"labels: shape {labels.shape[1:]} per sample, expected one class number for each "
            "sample; labels.argmax(axis=-1) gives it"
        )
    raise InputError(
        f"labels: shape {labels.shape[1:]} per sample, but output '{name}' has the shape "
        f"{output.shape[1:]}; expected labels of shape {answers.shape[1:]}"
    )


def one_class(outputs: dict[str, Array], samples: int) -> Ints:
    """Return the answers of the first output, (samples,); raise :class:`InputError` for others."""
    name, output = next(iter(outputs.items()))
    scores = scores_of(output, samples)
    answers = output if scores is None else np.argmax(scores, axis=-1)
    if answers.size != samples:
        raise InputError(
            f"output '{name}' has {answers.size // samples} classes for each input; elastic curves "
            "are of networks that give one"
        )
    return answers.reshape(samples).astype(np.int64)


def scores_of(output: Array, samples: int) -> Array | None:
    """Return an output as (samples, ..., classes); None if it holds the classes themselves."""
    whole = output.dtype.kind in "iub"
    if output.ndim and len(output) == samples and (not whole or output.size > samples):
        sizes = [d for d in output.shape[1:] if d > 1]
        return output.reshape(samples, *(sizes or (1,)))
    return None


def label_warnings(outputs: dict[str, Array], labels: Ints) -> list[str]:
    """Count the labels that no answer can match."""
    name, output = next(iter(outputs.items()))
    scores = scores_of(output, len(labels))
    if scores is None:
        return []
    classes = scores.shape[-1]
    wrong = int(np.count_nonzero((labels < 0) | (labels >= classes)))
    if not wrong:
        return []
    return [
        f"labels: {wrong:,} of {labels.size:,} lie outside of 0..{classes - 1}, the classes of "
        f"output '{name}', and count as wrong"
    ]
