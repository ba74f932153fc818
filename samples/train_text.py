"""Makes `text_classifier.onnx` and `text.npz`: `python -m samples.train_text`.

Takes some minutes on one core. Deterministic on one machine and with one version of scikit-learn,
whose descriptions of data sets are the text.
"""

import time
from collections.abc import Iterator

import numpy as np
import onnx

from .text import TOKENS, UNKNOWN
from .text_data import CLASSES, baselines, data
from .text_network import text_network
from .train import FOLDER, SEED
from .train_graph import train_quantized
from .write_graph import accuracy, to_onnx

# Behind `train`, which says what to install where there is no PyTorch.
import torch  # isort: skip
from torch import Tensor  # isort: skip

BATCH, EPOCH = 48, 1440
"""Windows of a batch and of an epoch."""
EPOCHS = (60, 60)
"""In floating point, and on 4-bit grids."""
DECAY = 0.1
FORGOTTEN = 0.3
"""Share of the tokens that training makes unknown, so that no single word decides."""


def main() -> None:
    """Train, write both files beside this one, and say how good the network is."""
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    begin = time.perf_counter()
    ids, label, held_out = data()
    inputs, truth = torch.from_numpy(ids), torch.from_numpy(label)
    unknown = held_out.words.index(UNKNOWN)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(inputs))
        for start in range(0, EPOCH, BATCH):
            chosen = order[start : start + BATCH]
            passages = inputs[chosen]
            forgotten = torch.rand(passages.shape) < FORGOTTEN
            yield passages.masked_fill(forgotten, unknown), truth[chosen]

    graph = text_network(len(held_out.words), TOKENS, CLASSES)
    network = train_quantized(graph, batches, inputs[::2], EPOCHS, DECAY)
    model = to_onnx(network, CLASSES)
    np.savez_compressed(FOLDER / "text.npz", **held_out.arrays())  # type: ignore[arg-type]
    onnx.save(model, FOLDER / "text_classifier.onnx")
    right = accuracy(model, held_out.ids, held_out.label)
    common, words = baselines(ids, label, held_out)
    print(f"{len(ids)} windows to train with, {len(held_out.words)} words, seed {SEED}")
    print(f"text_classifier: {right:.2%} of {len(held_out.ids)} held-out passages")
    print(f"commonest class {common:.2%}, logistic regression on counts of words {words:.2%}")
    print(f"{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
