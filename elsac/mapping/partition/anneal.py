"""Simulated annealing over options and cores at once: the compiled loops.

A state gives each layer an option and each of its tiles a core. Its energy is what cores hold and
do beyond their limits, as parts of a core, and the weighted cost in flits. A move takes a tile to
another core, lets two tiles change places, or lays a layer out in another way. Differences are
computed from integers, energies with +, -, * and / alone, so that all machines agree.

Arrays, all of 64-bit integers but for `excess`:

    options  [option, 4 + limit]   tiles, column tiles, row tiles, cost; demand by limit
    flows    [flow, 3]             source, sink, flits
    allowed  [layer, 1 + n]        how many options a layer may take, and which
    members  [layer, 1 + n]        how many layers its group has, and which
    incident [layer, 1 + n]        how many flows it has, and which
    limits   [limit]
    chosen   [layer]               the option of each layer
    core     [layer, tile]
    used     [core, limit]
    excess   [core]                see `beyond`
    random   [1]                   state of the generator
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from elsac.mapping.partition import model

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Words = NDArray[np.uint64]
F = TypeVar("F", bound=Callable[..., Any])

TILES, COLUMNS, ROWS, COST, DEMAND = range(5)
SOURCE, SINK, FLITS = range(3)

FAR = 0.2
"""Moves that exceed limits by more parts of a core than this are not worth a look at their cost."""

OPTION_MOVES = 32
"""One move in so many lays a layer out anew."""


def compiled(function: F) -> F:
    """Compile a function at its first call, and keep the machine code on disk."""
    return cast(F, njit(cache=True, nogil=True, error_model="numpy")(function))


share = compiled(model.share)


@compiled
def draw(random: Words, count: int) -> int:
    """A number in 0..count-1 from 31 bits of the generator xorshift64 (Marsaglia 2003)."""
    x = random[0]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    random[0] = x
    return int(np.int64(x >> np.uint64(33)) % count)


@compiled
def beyond(options: Ints, limits: Ints, used: Ints, core: int, less: int, more: int) -> float:
    """What a core has too much, in parts of its limits, once a tile of the option `less` has gone
    and one of `more` has come (-1: none).
    """
    total = 0.0
    for r in range(limits.size):
        amount = used[core, r]
        if less >= 0:
            amount -= options[less, DEMAND + r]
        if more >= 0:
            amount += options[more, DEMAND + r]
        if amount > limits[r]:
            total += (amount - limits[r]) / max(limits[r], 1)
    return total


@compiled
def put(
    options: Ints,
    limits: Ints,
    used: Ints,
    excess: Floats,
    core: int,
    less: int,
    more: int,
) -> None:
    """Let a tile of the option `less` go from a core, and one of `more` come (-1: none)."""
    excess[core] = beyond(options, limits, used, core, less, more)
    for r in range(limits.size):
        if less >= 0:
            used[core, r] -= options[less, DEMAND + r]
        if more >= 0:
            used[core, r] += options[more, DEMAND + r]


@compiled
def read(options: Ints, flits: int, a: int, i: int, b: int, j: int) -> int:
    """Flits that tile j of option b reads from tile i of option a."""
    return share(
        flits,
        options[a, COLUMNS],
        options[a, ROWS],
        i,
        options[b, COLUMNS],
        options[b, ROWS],
        j,
    )


@compiled
def carried(
    options: Ints,
    flows: Ints,
    incident: Ints,
    chosen: Ints,
    core: Ints,
    layer: int,
    tile: int,
    there: int,
) -> int:
    """By how much crossing flits grow as a tile goes to another core."""
    change, here, mine = 0, core[layer, tile], chosen[layer]
    for n in range(1, incident[layer, 0] + 1):
        flow = incident[layer, n]
        forth = flows[flow, SOURCE] == layer
        other = flows[flow, SINK] if forth else flows[flow, SOURCE]
        its = chosen[other]
        for partner in range(options[its, TILES]):
            at = core[other, partner]
            if at == here or at == there:
                if forth:
                    flits = read(options, flows[flow, FLITS], mine, tile, its, partner)
                else:
                    flits = read(options, flows[flow, FLITS], its, partner, mine, tile)
                change += flits if at == here else -flits
    return change


@compiled
def around(options: Ints, flows: Ints, incident: Ints, chosen: Ints, core: Ints, layer: int) -> int:
    """The cost of a layer: its option's, and its flits between cores."""
    total = options[chosen[layer], COST]
    for n in range(1, incident[layer, 0] + 1):
        flow = incident[layer, n]
        source, sink = flows[flow, SOURCE], flows[flow, SINK]
        a, b = chosen[source], chosen[sink]
        for i in range(options[a, TILES]):
            for j in range(options[b, TILES]):
                if core[source, i] != core[sink, j]:
                    total += read(options, flows[flow, FLITS], a, i, b, j)
    return int(total)


