"""What a network needs of a chip, as text."""

from collections.abc import Mapping
from typing import Any

from elsac.report.tables import pairs, table


def fit_table(fit: Mapping[str, Any]) -> str:
    """A row for each layer with its layout of the fewest tiles, then what binds the whole.

    `fit` is what `elsac.compiler.fit_of` returns; needs are bits per PE and shown in bytes.
    """
    target, resources = fit["target"], fit["resources"]
    asked = resources[: min((len(layer["need"]) for layer in fit["layers"]), default=0)]
    rows = [
        [
            layer["name"],
            layer["tiles"],
            layer["cores"] if layer["fits"] else "none",
            *(_amount(name, n) for name, n in zip(asked, layer["need"], strict=True)),
            f"{layer['share']:.2f}",
            layer["binds"],
        ]
        for layer in fit["layers"]
    ]
    headers = ("layer", "tiles", "cores", *map(_heading, asked), "worth", "binds")
    has = ", ".join(
        f"{-(-room // 8):,} B {name}" if name != "circuits" else f"{room:,} circuits"
        for name, room in zip(resources, fit["room"], strict=True)
    )
    bounds = ", ".join(
        f"{name} {cores}" for name, cores in zip(resources, fit["bounds"], strict=True)
    )
    if fit["suffices"] is None:
        verdict = "no: some layer fits no core of this kind, however many there are"
    else:
        verdict = f"{'yes' if fit['fits'] else 'no'}: {fit['suffices']:,} cores suffice"
    about = [
        ("target", f"{target['name']}: {fit['cores']:,} cores; a PE has {has}"),
        ("least", f"cores by each resource: {bounds}"),
        ("fits", f"{verdict}; {fit['binds']} binds"),
    ]
    return f"{table(headers, rows)}\n\n{pairs(about)}"


def _amount(resource: str, need: int) -> int:
    """Circuits as they are, bits as bytes."""
    return need if resource == "circuits" else -(-need // 8)


def _heading(resource: str) -> str:
    return resource if resource == "circuits" else f"{resource} B/PE"
