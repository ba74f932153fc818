"""The colours of the page: contrast by WCAG 2.2, and that they differ for every kind of eye."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

CSS = Path(__file__).parents[3] / "elsac" / "report" / "html" / "page.css"

Floats = NDArray[np.float64]

EYES = {
    "usual": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
"""What is seen, in linear RGB: Machado, Oliveira, Fernandes 2009, severity 1."""


def palettes() -> dict[str, dict[str, str]]:
    """The colours of the light and of both dark palettes."""
    text = CSS.read_text()
    blocks = re.findall(r"color-scheme: (light|dark);(.*?)\}", text, re.DOTALL)
    found = [(mode, dict(re.findall(r"--([\w-]+): (#\w{6})", block))) for mode, block in blocks]
    dark = [colours for mode, colours in found if mode == "dark"]
    assert len(dark) == 2
    assert dark[0] == dark[1]  # by the system's choice and by the button
    return {mode: colours for mode, colours in found}


def linear(colour: str) -> Floats:
    """Linear RGB, 0 to 1."""
    shares = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """Contrast of two colours by WCAG 2.2, 1 to 21."""
    low, high = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other))
    return (high + 0.05) / (low + 0.05)


def oklab(light: Floats) -> Floats:
    """Ottosson's Oklab of linear RGB; a distance of 0.02 can just be seen."""
    cones = np.cbrt(
        np.array(
            [[0.4122214708, 0.5363325363, 0.0514459929],
             [0.2119034982, 0.6806995451, 0.1073969566],
             [0.0883024619, 0.2817188376, 0.6299787005]]
        ) @ np.clip(light, 0, 1)
    )  # fmt: skip
    return np.array(
        [[0.2104542553, 0.7936177850, -0.0040720468],
         [1.9779984951, -2.4285922050, 0.4505937099],
         [0.0259040371, 0.7827717662, -0.8086757660]]
    ) @ cones  # fmt: skip


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_colours_can_be_read(mode: str) -> None:
    colours = palettes()[mode]
    assert colours.keys() == palettes()["light"].keys()
    for name in ("text", "soft", "accent", "mark", "good", "bad"):
        for ground in ("page", "card"):
            assert contrast(colours[name], colours[ground]) >= 4.5, name
    for level in range(10):
        ink = colours["ink-low" if level < 6 else "ink-high"]
        assert contrast(ink, colours[f"h{level}"]) >= 4.5, level
    for name in ("odd", "even", "r0", "r1", "r2", "r3"):  # marks without text: 3 to 1
        assert contrast(colours[name], colours["card"]) >= 3, name


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_heat_grows_with_its_level(mode: str) -> None:
    colours = palettes()[mode]
    steps = [contrast(colours[f"h{i}"], colours["card"]) for i in range(10)]
    assert steps == sorted(steps)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("eye", EYES)
def test_colours_differ_for_every_eye(mode: str, eye: str) -> None:
    colours = palettes()[mode]
    groups = (
        ["odd", "even", "mark"],
        ["r0", "r1", "r2", "r3"],
        [*(f"c{i}" for i in range(9)), "more", "other"],
    )
    for group in groups:
        seen = {name: oklab(np.asarray(EYES[eye]) @ linear(colours[name])) for name in group}
        for one, other in combinations(group, 2):
            distance = np.linalg.norm(seen[one] - seen[other])
            assert distance >= 0.07, (one, other)
