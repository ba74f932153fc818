"""Vectors of 64 lanes that rows on their way to a target need (`moving.py`)."""

from collections.abc import Callable
from typing import Any

from numba import types

from elsac.runtime.emulator.stages.vectors import I64, Writer, written


def _comparison(predicate: str) -> Callable[..., Any]:
    """Write the mask of the lanes in which one[left + i] and other[right + i] compare so."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = Writer(context, builder, signature, arguments)
        _, left, _, right = arguments
        first = write.load(write.place(0, left), write.bits(0))
        second = write.load(write.place(2, right), write.bits(2))
        return builder.bitcast(builder.icmp_signed(predicate, first, second), I64)

    return generate


@written
def differs(typing_context: Any, one: Any, left: Any, other: Any, right: Any) -> Any:
    """Return the mask of the lanes in which one[left + i] != other[right + i]; equal types."""
    return types.int64(one, types.int64, other, types.int64), _comparison("!=")


@written
def exceeds(typing_context: Any, one: Any, left: Any, other: Any, right: Any) -> Any:
    """Return the mask of the lanes in which one[left + i] > other[right + i]; equal types."""
    return types.int64(one, types.int64, other, types.int64), _comparison(">")


@written
def raise_to(typing_context: Any, held: Any, left: Any, other: Any, right: Any) -> Any:
    """Let 64 elements of `held` be at least those of `other`; equal types."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = Writer(context, builder, signature, arguments)
        _, left, _, right = arguments
        bits, place = write.bits(0), write.place(0, left)
        first, second = write.load(place, bits), write.load(write.place(2, right), bits)
        more = builder.icmp_signed(">", first, second)
        write.store(builder.select(more, first, second), place, bits)
        return context.get_dummy_value()

    return types.void(held, types.int64, other, types.int64), generate


@written
def copy_lanes(typing_context: Any, held: Any, left: Any, other: Any, right: Any) -> Any:
    """Let 64 elements of `held` be those of `other`; equal types."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = Writer(context, builder, signature, arguments)
        _, left, _, right = arguments
        bits = write.bits(0)
        write.store(write.load(write.place(2, right), bits), write.place(0, left), bits)
        return context.get_dummy_value()

    return types.void(held, types.int64, other, types.int64), generate
