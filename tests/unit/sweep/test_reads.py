"""Which keys of a target change a program, and which change a timing: found, not listed."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from elsac.compiler import Options, compile_onnx
from elsac.runtime import container
from elsac.runtime.bindings import Host
from elsac.runtime.emulator import load_image, run_sample
from elsac.runtime.program import Program
from elsac.runtime.timing.models import MODELS, Timer
from elsac.sweep.reads import NAMES, compiler_keys, timing_keys
from elsac.targets import Target, TargetError, load_target
from elsac.targets.energy import EnergyKeys
from tests.unit.sweep.sweeps import SAMPLES, digits

KEYS = frozenset(spec.name for spec in fields(Target)).difference(NAMES)
SEEN: set[str] = set()


class Spied(Target):
    """A target that notes which of its keys are looked at, but for copies of all of them."""

    def __getattribute__(self, name: str) -> Any:
        if name in KEYS:
            SEEN.add(name)
        return super().__getattribute__(name)

    def to_dict(self) -> dict[str, Any]:
        before = set(SEEN)
        found = super().to_dict()
        SEEN.clear()
        SEEN.update(before)
        return found


@pytest.fixture
def spied() -> Iterator[Target]:
    target = Spied(**load_target("elsa-6x6").to_dict())
    SEEN.clear()
    yield target
    SEEN.clear()


def compiled(target: Target, options: Options, network: str = "digits_cnn.onnx") -> Program:
    program = compile_onnx(SAMPLES / network, target, options).program
    assert program is not None
    return program


def bytes_without_target(program: Program) -> bytes:
    """The file of a program, but for what its header says of the target."""
    kept = {k: v for k, v in program.header.items() if not k.startswith("target")}
    return container.to_bytes(replace(program, header=kept))


def changed(target: Target, keys: frozenset[str]) -> Target:
    """The target with another value of every one of these keys that has one by itself."""
    for spec in fields(Target):
        if spec.name not in keys:
            continue
        here, rule = getattr(target, spec.name), spec.metadata
        if "choices" in rule:
            value = next(c for c in rule["choices"] if c != here)
        elif here != rule["range"][1]:
            value = type(here)(min(here * 3 + 1, rule["range"][1]))
        else:
            value = type(here)(here / 2)
        with suppress(TargetError):  # what makes sense with other keys alone
            target = replace(target, **{spec.name: value})
    return target


@pytest.mark.parametrize(
    "options",
    [Options(effort=0), Options(effort=1), Options(objective="energy", packet="bundle")],
)
def test_the_compiler_reads_no_other_keys(spied: Target, options: Options) -> None:
    compiled(spied, options)
    assert {"mesh_width", "flit_bits"} <= SEEN <= compiler_keys()


@pytest.mark.parametrize("model", MODELS)
def test_timing_reads_no_other_keys(spied: Target, model: Any) -> None:
    program = compiled(load_target("elsa-6x6"), Options(effort=0), "digits_mlp.onnx")
    image, host = load_image(program), Host(program)
    tracers = [array[0] for array in host.tracers(host.check(dict(digits(1)[0])))]
    activity = run_sample(image, tracers, activity=True).activity
    assert activity is not None
    SEEN.clear()
    timing = Timer(image, spied, model).time(activity)
    assert {"router_cycles", "input_queues"} <= SEEN <= timing_keys()
    other = changed(load_target("elsa-6x6"), KEYS - timing_keys())
    again = Timer(image, other, model).time(activity)
    assert timing.cycles == again.cycles
    assert np.array_equal(timing.counts, again.counts)


def test_keys_that_the_compiler_does_not_read_leave_the_program_as_it_is() -> None:
    target, options = load_target("elsa-6x6"), Options(effort=0)
    other = changed(target, KEYS - compiler_keys())
    here, there = target.to_dict(), other.to_dict()
    assert sum(here[key] != there[key] for key in here) > 70
    programs = [compiled(chip, options) for chip in (target, other)]
    assert bytes_without_target(programs[0]) == bytes_without_target(programs[1])
    # The comparison can fail.
    third = compiled(replace(target, adder_inputs=2, flit_bits=128), options)
    assert bytes_without_target(third) != bytes_without_target(programs[0])


def test_keys_of_energy_are_read_by_neither() -> None:
    energies = {spec.name for spec in fields(EnergyKeys)}
    assert not energies & (compiler_keys() | timing_keys())
    assert "clock_hz" not in compiler_keys() | timing_keys()
    assert "router_cycles" in timing_keys() - compiler_keys()
    assert "link_bits" in timing_keys() & compiler_keys()
