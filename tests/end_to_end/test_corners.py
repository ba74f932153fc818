"""Networks at the corners of what is supported: each was once compiled wrongly or not at all."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from elsac.compiler import Options, compile_onnx
from elsac.context import CompileError
from elsac.runtime.run import run_program
from elsac.targets import Target, load_target
from elsac.verification import Verifier
from tests.networks import NetworkBuilder, images_for, run


def verified(model: onnx.ModelProto, target: Target, folder: Path) -> None:
    """Compile the network and compare every tensor and output at every level."""
    path = folder / "net.onnx"
    onnx.save(model, path)
    result = Verifier(path, target, Options()).run({"image": images_for(model, 3)}, ("fast",))
    assert result.passed, result.to_dict()
    assert result.tensors


def padded_output() -> onnx.ModelProto:
    """Accumulators that leave through a Pad: factors and biases belong to the neurons."""
    build = NetworkBuilder((2, 5, 5))
    x = build.conv(build.quantize("image"), 3)
    return build.finish(output=build.pad(x, (1, 0, 0, 2)))


def shuffled_output() -> onnx.ModelProto:
    """Accumulators that leave with channels moved into space."""
    build = NetworkBuilder((2, 5, 5))
    x = build.conv(build.quantize("image"), 4)
    return build.finish(output=build.node("DepthToSpace", [x], blocksize=2))


def copied_output() -> onnx.ModelProto:
    """Accumulators of which each leaves four times."""
    build = NetworkBuilder((2, 4, 4))
    return build.finish(output=build.resize(build.conv(build.quantize("image"), 3)))


def deep_sample() -> onnx.ModelProto:
    """A sample with four dimensions, flattened into a dense layer."""
    build = NetworkBuilder((2, 4, 4))
    x = build.reshape(build.quantize("image"), (2, 2, 2, 4))
    return build.finish(output=build.matmul(build.flatten(x), 5))


@pytest.mark.parametrize(
    "network",
    [padded_output, shuffled_output, copied_output, deep_sample],
    ids=lambda network: network.__name__,
)
@pytest.mark.parametrize("target", ["elsa-6x6", "elsa-6x6-shift"])
def test_all_levels_agree(
    network: Callable[[], onnx.ModelProto], target: str, tmp_path: Path
) -> None:
    verified(network(), load_target(target), tmp_path)


def test_tiles_hold_whole_groups_of_all_branches(tmp_path: Path) -> None:
    """Groups of 8 and of 12 columns in one sum: tiles of 24 divide neither."""
    build = NetworkBuilder((12, 4, 4))
    x = build.quantize("image")
    joined = build.add(build.conv(x, 48, groups=6), build.conv(x, 48, groups=4))
    model = build.finish(output=build.gemm(build.flatten(build.quantize(joined)), 4))
    small = tmp_path / "small.toml"
    small.write_text(
        'inherits = "elsa-16x16"\nname = "small"\npes_per_core = 1\n'
        "weight_sram_bytes_per_pe = 1700\n"
    )
    verified(model, load_target(small), tmp_path)


def test_far_apart_scales_are_refused_and_never_cut(tmp_path: Path) -> None:
    """A sum whose smallest exact multipliers need more than 32 bits names its node."""
    build = NetworkBuilder((1, 3, 3))
    x = build.quantize("image", "INT8", scale=0.01)
    parts = [
        build.quantize(build.mul(x, np.float32(factor)), "INT8", scale=scale)
        for factor, scale in ((1e4, 100.0), (0.1, 0.00123), (5.0, 0.0456))
    ]
    path = tmp_path / "net.onnx"
    onnx.save(build.finish(output=build.quantize(build.sum(*parts), "INT8", scale=99.7)), path)
    with pytest.raises(CompileError, match=r"node '.*more than 32 bits"):
        compile_onnx(path, load_target("elsa-6x6"))


def test_exponents_of_a_whole_crossing_fit_the_packet(tmp_path: Path) -> None:
    """A tracer within -9..9 can move by 16 at once: 2**4, an exponent of three bits."""
    narrow = tmp_path / "narrow.toml"
    narrow.write_text('inherits = "elsa-6x6-shift"\nname = "narrow"\nflit_exponent_bits = 1\n')
    build = NetworkBuilder((1, 3, 3))
    x = build.conv(build.quantize("image", "INT8", scale=0.1), 2)
    y = build.quantize(build.clip(x, -0.9, 0.9), "INT8", scale=0.1)
    path = tmp_path / "net.onnx"
    onnx.save(build.finish(output=build.gemm(build.flatten(y), 2)), path)
    program = compile_onnx(path, load_target(narrow)).program
    assert program is not None
    assert program.header["packet"]["fields"]["exponent"] == 3


def test_tensors_of_quantizers_behind_a_softmax_can_be_dumped(tmp_path: Path) -> None:
    """Post-training quantization puts a quantizer behind the last Softmax; its integers count."""
    build = NetworkBuilder((2, 3, 3))
    x = build.gemm(build.flatten(build.quantize("image")), 5)
    grid = build.calibrate(soft := build.node("Softmax", [build.quantize(x, "INT8")]), "UINT8")
    model = build.finish(output=build.quantize(soft, "UINT8", grid=grid))
    path = tmp_path / "net.onnx"
    onnx.save(model, path)
    program = compile_onnx(path, load_target("elsa-6x6")).program
    assert program is not None
    image = images_for(model, 3)
    result = run_program(program, {"image": image}, tensors=True)
    late = next(n.output[0] for n in model.graph.node if n.input[0] == soft)
    integers = np.rint(run(model, image)["output"] / grid.scale) + grid.zero
    assert np.array_equal(result.tensors[late], integers)
