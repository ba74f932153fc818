"""A small transformer block as the importer would write it: 5 tokens of 8 numbers (one of them a
class token), 2 heads of 4, everything in 4 bits.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOKENS, HEADS, HEAD = 5, 2, 4
WIDTH = HEADS * HEAD
Arrays = dict[str, NDArray[Any]]


class Text:
    """Ops of `qann` as text, with blobs in place and names for values."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.lines: list[str] = []
        self.types: dict[str, str] = {}
        self.arrays: Arrays = {}
        self.number = 0

    def blob(self, values: Any, element: str = "i8") -> str:
        """Declare an array; of Fractions with `element` "r"."""
        array = np.asarray(values)
        name = f"b{len(self.arrays)}"
        self.arrays[name] = array
        shape = "x".join(str(d) for d in array.shape)
        if element == "r":
            text = ", ".join(f'"{v}"' for v in array.ravel())
            self.lines.append(
                f"net.blob @{name} : tensor<{shape}x!net.rational> rationals [{text}]"
            )
        else:
            self.lines.append(
                f"net.blob @{name} : tensor<{shape}x{element}> ints {array.ravel().tolist()}"
            )
        return f"@{name}"

    def op(self, text: str, inputs: Sequence[str], type: str, name: str | None = None) -> str:
        """An op with one result; `text` is what stands between the name and the types."""
        self.number += 1
        result = f"%{name or f'v{self.number}'}"
        types = ", ".join(self.types[i] for i in inputs)
        arrow = f"{types} -> {type}" if inputs else type
        self.lines.append(f"{result} = {text} : {arrow}")
        self.types[result] = type
        return result

    def real(self, text: str, inputs: Sequence[str], *shape: int) -> str:
        return self.op(text, inputs, f"!qann.real<{'x'.join(map(str, shape))}>")

    def tensor(
        self, text: str, inputs: Sequence[str], shape: Sequence[int], scale: str, name: str,
        bounds: tuple[int, int] = (-8, 7),
    ) -> str:  # fmt: skip
        """A quantizer or a function, with a probe of the ONNX name `name`."""
        lo, hi = bounds
        dims = "x".join(map(str, shape))
        type = f'!qann.tensor<{dims} in {lo} to {hi} by "{scale}">'
        result = self.op(text, inputs, type, name)
        kind = "INT4" if lo else "UINT4"
        self.lines.append(f'qann.probe "{name}" {result} zero 0 as "{kind}" : {type}')
        return result

    def index(self, value: str, places: NDArray[Any], why: str) -> str:
        """Rearrange: `places` has the shape of the result."""
        shape = "x".join(str(d) for d in places.shape)
        old = self.types[value]
        start, rest = old.split("<")[0], old[old.index("<") + 1 :]
        tail = rest[rest.index(" ") :] if " " in rest else ">"
        blob = self.blob(places.ravel(), "i32")
        return self.op(
            f'qann.index {value} at {blob} for "{why}"', [value], f"{start}<{shape}{tail}"
        )

    def weight(self, *shape: int) -> str:
        return self.blob(self.rng.integers(-7, 8, shape))

    def rationals(self, *shape: int, among: Sequence[str] = ("1/4", "3/8", "1/2")) -> str:
        picks = self.rng.choice(len(among), shape)
        return self.blob(np.vectorize(lambda i: Fraction(among[i]), otypes=[object])(picks), "r")

    def linear(self, x: str, rows: int, outs: int, columns: int = WIDTH) -> str:
        """A matrix product with weight scales for each column, and a bias; a real."""
        product = self.real(f"qann.matmul {x} weight {self.weight(columns, outs)}", [x], rows, outs)
        scaled = self.real(
            f"qann.scale {product} by {self.rationals(outs, among=('1/16', '3/32'))}",
            [product], rows, outs,
        )  # fmt: skip
        bias = self.rationals(outs, among=("-1/3", "0", "2/3"))
        return self.real(f"qann.offset {scaled} by {bias}", [scaled], rows, outs)

    def heads(self, x: str, *, turned: bool = False) -> str:
        """Reshape and Transpose of (tokens, heads * dh) to heads in rows, as one flat map."""
        places = np.arange(TOKENS * WIDTH).reshape(TOKENS, HEADS, HEAD)
        order = (1, 2, 0) if turned else (1, 0, 2)
        moved = places.transpose(order)
        return self.index(x, moved.reshape(-1, moved.shape[-1]), "Reshape, Transpose")


def flat(*shape: int) -> NDArray[np.int64]:
    """The places of a Reshape."""
    return np.arange(prod(shape)).reshape(shape)