@compiled
def near(
    options: Ints,
    flows: Ints,
    incident: Ints,
    chosen: Ints,
    core: Ints,
    random: Words,
    layer: int,
    cores: int,
) -> int:
    """The core of a random tile that shares flits with the layer; a random core if none does."""
    if incident[layer, 0] == 0:
        return draw(random, cores)
    flow = incident[layer, 1 + draw(random, incident[layer, 0])]
    other = flows[flow, SINK] if flows[flow, SOURCE] == layer else flows[flow, SOURCE]
    return int(core[other, draw(random, options[chosen[other], TILES])])


@compiled
def roomy(options: Ints, limits: Ints, used: Ints, excess: Floats, option: int, first: int) -> int:
    """The core, counted from `first`, where one more tile exceeds limits least."""
    best, least = first, np.inf
    for k in range(excess.size):
        core = (first + k) % excess.size
        more = beyond(options, limits, used, core, -1, option) - excess[core]
        if more < least:
            best, least = core, more
        if more <= 0:
            break
    return best


@compiled
def lay_out(
    options: Ints,
    limits: Ints,
    chosen: Ints,
    core: Ints,
    used: Ints,
    excess: Floats,
    layer: int,
    option: int,
    first: int,
) -> None:
    """Give a layer another option. Tiles keep their cores by number; further ones go where there
    is room, looked for from the core `first` on.
    """
    old = chosen[layer]
    chosen[layer] = option
    for i in range(options[old, TILES]):
        put(options, limits, used, excess, core[layer, i], old, -1)
    for i in range(options[option, TILES]):
        if i >= options[old, TILES]:
            core[layer, i] = roomy(options, limits, used, excess, option, first)
        put(options, limits, used, excess, core[layer, i], -1, option)


@compiled
def candidate(options: Ints, allowed: Ints, random: Words, layer: int, rows: int) -> int:
    """A random option that a layer may take, with so many row tiles if that is not 0."""
    found, seen = -1, 0
    for n in range(1, allowed[layer, 0] + 1):
        if rows == 0 or options[allowed[layer, n], ROWS] == rows:
            seen += 1
            if draw(random, seen) == 0:  # each of those seen is as likely (reservoir sampling)
                found = allowed[layer, n]
    return int(found)


