"""What a program's header claims of its mapping, in words, even where the header is damaged."""

from typing import Any

import pytest

from elsac.report.mapping import mapping_rows

PARTITION = {"objective": "latency", "bottleneck": 10, "bound": 8, "seed": 0}


def test_claims_in_words() -> None:
    rows = mapping_rows({"mapping": {"partition": PARTITION}})
    text = "10 cycles expected, bound 8 (gap 20.0 %); for latency, seed 0"
    assert rows == [("busiest core", text)]
    assert mapping_rows({}) == []


@pytest.mark.parametrize(
    "damaged",
    [
        [],
        3,
        {"partition": [1]},
        {"partition": PARTITION | {"bottleneck": "ten"}},
        {"partition": PARTITION | {"bottleneck": 0}},
        {"placement": {"flit_hops": None}},
    ],
)
def test_a_damaged_header_is_said_to_be(damaged: Any) -> None:
    rows = mapping_rows({"mapping": damaged})
    text = "malformed in the program's header; compile the network again"
    assert rows == [("mapping", text)]
