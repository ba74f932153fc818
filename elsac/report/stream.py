"""A stream as text: what its frames took, beside fresh runs if there are some."""

from elsac.report.tables import pairs
from elsac.runtime.stream import StreamResult

_NAMES = {
    "spikes": "spikes",
    "sops": "SOPs",
    "steps": "steps",
    "packets": "packets",
    "flit_hops": "flit hops",
}


def stream_summary(streamed: StreamResult) -> str:
    """Say how a stream went; a table of counts if every frame also ran afresh."""
    frames = streamed.frames
    still = sum(frame.changed == 0 for frame in frames)
    rows = [("stream", f"{len(frames):,} frames, {still:,} of them like the one before")]
    if streamed.fresh:
        compared = sum(same is not None for same in streamed.same)
        cut = len(frames) - compared
        text = f"{compared - len(streamed.different):,} of {compared:,} frames end as fresh runs do"
        rows.append(("compared", text + (f"; {cut:,} were cut" if cut else "")))
        totals, ratios = streamed.totals(), streamed.ratios()
        fresh = streamed.report()["fresh"]["totals"]
        for name, shown in _NAMES.items():
            ratio = f"  ({ratios[name]:.3f} x {fresh[name]:,})" if name in ratios else ""
            rows.append((shown, f"{totals[name]:,}{ratio}"))
    return pairs(rows)
