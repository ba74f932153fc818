"""The networks of the zoo by name: their architecture, their profile, and their images."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .architectures import mobilenet_v2, resnet, vgg16, yolo_v2
from .graph import Network
from .profiles import FOLDER


@dataclass(frozen=True)
class Workload:
    """A network, and what it is calibrated with."""

    build: Callable[[str], Network]
    trace: str | None = None
    """The profile under `profiles/`; None for the generic one."""
    images: int = 1
    """How many images calibrate it. Small maps need several to have statistics."""

    @property
    def profile(self) -> Path | None:
        """The file of the profile."""
        return None if self.trace is None else FOLDER / f"{self.trace}.json"


BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def _resnet(depth: int, joined: bool) -> Callable[[str], Network]:
    return partial(resnet, blocks=BLOCKS[depth], bottleneck=depth >= 50, joined=joined)


def _vgg(size: int, classes: int, hidden: int) -> Workload:
    trace = "vgg16_cifar10" if size == 32 else "vgg16_cifar10dvs"
    return Workload(partial(vgg16, size=size, classes=classes, hidden=hidden), trace, images=8)


# No trace of ResNet-101 was published: it takes the densities of ResNet-50 where blocks have the
# same names, and generic ones elsewhere.
TRACES = {18: "resnet18", 34: "resnet34", 50: "resnet50", 101: "resnet50"}

ZOO: dict[str, Workload] = {
    "vgg16": _vgg(32, 10, 4096),
    "vgg16-c100": _vgg(32, 100, 4096),
    "vgg16-48": _vgg(48, 10, 4096),
    "vgg16-1fc": _vgg(32, 10, 0),
    "vgg16-1fc-c100": _vgg(32, 100, 0),
    "vgg16-1fc-48": _vgg(48, 10, 0),
    **{f"resnet{d}": Workload(_resnet(d, False), TRACES[d]) for d in BLOCKS},
    **{f"resnet{d}-joined": Workload(_resnet(d, True), TRACES[d]) for d in BLOCKS},
    "mobilenetv2": Workload(mobilenet_v2),
    "yolov2": Workload(partial(yolo_v2, size=416), "resnet34"),
    "yolov2-320": Workload(partial(yolo_v2, size=320), "resnet34"),
}
