"""Whatever spikes are, however inputs enter and in whatever order: the same integers."""

from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from xdsl.ir import Operation

from elsac.dialects.spiking import ProbeOp
from elsac.interpreters.qann import run_qann
from elsac.interpreters.rational import Real
from elsac.interpreters.spiking import run_spiking
from elsac.store import WeightStore
from tests.unit.interpreters.modules import parse, staircase

F = Fraction
WINDOW = "<kernel [3, 3], pads [1, 1, 1, 1]>"
POOL = "<kernel [2, 2], stride [2, 2], pads [0, 1, 1, 0]>"
TENSORS = ("a", "m", "b", "i", "c")


def blob(name: str, type: str, values: Any) -> str:
    return f"net.blob @{name} : tensor<{type}> ints {np.ravel(values).tolist()}\n"


def rationals(name: str, type: str, values: list[Fraction]) -> str:
    return f"net.blob @{name} : tensor<{type}x!net.rational> rationals [" + (
        ", ".join(f'"{v}"' for v in values) + "]\n"
    )


class Network:
    """A residual network with everything in it, at both levels, from one set of numbers.

    input - conv - a - max_pool - m -+- conv ---(+)- b - index - i -(concat)- c - dense - logits
                                      '- (skip) -'   '-----------------'
    """

    def __init__(self, seed: int, scales: tuple[Fraction, Fraction], unit: int) -> None:
        rng = np.random.default_rng(seed)
        self.scale_a, self.scale_b = scales
        self.unit = unit
        self.conv_a = rng.integers(-7, 8, (3, 2, 3, 3))
        self.conv_b = rng.integers(-7, 8, (3, 1, 3, 3))
        self.dense = rng.integers(-7, 8, (54, 2))
        self.bias_a, self.bias_b = ([F(int(v), 8) for v in rng.integers(-9, 10, 3)] for _ in "ab")
        self.index = np.append(rng.permutation(27)[:26], -1)

    @property
    def blobs(self) -> str:
        return (
            blob("wa", "3x2x3x3xi8", self.conv_a)
            + blob("wb", "3x1x3x3xi8", self.conv_b)
            + blob("wd", "54x2xi8", self.dense)
            + blob("index", "27xi64", self.index)
            + blob("flat", "27xi64", np.arange(27))
        )

    def qann(self) -> str:
        sa, sb = self.scale_a, self.scale_b
        a = f'!qann.tensor<3x5x5 in 0 to 7 by "{sa}">'
        m = f'!qann.tensor<3x3x3 in 0 to 7 by "{sa}">'
        b, row = (f'!qann.tensor<{s} in -8 to 7 by "{sb}">' for s in ("3x3x3", "27"))
        x, real = '!qann.tensor<2x5x5 in -3 to 12 by "1/4">', "!qann.real<3x3x3>"
        return (
            self.blobs
            + rationals("ba", "3x1x1", self.bias_a)
            + (
                rationals("bb", "3x1x1", self.bias_b)
                + rationals("half", "1", [F(1, 2)])
                + rationals("unit", "1", [F(1, self.unit)])
                + f"""
        %x = qann.input "x" zero 3 as "UINT4" : {x}
        %1 = qann.conv %x weight @wa window {WINDOW} groups 1 : {x} -> !qann.real<3x5x5>
        %2 = qann.scale %1 by @half : !qann.real<3x5x5> -> !qann.real<3x5x5>
        %3 = qann.offset %2 by @ba : !qann.real<3x5x5> -> !qann.real<3x5x5>
        %4 = qann.clip %3 from "0" : !qann.real<3x5x5> -> !qann.real<3x5x5>
        %a = qann.quantize %4 : !qann.real<3x5x5> -> {a}
        %m = qann.max_pool %a window {POOL} : {a} -> {m}
        %5 = qann.conv %m weight @wb window {WINDOW} groups 3 : {m} -> {real}
        %6 = qann.scale %5 by @unit : {real} -> {real}
        %7 = qann.dequantize %m : {m} -> {real}
        %8 = qann.add %6, %7 : {real}, {real} -> {real}
        %9 = qann.offset %8 by @bb : {real} -> {real}
        %b = qann.quantize %9 : {real} -> {b}
        %i = qann.index %b at @index for "Gather" : {b} -> {row}
        %f = qann.index %b at @flat for "Flatten" : {b} -> {row}
        %c = qann.concat %i, %f axis 0 : {row}, {row} -> {row.replace("<27", "<54")}
        %y = qann.matmul %c weight @wd : {row.replace("<27", "<54")} -> !qann.real<2>
        qann.output "y" %y : !qann.real<2>
        """
                + "".join(
                    f'qann.probe "{n}" %{n} zero 0 as "INT4" : {t}\n'
                    for n, t in zip(TENSORS, (a, m, b, row, row.replace("<27", "<54")), strict=True)
                )
            )
        )

    def spiking(self, alphabet: str, coding: str) -> str:
        sa, sb = self.scale_a, self.scale_b
        # One unit of charge: 1/4 of the input times 1/2, and scale a over `unit`; a skipped spike
        # is then worth `unit`.
        stairs_a = [staircase(F(1, 8), b, sa, 0, 7) for b in self.bias_a]
        stairs_b = [staircase(sa / self.unit, b, sb, -8, 7) for b in self.bias_b]
        a, m = "!spiking.train<3x5x5 in 0 to 7>", "!spiking.train<3x3x3 in 0 to 7>"
        b, row = "!spiking.train<3x3x3 in -8 to 7>", "!spiking.train<27 in -8 to 7>"
        x, current = "!spiking.train<2x5x5 in -3 to 12>", "!spiking.current<3x3x3>"
        return (
            self.blobs
            + blob("ta", "7x3x1x1xi64", np.transpose(stairs_a))
            + blob("tb", "15x3x1x1xi64", np.transpose(stairs_b))
            + blob("units", "3xi64", [self.unit] * 3)
            + rationals("factor", "1", [sb])
            + rationals("zero", "1", [F(0)])
            + f"""
        %x = spiking.input "x" scale "1/4" zero 3 as "UINT4" coding {coding} : {x}
        %1 = spiking.conv %x weight @wa window {WINDOW} groups 1 : {x} -> !spiking.current<3x5x5>
        %a = spiking.neuron %1 stairs @ta alphabet {alphabet} : !spiking.current<3x5x5> -> {a}
        %m = spiking.max_pool %a window {POOL} alphabet {alphabet} : {a} -> {m}
        %2 = spiking.conv %m weight @wb window {WINDOW} groups 3 : {m} -> {current}
        %3 = spiking.relay %m by @units : {m} -> {current}
        %4 = spiking.join %2, %3 : {current}, {current} -> {current}
        %b = spiking.neuron %4 stairs @tb alphabet {alphabet} : {current} -> {b}
        %i = spiking.index %b at @index for "Gather" alphabet {alphabet} : {b} -> {row}
        %f = spiking.index %b at @flat for "Flatten" alphabet {alphabet} : {b} -> {row}
        %c = spiking.concat %i, %f axis 0 alphabet {alphabet}
          : {row}, {row} -> {row.replace("<27", "<54")}
        %y = spiking.dense %c weight @wd : {row.replace("<27", "<54")} -> !spiking.current<2>
        spiking.readout "y" %y factor @factor offset @zero : !spiking.current<2>
        """
            + "".join(
                f'spiking.probe "{n}" %{n} zero 0 as "INT4" : {t}\n'
                for n, t in zip(TENSORS, (a, m, b, row, row.replace("<27", "<54")), strict=True)
            )
        )


