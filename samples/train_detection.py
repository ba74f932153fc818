"""Makes `digits_detection.onnx` and `detection.npz`: `python -m samples.train_detection`.

Takes ten minutes or more on one core. Deterministic on one machine, as `train.py` is.
"""

import math
import time
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from .canvases import CELL, GRID, LEVELS, SCALES, SIDE, Canvases, cell_of, make
from .detection import CLASSES, FARTHEST, LEAST, PRIOR, decode, mean_average_precision, score
from .export import to_onnx
from .layers import Layer, Layers
from .quantized import Network, Quantizer
from .train import FOLDER, SEED, digits, distort

# Behind `train`, which says what to install where there is no PyTorch.
import torch  # isort: skip
import torch.nn.functional as F  # isort: skip
from torch import Tensor  # isort: skip

BATCH = 64
EPOCH = 6400
"""Canvases of an epoch; every epoch has new ones."""
FLOAT_EPOCHS, QUANTIZED_EPOCHS = 60, 40
TEST = 360
"""Canvases to test with."""

HEAD = {"object_logits": 1, "boxes": 4, "classes": CLASSES}
"""Channels of the last layer. It is one layer so that one tensor leaves the chip: what ends a run
early looks at the first channel of it."""


def _conv(name: str, source: str, channels: tuple[int, int], stride: int = 1) -> Layer:
    return Layer(name, "conv", (source,), "unsigned", True, channels, stride=stride)


DETECTOR: Layers = (
    Layer("image", "input", grid="unsigned"),
    _conv("conv1", "image", (1, 12), stride=2),
    _conv("conv2", "conv1", (12, 16)),
    Layer("pool", "max_pool", ("conv2",), "inherit"),
    _conv("conv3", "pool", (16, 32)),
    _conv("conv4", "conv3", (32, 48), stride=2),
    _conv("conv5", "conv4", (48, 48)),
    _conv("conv6", "conv5", (48, 48)),
    Layer("head", "conv", ("conv6",), channels=(48, sum(HEAD.values())), kernel=1),
)
"""From 40x40 pixels to 5x5 cells; from conv5 on a cell sees all of the largest digit."""


def targets(canvases: Canvases) -> tuple[Tensor, Tensor, Tensor]:
    """The truth by cell: box (count, 5, 5, 4) in pixels, class (count, 5, 5), or -1, and object."""
    box = np.zeros((len(canvases), GRID, GRID, 4), np.float32)
    label = np.full((len(canvases), GRID, GRID), -1, np.int64)
    number, which = np.nonzero(canvases.label >= 0)
    column, row = cell_of(canvases.box[number, which]).T
    box[number, row, column] = canvases.box[number, which]
    label[number, row, column] = canvases.label[number, which]
    truth = torch.from_numpy(label)
    return torch.from_numpy(box), truth, (truth >= 0).float()


def loss_of(head: Tensor, box: Tensor, label: Tensor, there: Tensor) -> Tensor:
    """Objectness in all cells; class, generalized IoU and size in the cells that hold a digit."""
    logits, boxes, classes = head.permute(0, 2, 3, 1).split(list(HEAD.values()), -1)
    objects = F.binary_cross_entropy_with_logits(logits[..., 0], there, reduction="sum")
    mine = label >= 0
    named = F.cross_entropy(classes[mine], label[mine], label_smoothing=0.05)
    said, truth = boxes[mine], box[mine]
    _, row, column = mine.nonzero(as_tuple=True)
    middle = CELL * (torch.stack([column, row], 1) + said[:, :2].sigmoid())
    half = PRIOR / 2 * said[:, 2:].clamp(-FARTHEST, FARTHEST).exp()
    low, high = middle - half, middle + half
    both = (torch.minimum(high, truth[:, 2:]) - torch.maximum(low, truth[:, :2])).clamp(min=0)
    hull = torch.maximum(high, truth[:, 2:]) - torch.minimum(low, truth[:, :2])
    inter, outer = both.prod(1), hull.prod(1)
    union = (high - low).prod(1) + (truth[:, 2:] - truth[:, :2]).prod(1) - inter
    placed = (1 - inter / union + (outer - union) / outer).mean()
    sizes = (truth[:, 2:] - truth[:, :2]).div(PRIOR).log()
    return objects / there.sum() + 1.5 * named + 2 * placed + F.smooth_l1_loss(said[:, 2:], sizes)


