"""The picture of `speed.py`: bars of seconds for one image, a panel for each network."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

LEFT, BARS, RIGHT, LINE, TOP = 224, 330, 150, 20, 54
"""Columns of names, bars and figures; a line; above the first panel."""
HEAD = 40
"""Of a panel."""
TITLE = "Milliseconds for one image, one thread · how many times ours"
STYLE = """
text { fill: #1f2328; font: 12px sans-serif }
.title { font-weight: bold; font-size: 14px }
.note { fill: #59636e; font-size: 11px }
.back { fill: #ffffff }
.ours { fill: #1f6feb }
.exact { fill: #8b98a5 }
.clock { fill: #c8d1da }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .note { fill: #9198a1 }
  .back { fill: #0d1117 }
  .ours { fill: #4493f8 }
  .exact { fill: #7d8590 }
  .clock { fill: #484f58 }
}
"""
KEYS = (
    ("ours", "elsac"),
    ("exact", "same integers and spikes as ours"),
    ("clock", "same dense work, other answers"),
)


def svg(results: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> str:
    """Draw the one-thread rows of all networks that were measured with peers."""
    panels = [
        (r, run) for r in results for run in r["runs"] if run["threads"] == 1 and run["peers"]
    ]
    y, body = TOP, []
    for result, run in panels:
        body += _panel(result, run, labels, y)
        y += HEAD + LINE * (1 + len(run["peers"])) + 10
    width, height = LEFT + BARS + RIGHT, y + 6
    head = [
        f'<rect class="back" width="{width}" height="{height}"/>',
        f'<text class="title" x="12" y="22">{TITLE}</text>',
    ]
    x = 12
    for kind, name in KEYS:
        head.append(f'<rect class="{kind}" x="{x}" y="33" width="12" height="9"/>')
        head.append(f'<text class="note" x="{x + 17}" y="42">{name}</text>')
        x += 50 + 6 * len(name)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" '
        f'aria-label="milliseconds for one image of each network, ours and peers">\n'
        f"<style>{STYLE}</style>\n" + "\n".join([*head, *body]) + "\n</svg>\n"
    )


def _panel(
    result: Mapping[str, Any], run: Mapping[str, Any], labels: Mapping[str, str], top: int
) -> list[str]:
    ours, work = run["ours"], result["workload"]
    rows = [("ours", "elsac, fast engine", ours["wall_s"], "")]
    peers = sorted(run["peers"].items(), key=lambda item: item[1]["wall_s"])
    for key, peer in peers:
        kind = "exact" if peer.get("same_integers") and peer.get("same_spikes") else "clock"
        rows.append((kind, labels[key], peer["wall_s"], f" · {peer['ratio_wall']:.2f}x"))
    most = max(row[2] for row in rows)
    about = (
        f"T = {work['steps']}, {work['sops'] / 1e9:.2f} G synaptic operations "
        f"({work['share_of_dense']:.1%} of dense)"
    )
    parts = [
        f'<text class="title" x="12" y="{top + 20}">{escape(result["network"])}</text>'
        f'<text class="note" x="{LEFT}" y="{top + 20}">{about}</text>'
    ]
    for number, (kind, name, seconds, ratio) in enumerate(rows):
        y = top + HEAD - 8 + LINE * number
        width = max(BARS * seconds / most, 1)
        parts.append(
            f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="{kind}" x="{LEFT}" y="{y + 2}" width="{width:.1f}" height="13"/>'
            f'<text x="{LEFT + width + 6:.1f}" y="{y + 12}">{_figure(1e3 * seconds)}{ratio}</text>'
        )
    return parts


def _figure(milliseconds: float) -> str:
    return f"{milliseconds:,.0f}" if milliseconds >= 100 else f"{milliseconds:.1f}"
