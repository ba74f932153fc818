"""The table of layers."""

from elsac.report.html.markup import Html, even, percent
from elsac.report.html.table import Column, data_table
from elsac.report.runs import Run, layers_of


def layer_section(run: Run) -> Html:
    """One row for each layer; counts, cycles and energy are means of an input."""
    layers = layers_of(run)

    def values(field: str) -> list[float | None]:
        return rates if field == "rate" else [getattr(layer, field) for layer in layers]

    rates: list[float | None] = [
        layer.spikes / layer.neurons if layer.neurons else None for layer in layers
    ]
    shown = (
        ("neurons", "neurons", None, "output elements of the layer"),
        ("tiles", "tiles", None, "threads that share the layer"),
        ("cores", "cores", None, "cores that these threads are on"),
        ("spikes", "spikes", None, "spikes sent, mean of an input"),
        ("rate", "spikes / neuron", None, "spikes of a neuron, mean of an input"),
        ("sops", "SOPs", None, "synaptic accumulations, mean of an input"),
        ("flits", "flits", None, "packets sent, mean of an input"),
        ("flit_hops", "flit hops", None, "flits times links travelled, mean of an input"),
        ("steps", "last step", None, "step of its last spike, the most over all inputs"),
        ("first_cycle", "first cycle", None, "cycle in which its first row fired"),
        ("last_cycle", "last cycle", None, "cycle in which its last row fired"),
        ("busy_cycles", "busy, cycles", None, "cycles in which its tiles were at work"),
        ("utilization", "utilization", percent, "share of the cycles that its cores were at work"),
        ("energy_uj", "energy, µJ", None, "energy of an input"),
    )
    columns = [Column("layer", [layer.name for layer in layers])]
    columns += [
        Column(heading, values(field), write or even(values(field)), hint)
        for field, heading, write, hint in shown
    ]
    return data_table(columns, "Layers; counts, cycles and energy are means of an input")
