"""Parts of kernels become machine code within a kernel, and only there."""

from typing import Any

import numba
import numpy as np
import pytest

from elsac.runtime.emulator.kernels import Array, bare, inlined, part, part_with_arrays


@inlined
def double(values: Array, i: int) -> int:
    return 2 * int(values[i])


@part
def total(values: Array) -> int:
    found = 0
    for i in range(values.size):
        found += double(values, i) // 3
    return found


@part_with_arrays
def halves(values: Array) -> int:
    room = np.empty(values.size, np.int64)
    for i in range(values.size):
        room[i] = values[i] // 2
    return int(room.sum())


def both(values: Array) -> tuple[int, int]:
    return total(values), halves(values)


def kernel() -> Any:
    """A kernel that is not on disk."""
    made: Any = bare(both)
    made._cache.disable()
    return made


@pytest.mark.parametrize("kind", [np.int16, np.int64])
def test_a_kernel_takes_its_parts_in(kind: Any) -> None:
    values = np.arange(-50, 70).astype(kind)
    assert kernel()(values) == both_in_python(values.tolist())


def both_in_python(values: list[int]) -> tuple[int, int]:
    return sum(2 * v // 3 for v in values), sum(v // 2 for v in values)


def test_a_part_alone_is_no_machine_code() -> None:
    """What numba makes of any other function, for itself and once more for each caller."""
    kind = numba.float32[::1]
    # The kernel comes last, since it may hold those parts that it does not inline.
    for function in (double, total, halves, kernel()):
        dispatcher: Any = function
        kinds = (kind, numba.int64) if function is double else (kind,)
        dispatcher.compile(kinds)
        made = dispatcher.overloads[kinds]
        found = made.library.codegen._engine.is_symbol_defined(made.fndesc.mangled_name)
        assert found == (dispatcher.py_func is both), dispatcher


@pytest.mark.parametrize("function", [total, halves])
def test_python_cannot_call_a_part(function: Any) -> None:
    with pytest.raises(TypeError):
        function(np.arange(9))