@compiled
def anneal(
    options: Ints,
    flows: Ints,
    allowed: Ints,
    members: Ints,
    incident: Ints,
    limits: Ints,
    chosen: Ints,
    core: Ints,
    cores: int,
    seed: np.uint64,
    price: float,
    weight: float,
    temperatures: Floats,
    thresholds: Floats,
    moves: int,
    stop: bool,
) -> tuple[float, Ints, Ints]:
    """The best state on the way from the one given: what it exceeds, its options and cores.

    Each temperature lasts for some moves. A move is accepted if it adds no more energy than the
    temperature times a random one of the thresholds, which are distributed as -ln of a uniform
    number: the rule of Metropolis et al. (1953). Overflow counts `price` times, cost in flits
    `weight` times; the first state that exceeds nothing is the answer if it is to `stop` there.
    """
    random = np.array([seed], dtype=np.uint64)
    used = np.zeros((cores, limits.size), dtype=np.int64)
    excess = np.zeros(cores)
    for layer in range(chosen.size):
        for i in range(options[chosen[layer], TILES]):
            put(options, limits, used, excess, core[layer, i], -1, chosen[layer])
    cost, cheapest, least = 0, 0, excess.sum()
    best_chosen, best_core = chosen.copy(), core.copy()
    for temperature in temperatures:
        for _ in range(moves):
            if stop and least == 0:
                return least, best_chosen, best_core
            layer = draw(random, chosen.size)
            bar = temperature * thresholds[draw(random, thresholds.size)]
            mine, change = chosen[layer], 0
            if draw(random, OPTION_MOVES) == 0:
                option = allowed[layer, 1 + draw(random, allowed[layer, 0])]
                if option == mine:
                    continue
                # A group changes its number of row tiles as one.
                whole = members[layer, 0] > 1 and options[option, ROWS] != options[mine, ROWS]
                count = members[layer, 0] if whole else 1
                before = excess.sum()
                old, places = chosen.copy(), core.copy()
                for m in range(count):
                    member = members[layer, 1 + m] if whole else layer
                    to = option
                    if member != layer:
                        to = candidate(options, allowed, random, member, options[option, ROWS])
                    first = draw(random, cores)
                    if weight > 0:
                        change -= around(options, flows, incident, chosen, core, member)
                        first = near(options, flows, incident, chosen, core, random, member, cores)
                    lay_out(options, limits, chosen, core, used, excess, member, to, first)
                    if weight > 0:
                        change += around(options, flows, incident, chosen, core, member)
                if price * (excess.sum() - before) + weight * change > bar:
                    for m in range(count):
                        member = members[layer, 1 + m] if whole else layer
                        for i in range(options[chosen[member], TILES]):
                            put(options, limits, used, excess, core[member, i], chosen[member], -1)
                        chosen[member] = old[member]
                        for i in range(options[old[member], TILES]):
                            core[member, i] = places[member, i]
                            put(options, limits, used, excess, core[member, i], -1, old[member])
                    continue
            else:
                tile = draw(random, options[mine, TILES])
                here, partner, other, its = core[layer, tile], -1, 0, -1
                kind = draw(random, 4)
                if kind < 2:  # two tiles change places
                    partner = draw(random, chosen.size)
                    its = chosen[partner]
                    other = draw(random, options[its, TILES])
                    there = core[partner, other]
                elif kind == 2 and weight > 0:
                    there = near(options, flows, incident, chosen, core, random, layer, cores)
                else:
                    there = draw(random, cores)
                if here == there:
                    continue
                more = (
                    beyond(options, limits, used, here, mine, its)
                    + beyond(options, limits, used, there, its, mine)
                    - excess[here]
                    - excess[there]
                )
                if price * (more - FAR) > bar:
                    continue
                if weight > 0:
                    change += carried(options, flows, incident, chosen, core, layer, tile, there)
                core[layer, tile] = there
                if partner >= 0:
                    if weight > 0:
                        change += carried(
                            options, flows, incident, chosen, core, partner, other, here
                        )
                    core[partner, other] = here
                if price * more + weight * change > bar:
                    core[layer, tile] = here
                    if partner >= 0:
                        core[partner, other] = there
                    continue
                put(options, limits, used, excess, here, mine, its)
                put(options, limits, used, excess, there, its, mine)
                if more == 0 and change == 0:
                    continue  # no better than before
            cost += change
            now = excess.sum()
            if now < least or (now == least and cost < cheapest):
                least, cheapest = now, cost
                best_chosen, best_core = chosen.copy(), core.copy()
    return least, best_chosen, best_core
