"""Why a network does not fit a chip, in one line: what binds, and the nearest remedy."""

from math import isqrt

from elsac.mapping.partition import DoesNotFit
from elsac.passes.capacity import bytes_of
from elsac.targets import Target, load_target, target_names

LARGEST_SIDE = 256
"""The most cores that a target may have in a row or a column."""


def no_fit(refusal: DoesNotFit, target: Target) -> str:
    """The refusal of a network for which no partition was found."""
    fit = refusal.fit
    for layer in fit.layers:
        if not layer.fits:
            which = fit.resources.index(layer.binds)
            return (
                f"node '{layer.name}': its smallest tile needs {bytes_of(layer.need[which])} bytes "
                f"of {layer.binds} memory in a PE, the target '{target.name}' has "
                f"{bytes_of(fit.room[which])}: use a target with larger PEs or a smaller map"
            )
    if fit.suffices is None:
        return f"network does not fit the target '{target.name}': joined layers need equal cuts"
    largest = max(fit.layers, key=lambda layer: layer.share)
    least, cores = max(fit.bounds), max(fit.suffices, target.cores + 1)
    return (
        f"network does not fit the target '{target.name}': {_asked(fit.binds)} alone asks for "
        f"{least} cores, {cores} would do, the chip has {target.cores}; the largest layer "
        f"'{largest.name}' takes {largest.share:.1f} cores of {_asked(largest.binds)}; "
        f"{remedy(cores, target)}"
    )


def _asked(resource: str) -> str:
    return resource if resource == "circuits" else f"{resource} memory"


def remedy(cores: int, target: Target) -> str:
    """The smallest square mesh with so many cores, and a preset that has them."""
    side = isqrt(cores - 1) + 1
    if side > LARGEST_SIDE:
        return "no mesh is as large: use larger memories or a smaller network"
    return (
        f"use a mesh of at least {side}x{side} (for example --target "
        f"{larger_preset(cores, target)})"
    )


def larger_preset(cores: int, target: Target) -> str:
    """A preset of the same alphabet with enough cores, or a hint to write one."""
    fitting = [
        t
        for t in map(load_target, target_names())
        if t.cores >= cores and t.alphabet == target.alphabet
    ]
    return min(fitting, key=lambda t: t.cores).name if fitting else "a TOML file of your own"
