"""Makes every file of this folder: `python -m samples.train`. Takes a few minutes on two cores.

Deterministic on one machine: another processor or PyTorch may round differently, and so end with
other weights of about the same accuracy.
"""

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

try:
    import torch
    import torch.nn.functional as F
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
except ImportError as error:
    raise SystemExit(
        f"{error}. Training the samples needs PyTorch and scikit-learn: "
        "pip install 'elsac[samples]'. The trained samples are used without them."
    ) from error

from torch import Tensor

from .export import to_onnx
from .layers import CNN, MLP, SMALL_CNN, Layers
from .quantized import Network

FOLDER = Path(__file__).parent
SEED = 0
HELD_OUT = 360
BATCH = 48


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training images and labels, then the held-out ones: 1437 and 360, stratified by class.

    Images are float32 (count, 1, 8, 8) in [0, 1], labels int64 (count,).
    """
    image, label = load_digits(return_X_y=True)
    image = (image / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    parts = train_test_split(
        image, label.astype(np.int64), test_size=HELD_OUT, stratify=label, random_state=SEED
    )
    image, held_image, label, held_label = (torch.from_numpy(part) for part in parts)
    return image, label, held_image, held_label


def distort(image: Tensor) -> Tensor:
    """Each image turned, resized, slanted and shifted a little, at random; same shape and range."""
    count = len(image)

    def spread(width: float) -> Tensor:
        return (torch.rand(count) * 2 - 1) * width

    angle = spread(0.2)
    cosine, sine = angle.cos(), angle.sin()
    row0 = torch.stack([cosine * (1 + spread(0.12)), spread(0.15) - sine, spread(0.2)], 1)
    row1 = torch.stack([sine, cosine * (1 + spread(0.12)), spread(0.12)], 1)
    grid = F.affine_grid(torch.stack([row0, row1], 1), list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, align_corners=False)


def fit(
    network: Network,
    image: Tensor,
    label: Tensor,
    epochs: int,
    rate: float,
    teacher: Network | None = None,
) -> None:
    """Train with Adam and a cosine schedule; with a teacher, learn half from its probabilities."""
    scales = [p for name, p in network.named_parameters() if "scale" in name]
    others = [p for name, p in network.named_parameters() if "scale" not in name]
    groups: list[dict[str, Any]] = [{"params": others, "weight_decay": 1e-4}]
    if scales:
        groups.append({"params": scales, "weight_decay": 0.0})
    optimizer = torch.optim.AdamW(groups, lr=rate)
    steps = epochs * math.ceil(len(image) / BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    network.train()
    for _ in range(epochs):
        for x, y in batches(image, label):
            logits = network(x)
            loss = F.cross_entropy(logits, y, label_smoothing=0.05)
            if teacher is not None:
                with torch.no_grad():
                    target = teacher(x).softmax(1)
                loss = (loss + F.cross_entropy(logits, target)) / 2
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    network.eval()


def batches(image: Tensor, label: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The training set once, in random order, distorted."""
    order = torch.randperm(len(image))
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        yield distort(image[chosen]), label[chosen]


def train_float(layers: Layers, image: Tensor, label: Tensor, epochs: int) -> Network:
    """A trained floating-point network whose normalizations are folded."""
    torch.manual_seed(SEED)
    network = Network(layers)
    fit(network, image, label, epochs, 4e-3)
    network.fold_norms()
    return network


def train_quantized(layers: Layers, image: Tensor, label: Tensor, epochs: int) -> Network:
    """A trained 4-bit network: first in floating point, which then teaches the quantized one."""
    teacher = train_float(layers, image, label, epochs)
    network = Network(layers)
    network.fold_norms()
    network.load_state_dict(teacher.state_dict())
    network.quantize(image)
    fit(network, image, label, epochs, 2e-3, teacher)
    return network


class _Calibration(CalibrationDataReader):  # type: ignore[misc]
    """Hands the training images to the quantizer, one batch at a time."""

    def __init__(self, image: Tensor) -> None:
        self.batches = (image[start : start + BATCH] for start in range(0, len(image), BATCH))

    def get_next(self) -> dict[str, np.ndarray[Any, Any]] | None:
        batch = next(self.batches, None)
        return None if batch is None else {"image": batch.numpy()}


def quantize_to_int8(model: onnx.ModelProto, image: Tensor) -> onnx.ModelProto:
    """The float model with 8-bit weights and activations, as ONNX Runtime makes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantize_static(
            model,
            path,
            _Calibration(image),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return onnx.load(path)


def accuracy(model: onnx.ModelProto, image: Tensor, label: Tensor) -> float:
    """The share of right answers in ONNX Runtime, with the graph run as it is written."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    (logits,) = session.run(["logits"], {"image": image.numpy()})
    return float((logits.argmax(1) == label.numpy()).mean())


def main() -> None:
    """Train the three networks and write them beside this file."""
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(2)
    image, label, held_image, held_label = digits()
    np.savez_compressed(FOLDER / "digits.npz", image=held_image.numpy(), label=held_label.numpy())
    small = to_onnx(train_float(SMALL_CNN, image, label, 60), "digits_cnn_int8")
    models = {
        "digits_mlp": to_onnx(train_quantized(MLP, image, label, 120), "digits_mlp"),
        "digits_cnn_int8": quantize_to_int8(small, image),
        "digits_cnn": to_onnx(train_quantized(CNN, image, label, 60), "digits_cnn"),
    }
    for name, model in models.items():
        onnx.save(model, FOLDER / f"{name}.onnx")
        right = accuracy(model, held_image, held_label)
        print(f"{name}: {right:.2%} of {HELD_OUT} held-out images")


if __name__ == "__main__":
    main()
