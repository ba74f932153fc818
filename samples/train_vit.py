"""Makes `digits_vit.onnx`: `python -m samples.train_vit`.

Takes some minutes on one core. Deterministic on one machine, as `train.py` is.
"""

import time

import onnx

from .layers import CLASSES
from .train import FOLDER, HELD_OUT, batches, digits
from .train_graph import train_quantized
from .vit import vit
from .write_graph import accuracy, to_onnx

# Behind `train`, which says what to install where there is no PyTorch.
import torch  # isort: skip

EPOCHS = (200, 150)
"""In floating point, and on 4-bit grids."""
DECAY = 0.02


def main() -> None:
    """Train, write the file beside this one, and say how good the network is."""
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    start = time.perf_counter()
    image, label, held_image, held_label = digits()
    network = train_quantized(vit(), lambda: batches(image, label), image, EPOCHS, DECAY)
    model = to_onnx(network, CLASSES)
    onnx.save(model, FOLDER / "digits_vit.onnx")
    right = accuracy(model, held_image.numpy(), held_label.numpy())
    print(f"digits_vit: {right:.2%} of {HELD_OUT} held-out images")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
