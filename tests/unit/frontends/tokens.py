"""Small networks of tokens (5, 12), for the tests of attention."""

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import numpy_helper

from elsac.frontends import Imported
from tests.networks import NetworkBuilder

Build = Callable[[NetworkBuilder, str], str]
I64 = np.int64


def ints(b: NetworkBuilder, *values: int) -> str:
    return b.constant(values, I64)


def model_of(build: Build, shape: tuple[int, ...] = (5, 12), dtype: str = "INT8") -> Any:
    """Tokens (5, 12), what is built of them, and a quantizer that a layer follows."""
    b = NetworkBuilder(shape)
    x = build(b, b.quantize("image", dtype, zero=None))
    return b.finish(output=b.matmul(b.quantize(x, "INT8"), 3))


def ops(result: Imported, kind: type[Any]) -> list[Any]:
    return [o for o in result.module.body.ops if isinstance(o, kind)]


def heads(b: NetworkBuilder, x: str, count: int, perm: list[int]) -> str:
    """A quantized projection, cut into heads."""
    width = b.sample(x).shape[-1]
    y = b.quantize(b.matmul(x, width), "INT4")
    return b.node("Transpose", [b.node("Reshape", [y, ints(b, 0, 0, count, -1)])], perm=perm)


def joined(b: NetworkBuilder, x: str) -> str:
    """Heads side by side again."""
    tokens = b.sample(x).shape[2]
    turned = b.node("Transpose", [x], perm=[0, 2, 1, 3])
    return b.node("Reshape", [turned, ints(b, 0, tokens, -1)])


def one() -> Any:
    """The value of a ConstantOfShape of 1."""
    return numpy_helper.from_array(np.array([1], I64))
