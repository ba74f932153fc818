"""A program's tables without its packed ones: the same tables, and the same care for damage."""

import dataclasses

import numpy as np
import pytest

from elsac.runtime import container
from elsac.runtime.container import ProgramError
from elsac.runtime.tables import PACKED, TABLES
from tests.unit.runtime.programs import small_program

DATA = container.to_bytes(small_program())


def test_all_but_the_packed_tables_are_there() -> None:
    whole = container.from_bytes(DATA)
    described, sections = container.describe(DATA)
    for field in dataclasses.fields(whole):
        one, other = getattr(whole, field.name), getattr(described, field.name)
        if field.name in PACKED:
            assert len(other) == 0 < len(one)
            assert other.dtype == one.dtype == TABLES[field.name][0]
        elif isinstance(one, np.ndarray):
            assert np.array_equal(one, other)
        elif field.name != "arrays":
            assert one == other
    assert sections == container.sections(DATA)


def test_no_changed_byte_is_taken() -> None:
    for place in range(0, len(DATA), 7):  # every byte of the headers is hit in some member
        changed = bytearray(DATA)
        changed[place] ^= 1
        with pytest.raises(ProgramError) as caught:
            container.describe(bytes(changed), "net.bin")
        assert str(caught.value).startswith("net.bin: ")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [0, 1, 100, len(DATA) - 1])
def test_no_part_of_a_file_is_taken(size: int) -> None:
    with pytest.raises(ProgramError, match=r"net\.bin: "):
        container.describe(DATA[:size], "net.bin")
    with pytest.raises(ProgramError, match=r"net\.bin: "):
        container.describe(DATA + b"\0", "net.bin")
