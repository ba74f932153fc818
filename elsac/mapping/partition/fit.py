"""What layers ask of a machine, what binds, and how many cores would do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from elsac.mapping.partition import greedy
from elsac.mapping.partition.model import Layer, Machine, Option
from elsac.mapping.partition.problem import Problem, check, common, fitting, members


@dataclass(frozen=True)
class LayerFit:
    """The layout of a layer with the fewest tiles or, where no tile fits a core, the smallest."""

    name: str
    fits: bool
    """Whether a tile fits an empty core."""
    need: tuple[int, ...]
    """What one tile asks of each PE, by resource."""
    tiles: int
    cores: int
    """Cores that the layer takes if it is alone; 0 if it does not fit."""
    share: float
    """What the fullest resource of all its tiles is worth, in cores."""
    binds: str
    """That resource."""


@dataclass(frozen=True)
class Fit:
    """All layers, and the machine as a whole. Resources are memories, and circuits where those
    are shared in space.
    """

    layers: tuple[LayerFit, ...]
    resources: tuple[str, ...]
    room: tuple[int, ...]
    """What a PE has of each resource: bits, circuits."""
    cores: int
    """Cores of the machine."""
    bounds: tuple[int, ...]
    """For each resource a number of cores that nothing undercuts."""
    binds: str
    """The resource with the largest of the bounds."""
    suffices: int | None
    """The fewest cores for which greedy packing succeeds; None if some layer fits no core."""

    @property
    def fits(self) -> bool:
        """Whether greedy packing succeeds on the machine."""
        return self.suffices is not None and self.suffices <= self.cores

    def sentence(self) -> str:
        """One line: what does not fit, what binds, and the nearest remedy."""
        for layer in self.layers:
            if not layer.fits:
                which = self.resources.index(layer.binds)
                unit = "" if layer.binds == "circuits" else "bits of "
                return (
                    f"layer '{layer.name}': even its smallest tile asks {layer.need[which]} "
                    f"{unit}{layer.binds} of a PE, which has {self.room[which]}; use larger PEs or "
                    "a smaller layer"
                )
        largest = max(self.layers, key=lambda layer: layer.share)
        if self.suffices is None:
            return "a group of layers has no number of row tiles with which all of them fit a core"
        return (
            f"no room on {self.cores} cores: {self.binds} alone ask for {max(self.bounds)}, and "
            f"{self.suffices} would do; the largest layer, '{largest.name}', takes "
            f"{largest.share:.1f} cores"
        )


class DoesNotFit(ValueError):
    """No partition was found; `fit` says why."""

    def __init__(self, fit: Fit) -> None:
        super().__init__(fit.sentence())
        self.fit = fit


def explain(layers: Sequence[Layer], machine: Machine) -> Fit:
    """What the layers need of this machine and, if it is too small, how large one would do."""
    check(layers, (), machine)
    names, room = resources(machine)
    every = tuple(explain_layer(layer, machine) for layer in layers)
    bounds = core_bounds(layers, machine)
    binds = names[max(range(len(names)), key=lambda i: bounds[i])]
    return Fit(
        every,
        names,
        room,
        machine.cores,
        bounds,
        binds,
        smallest(layers, machine, max(bounds)) if can_fit(layers, machine) else None,
    )


def core_bounds(layers: Sequence[Layer], machine: Machine) -> tuple[int, ...]:
    """For each resource a number of cores that nothing undercuts."""
    usable = [fitting(layer, machine) or list(layer.options) for layer in layers]
    return tuple(
        max(1, -(-sum(min(o.tiles * demand(o, machine)[r] for o in of) for of in usable) // has))
        for r, has in enumerate(max(amount, 1) for amount in resources(machine)[1])
    )


def can_fit(layers: Sequence[Layer], machine: Machine) -> bool:
    """Whether each layer by itself fits some number of cores, within the rules of its group."""
    fit = [fitting(layer, machine) for layer in layers]
    return all(fit) and all(common(fit, group) for group in set(members(layers)))


def smallest(layers: Sequence[Layer], machine: Machine, bound: int) -> int:
    """The fewest cores for which greedy packing succeeds: doubled until it does, then bisected."""

    def packs(cores: int) -> bool:
        problem = Problem(layers, (), replace(machine, cores=cores))
        return next(greedy.anyhow(problem), None) is not None

    low = high = bound
    while not packs(high):
        low, high = high + 1, 2 * high
    return greedy.least_true(packs, low, high)


def explain_layer(layer: Layer, machine: Machine) -> LayerFit:
    """One layer by itself."""
    names, room = resources(machine)

    def shares(option: Option) -> list[float]:
        return [n / max(has, 1) for n, has in zip(demand(option, machine), room, strict=True)]

    fit = fitting(layer, machine)
    if fit:
        option = min(fit, key=lambda o: (o.tiles, max(shares(o))))
    else:
        option = min(layer.options, key=lambda o: max(shares(o)))
    of = shares(option)
    which = max(range(len(of)), key=lambda i: of[i])
    each = min(
        (has // n for n, has in zip(demand(option, machine), room, strict=True) if n),
        default=option.tiles,
    )
    return LayerFit(
        layer.name,
        bool(fit),
        demand(option, machine),
        option.tiles,
        -(-option.tiles // each) if fit else 0,
        option.tiles * of[which],
        names[which],
    )


def resources(machine: Machine) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names of what cores have a limited amount of, and the amounts in one PE."""
    memories = {1: ("memory",), 3: ("weights", "membranes", "tracers")}
    count = len(machine.room)
    names = memories.get(count, tuple(f"memory {i}" for i in range(count)))
    if machine.sharing == "time":
        return names, machine.room
    return (*names, "circuits"), (*machine.room, machine.circuits)


def demand(option: Option, machine: Machine) -> tuple[int, ...]:
    """What a tile takes of those."""
    return option.need if machine.sharing == "time" else (*option.need, option.circuits)