def images(seed: int) -> NDArray[np.int64]:
    """Three random ones, a silent one, and the brightest."""
    drawn = np.random.default_rng(seed).integers(0, 16, (3, 2, 5, 5))
    return np.concatenate([drawn, np.full((1, 2, 5, 5), 3), np.full((1, 2, 5, 5), 15)])


SCALES = st.sampled_from([F(1, 2), F(1), F(4), F(3, 2), F(5, 7), F(13, 4)])


@settings(max_examples=60)
@given(
    st.integers(0, 10**6),
    st.tuples(SCALES, SCALES),
    st.integers(1, 4),
    st.sampled_from(["ternary", "floor", "nearest"]),
    st.sampled_from(["bitplane", "spikes", "analog"]),
    st.sampled_from(["cascade", "delay", "random"]),
)
def test_spikes_end_at_the_integers_of_the_quantized_network(
    seed: int,
    scales: tuple[Fraction, Fraction],
    unit: int,
    alphabet: str,
    coding: str,
    schedule: Any,
) -> None:
    network, inputs = Network(seed, scales, unit), {"x": images(seed)}
    expected = run_qann(parse(network.qann()), WeightStore(), inputs)
    module = parse(network.spiking(alphabet, coding))
    found = run_spiking(module, WeightStore(), inputs, schedule, seed, check=True)
    assert found.terminal.all()
    for name in TENSORS:
        assert np.array_equal(found.tensors[name], expected.tensors[name]), name
    output, reference = found.outputs["y"], expected.outputs["y"]
    assert isinstance(output, Real) and isinstance(reference, Real)
    assert output.equals(reference)
    if alphabet == "ternary":
        # Unit spikes, so their numbers add up to the tracers.
        probes = [op for op in module.body.ops if isinstance(op, ProbeOp)]
        for probe in probes:
            assert isinstance(probe.input.owner, Operation)
            positive, negative = found.spikes[probe.input.owner]
            tracers = found.tensors[probe.tensor_name.data].reshape(len(positive), -1)
            assert np.array_equal(positive - negative, tracers.sum(axis=1))
