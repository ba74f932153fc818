"""The standard architectures. Layers have the names that torchvision and the ELSA artifact use.

Batch normalization is thought to be folded. Every size is a parameter, so that tests can build
small relatives.
"""

from collections.abc import Sequence

from .graph import Grid, Network

ANCHORS = 5
BOX = 25
"""Four sides, an objectness, and the 20 classes of Pascal VOC."""

VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))

MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, blocks and first stride of each stage (Sandler et al. 2018, table 2)."""


def vgg16(name: str, size: int, classes: int, hidden: int = 4096, width: int = 64) -> Network:
    """VGG16 (Simonyan and Zisserman 2015) for small images; `hidden` 0 leaves one Gemm as head.

    Names follow the artifact's module list, where each convolution is followed by its activation
    and a slot of its own.
    """
    net = Network(name, (3, size, size))
    x, slot = "image", 0
    for stage in VGG16:
        for channels in stage:
            x = net.conv(f"features.{slot}", x, channels * width // 64, 3)
            slot += 3
        x = net.max_pool(f"features.{slot}", x, 2, 2)
        slot += 1
    x = net.flatten("flatten", x)
    if not hidden:
        net.gemm("classifier", x, classes, grid="none", weight_bits=8)
        return net
    x = net.gemm("classifier.0", x, hidden)
    x = net.gemm("classifier.3", x, hidden)
    net.gemm("classifier.6", x, classes, grid="none", weight_bits=8)
    return net


def resnet(
    name: str,
    blocks: Sequence[int],
    *,
    bottleneck: bool,
    joined: bool = False,
    size: int = 224,
    classes: int = 1000,
    width: int = 64,
) -> Network:
    """ResNet (He et al. 2016; the stride of a bottleneck is at its 3x3 as in torchvision).

    Both branches of a block are quantized before they are added; when `joined`, only the skip is,
    and the neurons of the last convolution are those of the sum.
    """
    net = Network(name, (3, size, size))
    x = _trunk(net, blocks, width, bottleneck, joined)[-1]
    x = net.flatten("flatten", net.mean_pool("avgpool", x))
    net.gemm("fc", x, classes, grid="none", weight_bits=8)
    return net


def _trunk(
    net: Network, blocks: Sequence[int], width: int, bottleneck: bool, joined: bool
) -> list[str]:
    """The stem and the stages; what each stage gives."""
    x = net.conv("conv1", "image", width, 7, 2)
    x = net.max_pool("maxpool", x, 3, 2, 1)
    ends = []
    for stage, count in enumerate(blocks):
        channels = width << stage
        for block in range(count):
            stride = 2 if stage and not block else 1
            x = _block(net, f"layer{stage + 1}.{block}", x, channels, stride, bottleneck, joined)
        ends.append(x)
    return ends


def _block(
    net: Network, name: str, x: str, channels: int, stride: int, bottleneck: bool, joined: bool
) -> str:
    """A residual block."""
    out = channels * 4 if bottleneck else channels
    last: Grid = "none" if joined else "signed"
    skip = x
    if stride != 1 or net.shapes[x][0] != out:
        skip = net.conv(f"{name}.downsample.0", x, out, 1, stride, grid="signed")
    if bottleneck:
        y = net.conv(f"{name}.conv1", x, channels)
        y = net.conv(f"{name}.conv2", y, channels, 3, stride)
        y = net.conv(f"{name}.conv3", y, out, grid=last)
    else:
        y = net.conv(f"{name}.conv1", x, channels, 3, stride)
        y = net.conv(f"{name}.conv2", y, out, 3, grid=last)
    return net.add(f"{name}.add", y, skip)


def mobilenet_v2(
    name: str, size: int = 224, classes: int = 1000, width: int = 32, last: int = 1280
) -> Network:
    """MobileNetV2 (Sandler et al. 2018). The quantizers' upper bounds stand for ReLU6."""
    net = Network(name, (3, size, size))
    x = net.conv("features.0.0", "image", width, 3, 2)
    number = 1
    for expansion, channels, count, first in MOBILENET_V2:
        for block in range(count):
            stride = 1 if block else first
            x = _inverted(net, f"features.{number}", x, expansion, channels * width // 32, stride)
            number += 1
    x = net.conv(f"features.{number}.0", x, last)
    x = net.flatten("flatten", net.mean_pool("avgpool", x))
    net.gemm("classifier.1", x, classes, grid="none", weight_bits=8)
    return net


def _inverted(net: Network, name: str, x: str, expansion: int, channels: int, stride: int) -> str:
    """An inverted residual block: its ends are narrow and linear."""
    inner = net.shapes[x][0] * expansion
    y, part = x, 0
    if expansion != 1:
        y = net.conv(f"{name}.conv.0.0", y, inner)
        part = 1
    y = net.conv(f"{name}.conv.{part}.0", y, inner, 3, stride, groups=inner)
    y = net.conv(f"{name}.conv.{part + 1}", y, channels, grid="signed")
    if stride == 1 and net.shapes[x][0] == channels:
        return net.add(f"{name}.add", x, y, grid="signed")
    return y


def yolo_v2(name: str, size: int, blocks: Sequence[int] = (3, 4, 6, 3), width: int = 64) -> Network:
    """YOLOv2 (Redmon and Farhadi 2017) on a ResNet-34 trunk, with the head of the original.

    Two 3x3 layers on the last stage; the stage before passes through a 1x1 layer and a
    rearrangement; a 3x3 layer on both, and the predictions. The ELSA paper does not describe the
    head of its network.
    """
    net = Network(name, (3, size, size))
    *_, fine, coarse = _trunk(net, blocks, width, False, False)
    wide = 16 * width
    x = net.conv("head.0", coarse, wide, 3)
    x = net.conv("head.1", x, wide, 3)
    y = net.conv("passthrough", fine, width, shares_grid_with=x)
    x = net.concat("concat", [net.space_to_depth("reorg", y, 2), x])
    x = net.conv("head.2", x, wide, 3)
    net.conv("predict", x, ANCHORS * BOX, grid="none", weight_bits=8)
    return net
