"""What the compiler claims of a mapping, as text: objectives, bounds and gaps.

All figures are estimates from the rates that the network was mapped for, not measurements.
"""

from collections.abc import Mapping
from typing import Any


def mapping_rows(header: Mapping[str, Any]) -> list[tuple[str, str]]:
    """One line for tiles and cores, for places and for routes, as far as they were claimed."""
    try:
        return _rows(header.get("mapping", {}))
    except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError):
        return [("mapping", "malformed in the program's header; compile the network again")]


def _rows(claims: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    if part := claims.get("partition"):
        text = f"{part['bottleneck']:,} cycles expected, {_gap(part['bottleneck'], part['bound'])}"
        rows.append(("busiest core", f"{text}; for {part['objective']}, seed {part['seed']}"))
    if place := claims.get("placement"):
        text = f"{place['flit_hops']:,} flit-hops, {_gap(place['flit_hops'], place['bound'])}"
        rows.append(("placement", f"{text}; {place['method']}, seed {place['seed']}"))
    if routing := claims.get("routing"):
        rows.append(
            (
                "routing",
                f"{routing['flit_hops']:,} flit-hops, {routing['max_link']:,} flits on the busiest "
                f"link; {routing['method']}, {routing['channels']} virtual channel(s), "
                "free of deadlock",
            )
        )
    return rows


def _gap(value: int, bound: int) -> str:
    """How far a value can be from the best there is."""
    if value == bound:
        return "proved optimal"
    return f"bound {bound:,} (gap {100 * (value - bound) / value:.1f} %)"
