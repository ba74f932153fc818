"""What a network needs of a chip, as text."""

from collections.abc import Mapping
from typing import Any

from elsac.report.tables import pairs, table


def fit_table(fit: Mapping[str, Any]) -> str:
    """A row for each layer with its layout of the fewest tiles, then what the whole needs.

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
    headers = ("layer", "tiles", "cores", *map(_heading, asked), "fills cores", "by its")
    has = ", ".join(
        f"{-(-room // 8):,} B {name}" if name != "circuits" else f"{room:,} circuits"
        for name, room in zip(resources, fit["room"], strict=True)
    )
    bounds = ", ".join(
        f"{name} {cores:,}" for name, cores in zip(resources, fit["bounds"], strict=True)
    )
    about = [
        ("target", f"{target['name']}: {fit['cores']:,} cores; a PE has {has}"),
        ("least", f"cores that each resource fills: {bounds}"),
        ("fits", _verdict(fit)),
        *([] if fit["remedy"] is None else [("remedy", fit["remedy"])]),
    ]
    return f"{table(headers, rows)}\n\n{pairs(about)}"


def _verdict(fit: Mapping[str, Any]) -> str:
    """Whether it fits, and by how much not."""
    cores, suffices = fit["cores"], fit["suffices"]
    if suffices is None and all(layer["fits"] for layer in fit["layers"]):
        return "no: each layer fits, but joined ones need equal cuts and have none in common"
    if suffices is None:
        return "no: the layers with 'none' for cores fit no chip of such cores, however large"
    alone = f"its {fit['binds']} alone fill {max(fit['bounds']):,}"
    if fit["fits"]:
        return f"yes: in {suffices:,} of its {cores:,} cores; {alone}"
    return (
        f"no: it needs {suffices:,} cores, the chip has {cores:,} ({suffices - cores:,} too few); "
        f"{alone}"
    )


def _amount(resource: str, need: int) -> int:
    """Circuits as they are, bits as bytes."""
    return need if resource == "circuits" else -(-need // 8)


def _heading(resource: str) -> str:
    return resource if resource == "circuits" else f"{resource} B/PE"
