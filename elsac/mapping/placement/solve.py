"""Where to put cores: the methods, how much work they do, and what is known about the result."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from elsac.mapping.graph import Mesh, Net, Place
from elsac.mapping.placement.bounds import counting_bound, nets_bound
from elsac.mapping.placement.curves import hilbert, snake
from elsac.mapping.placement.demand import Basis, Demand, Ints, objective

Method = Literal["snake", "random", "hilbert", "hilbert-swap", "anneal"]


class PlacementError(ValueError):
    """A question that makes no sense; the message says what was expected."""


@dataclass(frozen=True)
class Placement:
    """Places of cores, what they cost, and what every placement costs at least."""

    places: tuple[Place, ...]
    """By core."""
    objective: int
    """Flit-hops, in the basis."""
    bound: int
    """No placement has fewer flit-hops."""
    method: str
    basis: str
    seed: int

    @property
    def gap(self) -> float:
        """The part of the objective, 0..1, that a better placement saves at most."""
        return (self.objective - self.bound) / self.objective if self.objective else 0.0

    @property
    def proved(self) -> bool:
        """Whether no placement is better."""
        return self.bound == self.objective


@dataclass(frozen=True)
class Effort:
    """How much work to do. Limits of the solver are in its deterministic time, about seconds."""

    starts: int
    """Runs of simulated annealing with up to 64 cores; fewer with more, down to one."""
    moves: int
    """Moves of each run, for each core."""
    parity: float
    """Limit for the parity bound."""
    certificate: float
    """Limit for the exact solver."""


EFFORTS = Effort(2, 10_000, 0, 0), Effort(4, 30_000, 0.5, 0), Effort(8, 50_000, 0.5, 8)

PARITY_CORES, CERTIFICATE_CORES = 256, 64
"""Cores up to which the parity bound and the exact solver are worth their time. ..."""
WIDE_CORES, NARROW = 24, 0.05
"""... With more cores than the first the exact solver closes narrow gaps only, never a wide one."""

LOOKS = 30_000
"""For each of the moves of an effort, how many cores a run of annealing may look at: nets of very
many sinks on many cores get fewer moves, or they would take minutes."""

HOT, COLD = 2.0, 0.02
"""Temperatures that annealing starts and ends with, in mean weights of a pair: at the first most
moves are taken, at the second nearly none that costs."""


def place(
    nets: Sequence[Net],
    cores: int,
    mesh: Mesh,
    *,
    method: Method = "anneal",
    basis: Basis = "multicast",
    seed: int = 0,
    effort: int = 1,
) -> Placement:
    """Put cores 0..cores-1 on different places of a mesh so that the nets take few flit-hops.

    `snake` and `hilbert` put cores in their order along a curve, `random` puts them anywhere;
    `hilbert-swap` swaps neighbours on the Hilbert curve as long as that pays, the best first;
    `anneal` searches further. `effort` is 0 (a fraction of a second at 36 cores, and a bound from
    counting), 1 (a second or two, and the parity bound) or 2 (up to about 15 seconds, in which the
    exact solver may prove that no placement is better). The same question has the same answer.

    Raises PlacementError for more cores than places, and for arguments that make no sense.
    """
    check(nets, cores, mesh, method, basis, seed, effort)
    demand, work = Demand.of(nets, cores, basis), EFFORTS[effort]
    lower = max(2 * nets_bound(nets, mesh, basis), counting_bound(demand, mesh))
    if demand.weight and work.parity and cores <= PARITY_CORES:
        from elsac.mapping.placement.parity import parity_bound

        lower = max(lower, parity_bound(demand, mesh, work.parity))

    places: Sequence[Place]
    if method == "snake":
        places = snake(mesh)[:cores]
    elif method == "random":
        places = shuffled(mesh, cores, np.random.default_rng(seed))
    elif method == "hilbert" or not demand.weight:
        places = hilbert(mesh)[:cores]
    elif method == "hilbert-swap":
        places = swapped(demand, mesh)
    else:
        places = annealed(demand, mesh, seed, work, lower)
        cost = demand.cost(places, mesh)
        hope = cores <= WIDE_CORES or cost - lower <= NARROW * cost
        if lower < cost and hope and work.certificate and cores <= CERTIFICATE_CORES:
            from elsac.mapping.placement.certificate import certify

            places, lower = certify(
                demand, mesh, places, lower, work.certificate, by_cores=cores <= WIDE_CORES
            )
    found = objective(nets, places, mesh, basis)
    return Placement(tuple(places), found, -(-lower // 2), method, basis, seed)


def check(
    nets: Sequence[Net], cores: int, mesh: Mesh, method: str, basis: str, seed: int, effort: int
) -> None:
    """Raise PlacementError for what makes no sense."""
    for name, value, known in (
        ("method", method, get_args(Method)),
        ("basis", basis, get_args(Basis)),
    ):
        if value not in known:
            raise PlacementError(f"no {name} '{value}': take one of {', '.join(known)}")
    if effort not in range(len(EFFORTS)):
        raise PlacementError(f"effort {effort}: expected 0..{len(EFFORTS) - 1}")
    if seed < 0:
        raise PlacementError(f"seed {seed}: expected 0 or more")
    if not 0 <= cores <= mesh.size:
        raise PlacementError(
            f"{cores} cores on {mesh.width} x {mesh.height} places: take a larger mesh"
        )
    known_cores = set(range(cores))
    for net in nets:
        terminals = {net.source, *net.sinks}
        if len(terminals) <= len(net.sinks) or not terminals <= known_cores:
            raise PlacementError(f"{net}: expected different cores in 0..{cores - 1}")
        if net.flits < 0:
            raise PlacementError(f"{net}: expected 0 flits or more")
    across = mesh.distance((0, 0), (mesh.width - 1, mesh.height - 1))
    most = sum(net.flits * len(net.sinks) for net in nets) * across
    if most >= 1 << 51:
        # Bounds of the solver are doubles, and all costs are in half flits.
        raise PlacementError(f"up to {most} flit-hops: expected less than 2^51")


def shuffled(mesh: Mesh, cores: int, draws: np.random.Generator) -> list[Place]:
    """Different places, drawn at random."""
    return [mesh.place(int(number)) for number in draws.permutation(mesh.size)[:cores]]


def numbers(mesh: Mesh, places: Sequence[Place]) -> Ints:
    """The numbers of places."""
    return np.array([mesh.number(place) for place in places], np.int64)


def swapped(demand: Demand, mesh: Mesh, *, adjacent: bool = True) -> list[Place]:
    """The Hilbert curve with swaps that pay: of neighbouring places, or of any two."""
    from elsac.mapping.placement.search import descend
    from elsac.mapping.placement.wires import wires

    at = numbers(mesh, hilbert(mesh)[: demand.cores])
    descend(wires(demand, mesh), at, adjacent)
    return [mesh.place(int(number)) for number in at]


def looks(demand: Demand) -> int:
    """How many cores a move looks at, on average, in the boxes that its core is in; 1 or more."""
    ends = sum(len(terminals) ** 2 for terminals, _ in demand.boxes)
    return max(1, ends // max(demand.cores, 1))


def annealed(demand: Demand, mesh: Mesh, seed: int, work: Effort, lower: int) -> list[Place]:
    """The best of some runs of simulated annealing, every other one from a placement at random; no
    more runs once one costs no more than the lower bound.
    """
    from elsac.mapping.placement.search import anneal, descend
    from elsac.mapping.placement.wires import wires

    arrays = wires(demand, mesh)
    chips = mesh.chip_width < mesh.width or mesh.chip_height < mesh.height
    mean = demand.weight / (len(demand.pairs) + len(demand.boxes))
    moves = min(work.moves * demand.cores, LOOKS * work.moves // looks(demand))
    draws = np.random.default_rng(seed)
    curve = best = swapped(demand, mesh, adjacent=False)
    for run in range(max(1, work.starts * 64 // max(demand.cores, 64))):
        if demand.cost(best, mesh) <= lower:
            break
        anywhere = run % 2 == 1
        at = numbers(mesh, shuffled(mesh, demand.cores, draws) if anywhere else curve)
        # The curve has found chips for cores; else that must come first, when slow links are cheap.
        hot = HOT * mean * (mesh.chip_link_hops if anywhere and chips else 1)
        state = int(draws.integers(1, 1 << 62))
        at, _ = anneal(arrays, at, moves, hot, COLD * mean, state)
        descend(arrays, at, False)
        found = [mesh.place(int(number)) for number in at]
        best = min(best, found, key=lambda places: demand.cost(places, mesh))
    return best