def block(seed: int = 0, *, mask: bool = False) -> str:
    """Class token, position numbers, attention, residual sums, two norms, gelu, a gate."""
    t = Text(seed)
    t.op('qann.input "x" zero 0 as "INT4"', [], '!qann.tensor<4x8 in -8 to 7 by "1/4">', "x")
    token = t.real(
        f"qann.constant {t.rationals(1, WIDTH, among=('1', '-3/4', '1/8'))}", [], 1, WIDTH
    )
    real = t.real("qann.dequantize %x", ["%x"], 4, WIDTH)
    both = t.real(f"qann.concat {token}, {real} axis 0", [token, real], TOKENS, WIDTH)
    places = t.rationals(TOKENS, WIDTH, among=("-1/2", "1/8", "1/2"))
    placed = t.real(f"qann.offset {both} by {places}", [both], TOKENS, WIDTH)
    stream = t.tensor(f"qann.quantize {placed}", [placed], (TOKENS, WIDTH), "1/2", "stream")
    skip = t.real(f"qann.dequantize {stream}", [stream], TOKENS, WIDTH)
    gamma = t.rationals(WIDTH, among=("1", "-1/2", "3/2"))
    beta = t.rationals(WIDTH, among=("0", "1/5"))
    normed = t.tensor(
        f'qann.norm {skip} by {gamma} plus {beta} epsilon "1/100000"',
        [skip], (TOKENS, WIDTH), "3/8", "ln1",
    )  # fmt: skip
    parts = {}
    for name in ("q", "k", "v"):
        sums = t.linear(normed, TOKENS, WIDTH)
        parts[name] = t.tensor(f"qann.quantize {sums}", [sums], (TOKENS, WIDTH), "5/8", name)
    q, k, v = t.heads(parts["q"]), t.heads(parts["k"], turned=True), t.heads(parts["v"])
    wide = f"<{HEADS} x {TOKENS}x{HEAD}x{TOKENS} left rows right rows out rows>"
    scores = t.real(f"qann.product {q} by {k} as {wide}", [q, k], HEADS * TOKENS, TOKENS)
    cube = t.index(scores, flat(HEADS, TOKENS, TOKENS), "Reshape")
    half = t.blob([Fraction(1, 2)], "r")
    scaled = t.real(f"qann.scale {cube} by {half}", [cube], HEADS, TOKENS, TOKENS)
    rows = t.index(scaled, flat(HEADS * TOKENS, TOKENS), "Reshape")
    without = ""
    if mask:
        causal = np.triu(np.ones((TOKENS, TOKENS), dtype=np.int8), 1)
        without = f" without {t.blob(np.tile(causal, (HEADS, 1)))}"
    p = t.tensor(
        f"qann.softmax {rows}{without}", [rows], (HEADS * TOKENS, TOKENS), "1/16", "p", (0, 15)
    )
    deep = t.index(p, flat(HEADS, TOKENS, TOKENS), "Reshape")
    p = t.index(deep, flat(HEADS * TOKENS, TOKENS), "Reshape")
    long = f"<{HEADS} x {TOKENS}x{TOKENS}x{HEAD} left rows right rows out rows>"
    mixed = t.real(f"qann.product {p} by {v} as {long}", [p, v], HEADS * TOKENS, HEAD)
    joined = flat(HEADS, TOKENS, HEAD).transpose(1, 0, 2).reshape(TOKENS, WIDTH)
    mixed = t.index(mixed, joined, "Transpose, Reshape")
    context = t.tensor(f"qann.quantize {mixed}", [mixed], (TOKENS, WIDTH), "3/8", "context")
    projected = t.linear(context, TOKENS, WIDTH)
    total = t.real(f"qann.add {projected}, {skip}", [projected, skip], TOKENS, WIDTH)
    after = t.tensor(f"qann.quantize {total}", [total], (TOKENS, WIDTH), "3/4", "after")
    back = t.real(f"qann.dequantize {after}", [after], TOKENS, WIDTH)
    normed = t.tensor(
        f'qann.norm {back} by {gamma} plus {beta} epsilon "1/1000" rms',
        [back], (TOKENS, WIDTH), "3/8", "rms",
    )  # fmt: skip
    hidden = t.linear(normed, TOKENS, 6)
    gelu = t.tensor(
        f'qann.curve "gelu" {hidden} of [] by "1" plus "0"', [hidden], (TOKENS, 6), "1/4", "gelu"
    )
    gate = t.linear(normed, TOKENS, 6)
    sigmoid = t.tensor(
        f'qann.curve "sigmoid" {gate} of [] by "1" plus "0"',
        [gate], (TOKENS, 6), "1/16", "gate", (0, 15),
    )  # fmt: skip
    gated = t.real(f"qann.multiply {gelu} by {sigmoid}", [gelu, sigmoid], TOKENS, 6)
    gated = t.tensor(f"qann.quantize {gated}", [gated], (TOKENS, 6), "1/8", "gated")
    logits = t.linear(gated, TOKENS, 3, 6)
    t.lines.append(f'qann.output "logits" {logits} : !qann.real<{TOKENS}x3>')
    return "\n".join(t.lines)
