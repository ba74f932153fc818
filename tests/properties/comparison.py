"""All integers of a run, and whether two runs agree in them."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.program import Program
from elsac.runtime.run import RunResult, run_program
from tests.properties.support import Inputs

Integers = dict[str, NDArray[Any]]


def by_tensor(program: Program, result: RunResult) -> Integers:
    """All integers of a run: quantized tensors, and what is behind the outputs, flat per sample."""
    found = {f"q {name}": array for name, array in result.tensors.items()}
    readings = program.bindings["readings"]
    values = {v["name"]: readings[v["reading"]] for v in program.bindings["values"]}
    for output in program.bindings["host"]["outputs"]:
        for name in output["values"]:
            several = len(output["values"]) > 1
            array = result.integers[f"{output['name']}:{name}" if several else output["name"]]
            found[f"{'q' if values[name]['kind'] == 'tracer' else 'charge'} {name}"] = array
    return flat(found)


def flat(integers: Integers) -> Integers:
    return {
        name: array.astype(np.int64).reshape(len(array), -1) for name, array in integers.items()
    }


def assert_same(mine: Integers, other: Integers) -> None:
    """The same names with the same integers."""
    assert mine.keys() == other.keys()
    assert mine
    for name, integers in mine.items():
        np.testing.assert_array_equal(integers, other[name], err_msg=name)


def emulated(
    program: Program,
    inputs: Inputs,
    engine: Literal["fast", "interpreter"] = "fast",
    jitter: int | None = None,
) -> Integers:
    """The integers in which the emulator ends."""
    result = run_program(program, inputs, engine=engine, jitter=jitter, tensors=True)
    assert result.terminal.all()
    return by_tensor(program, result)
