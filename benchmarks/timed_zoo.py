"""Networks of the zoo whose image has few levels, as in the traces of the paper's simulator.

Traces say how many numbers of the image are not zero, and what their magnitudes sum up to: some
4-bit quantizer made them. An image of 8 bits has five times as many spikes, which says something
about images and nothing about chips. So images get as many zeros and the same mean here, in levels
of 32 (the first 3 of 8 bit planes), before the network is calibrated.
"""

import os
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import zoo
from numpy.typing import NDArray
from zoo_networks import profiles, synthetic
from zoo_networks.calibrate import calibrate
from zoo_networks.export import to_onnx
from zoo_networks.registry import ZOO

LEVEL = 32
MOST = 7


class Pixels(NamedTuple):
    """The image in a trace (published artifact, snapshot e06c382, first layer of
    ELSA_Simluator/tracer_files/convolution/*): 3x224x224 integers.
    """

    nonzero: int
    total: int
    """Sum of magnitudes."""


TRACES = {
    "resnet18": Pixels(116_206, 211_152),
    "resnet34": Pixels(134_092, 452_273),
    "resnet50": Pixels(97_834, 131_674),
}
NUMBERS = 3 * 224 * 224


def coarse(images: NDArray[np.uint8], pixels: Pixels) -> NDArray[np.uint8]:
    """Images with as many zeros as a trace has and the same mean of levels 0 to 7, times 32."""
    dark = np.quantile(images, 1 - pixels.nonzero / NUMBERS)
    light = np.maximum(images - dark, 0.0)
    low, high = 0.0, 1.0  # of a level for a step of light
    for _ in range(40):
        step = (low + high) / 2
        levels = np.clip(np.ceil(light * step), 0, MOST)
        if levels.mean() < pixels.total / NUMBERS:
            low = step
        else:
            high = step
    return np.asarray(levels * LEVEL, np.uint8)


def make(name: str, stem: str, folder: Path, seed: int = 0) -> None:
    """Write STEM.onnx, STEM.npz and STEM.profile.json, like `zoo.py`."""
    workload = ZOO[name]
    network = workload.build(name)
    count = max(zoo.IMAGES, workload.images)
    images = synthetic.images(network.shape, count, seed)
    images = coarse(images, TRACES[name.removesuffix("-joined")])
    aim = profiles.load(workload.profile) if workload.profile else {}
    numbers = calibrate(network, images, workload.images, aim, seed)
    model = to_onnx(numbers).SerializeToString()
    spikes = profiles.text(profiles.dump(network, numbers.spikes, workload.images))
    folder.mkdir(parents=True, exist_ok=True)
    zoo.write(folder / f"{stem}.onnx", lambda path: path.write_bytes(model))
    zoo.write(folder / f"{stem}.npz", lambda path: zoo.save_images(path, images))
    zoo.write(folder / f"{stem}.profile.json", lambda path: path.write_text(spikes))
