"""Why a network does not fit a chip, in one line: what binds, and the nearest remedy."""

from math import isqrt

from elsac.mapping.partition import DoesNotFit, Fit
from elsac.passes.capacity import bytes_of
from elsac.targets import Target, load_target, target_names

LARGEST_SIDE = 256
"""The most cores that a target may have in a row or a column."""

EACH = "elsac compile --fit shows each layer"


def no_fit(refusal: DoesNotFit, target: Target) -> str:
    """The refusal of a network for which no partition was found."""
    fit = refusal.fit
    for layer in fit.layers:
        if not layer.fits:
            which = fit.resources.index(layer.binds)
            need, has = layer.need[which], fit.room[which]
            what = "circuits"
            if layer.binds != what:
                need, has, what = bytes_of(need), bytes_of(has), f"bytes of {layer.binds} memory"
            return (
                f"node '{layer.name}': its smallest tile needs {need} {what} in a PE, the target "
                f"'{target.name}' has {has}: use a target with larger PEs or a smaller map; {EACH}"
            )
    if fit.suffices is None:
        return f"network does not fit the target '{target.name}': joined layers need equal cuts"
    largest = max(fit.layers, key=lambda layer: layer.share)
    return (
        f"network does not fit the target '{target.name}': {needed(fit, target)}; the largest "
        f"layer '{largest.name}' fills {largest.share:.1f} of them with its {largest.binds}; "
        f"{remedy(enough(fit, target), target)}; {EACH}"
    )


def remedy_of(fit: Fit, target: Target) -> str | None:
    """What helps a network that does not fit; None if it does."""
    if fit.fits:
        return None
    if fit.suffices is None:
        return "use a TOML file with larger PEs, or smaller layers"
    return remedy(enough(fit, target), target)


def needed(fit: Fit, target: Target) -> str:
    """How many cores a network needs, of how many, and for what."""
    cores, least = enough(fit, target), max(fit.bounds)
    return (
        f"it needs {cores} cores, the chip has {target.cores} ({cores - target.cores} too few); "
        f"its {fit.binds} alone fill {least} cores"
    )


def enough(fit: Fit, target: Target) -> int:
    """Cores that would do for a network which was refused; some number of them has to."""
    assert fit.suffices is not None
    return max(fit.suffices, target.cores + 1)


def remedy(cores: int, target: Target) -> str:
    """A preset with so many cores, and the smallest square mesh."""
    side = isqrt(cores - 1) + 1
    if side > LARGEST_SIDE:
        return "no mesh is as large: use larger memories or a smaller network"
    mesh = f"a TOML file with a mesh of at least {side}x{side}"
    preset = larger_preset(cores, target)
    return f"use {mesh}" if preset is None else f"use --target {preset}, or {mesh}"


def larger_preset(cores: int, target: Target) -> str | None:
    """The smallest preset of the same alphabet with enough cores, if there is one."""
    fitting = [
        t
        for t in map(load_target, target_names())
        if t.cores >= cores and t.alphabet == target.alphabet
    ]
    if not fitting:
        return None
    best = min(fitting, key=lambda t: t.cores)
    return f"{best.name} ({best.cores} cores)"