def fit(network: Network, image: Tensor, label: Tensor, epochs: int, rate: float) -> None:
    """Train with Adam and a cosine schedule on canvases of distorted digits."""
    scales = [p for name, p in network.named_parameters() if "scale" in name]
    others = [p for name, p in network.named_parameters() if "scale" not in name]
    groups: list[dict[str, Any]] = [{"params": others, "weight_decay": 1e-3}]
    if scales:
        groups.append({"params": scales, "weight_decay": 0.0})
    optimizer = torch.optim.AdamW(groups, lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * EPOCH // BATCH)
    for epoch in range(epochs):
        network.train()
        seed = 1 + epoch + (1000 if scales else 0)
        canvases = make(distort(image)[:, 0].numpy(), label.numpy(), EPOCH, seed)
        pixels, truth = torch.from_numpy(canvases.image).float(), targets(canvases)
        total = 0.0
        for start in range(0, EPOCH, BATCH):
            part = slice(start, start + BATCH)
            loss = loss_of(network(pixels[part]), *(t[part] for t in truth))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1} of {epochs}: loss {total * BATCH / EPOCH:.3f}", flush=True)
    network.eval()


def train(image: Tensor, label: Tensor) -> Network:
    """A trained 4-bit network: in floating point first."""
    torch.manual_seed(SEED)
    network = Network(DETECTOR)
    del network.norms["head"]  # its sizes mean something
    with torch.no_grad():  # few cells hold a digit
        bias = network.weighted["head"].bias
        assert isinstance(bias, Tensor)
        bias[0] = -math.log(GRID * GRID)
    fit(network, image, label, FLOAT_EPOCHS, 4e-3)
    sized = make(image[:, 0].numpy(), label.numpy(), 500, 0)
    network.quantize(torch.from_numpy(sized.image).float())
    pixels = network.grids["image"]
    assert isinstance(pixels, Quantizer)
    pixels.log_scale.data.zero_()  # grey levels are integers already
    pixels.log_scale.requires_grad_(False)
    fit(network, image, label, QUANTIZED_EPOCHS, 2e-3)
    return network


def exported(network: Network) -> onnx.ModelProto:
    """The ONNX model, its head split into three outputs; objectness is a probability."""
    model = to_onnx(
        network,
        "digits_detection",
        (1, SIDE, SIDE),
        {"head": (sum(HEAD.values()), GRID, GRID)},
    )
    graph, node = model.graph, helper.make_node
    sizes = numpy_helper.from_array(np.array(list(HEAD.values()), np.int64), "head_sizes")
    graph.initializer.append(sizes)
    graph.node.append(node("Split", ["head", sizes.name], list(HEAD), name="split", axis=1))
    graph.node.append(node("Sigmoid", ["object_logits"], ["objectness"], name="objectness"))
    del graph.output[:]
    for name in ("objectness", "boxes", "classes"):
        shape = ["batch", HEAD.get(name, 1), GRID, GRID]
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    """Train, write both files beside this one, and say how good the network is."""
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    start = time.perf_counter()
    image, label, held_image, held_label = digits()
    test = make(held_image[:, 0].numpy(), held_label.numpy(), TEST, SEED)
    assert test.image.max() < LEVELS
    np.savez_compressed(FOLDER / "detection.npz", **test.arrays())  # type: ignore[arg-type]
    model = exported(train(image, label))
    onnx.save(model, FOLDER / "digits_detection.onnx")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    names = [output.name for output in session.get_outputs()]
    feed = {"image": test.image.astype(np.float32)}
    outputs = dict(zip(names, session.run(names, feed), strict=True))
    found = decode(outputs)
    total = score(found, test.box, test.label)
    area = mean_average_precision(decode(outputs, 0.01), test.box, test.label)
    print(f"F1 {total.f1:.4f}, mAP {area:.4f} at objectness {LEAST}, {total}")
    for scale in SCALES:
        there = np.where(test.scale == scale, test.label, -1)
        part = score(found, test.box, there)
        print(f"x{scale:g}: {part.right} of {part.digits} digits")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
