"""The layers of runs as comma-separated values, for spreadsheets and scripts."""

import csv
import io
from collections.abc import Sequence

from elsac.report.runs import Layer, Run, layers_of

COLUMNS = (
    "neurons", "tiles", "cores", "spikes", "sops", "flits", "flit_hops", "steps", "first_cycle",
    "last_cycle", "busy_cycles", "utilization", "energy_uj",
)  # fmt: skip
"""Fields of :class:`Layer`, after `run` and `layer`."""


def layers_csv(runs: Sequence[Run]) -> str:
    """One line for each layer of each run, below a heading; what is not known stays empty.

    Columns are `run`, `layer`, :data:`COLUMNS`, then `energy_uj:COMPONENT` for every component that
    some layer has. Counts, busy cycles and energy are means of an input; `first_cycle` and
    `last_cycle` are of the first timed input. RFC 4180, lines end in LF.
    """
    rows = [(run.label, layer) for run in runs for layer in layers_of(run)]
    components = list(dict.fromkeys(name for _, layer in rows for name in layer.components))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("run", "layer", *COLUMNS, *(f"energy_uj:{name}" for name in components)))
    for label, layer in rows:
        writer.writerow((label, layer.name, *_cells(layer, components)))
    return text.getvalue()


def _cells(layer: Layer, components: Sequence[str]) -> list[object]:
    values = [getattr(layer, column) for column in COLUMNS]
    values += [layer.components.get(name) for name in components]
    return ["" if value is None else value for value in values]
