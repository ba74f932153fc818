"""The rule that says how many flits a spine takes: one function for both engines.

It is plain Python on integers that numba compiles as it stands, hence without helpers. Encoders do
not use it; tests compare it with what they write.
"""

from collections.abc import Sequence

AER, BAER, BUNDLE = range(3)
"""The first parameter; then: AER none, BAER the spikes of a flit, BUNDLE the payload bits of a
first flit and of a later one, the bits of an exponent, and 1 if gaps may be Rice-coded.
"""

PARAMETERS = 5
RICE_FIELD, RICE_LIMIT = 3, 8
"""Bits of the Rice parameter in a packet's first flit, and the number of parameters."""


def count_flits(
    format: Sequence[int], columns: int, positions: Sequence[int], values: Sequence[int]
) -> int:
    """Return the flits that carry one spine's spikes; none for no spikes.

    `columns` are those of the sender, `positions` rise. Positions matter for Rice codes alone, and
    of `values` no more than whether one is negative.
    """
    spikes = len(positions)
    if spikes == 0:
        return 0
    if format[0] == AER:
        return spikes
    if format[0] == BAER:
        return (spikes + format[1] - 1) // format[1]
    first, body, extra = format[1], format[2], format[3]
    for value in values:
        if value < 0:
            extra = format[3] + 1
    address = 1
    while 1 << address < columns:
        address += 1
    # Short addresses, whole ones in each flit.
    slot = address + extra
    least = 1 + (max(spikes - first // slot, 0) + body // slot - 1) // (body // slot)
    # A bitmap.
    bits = columns + spikes * extra
    least = min(least, 1 + (max(bits - first, 0) + body - 1) // body)
    if format[4]:
        for parameter in range(RICE_LIMIT):
            bits = spikes * (1 + parameter + extra)
            last = -1
            for position in positions:
                bits += max(position - last - 1, 0) >> parameter
                last = position
            least = min(least, 1 + (max(bits - first + RICE_FIELD, 0) + body - 1) // body)
    return least
