"""The mesh does in every cycle what the plain reference does."""

import random
from math import inf

import numpy as np
import pytest

from elsac.runtime.timing.mesh import arrived, cycle, ejected, inject, release, started
from elsac.runtime.timing.mesh_state import CROSSED, STALLED, Mesh
from elsac.runtime.timing.mesh_traffic import Traffic
from tests.unit.runtime.mesh_cases import Routed, expected, masks, mesh_of, routed, traffic
from tests.unit.runtime.mesh_reference import Reference


def in_step(mesh: Mesh, routes: Routed, reference: Reference, sent: Traffic, seed: int) -> None:
    """Compare with the reference after every cycle."""
    draw = random.Random(seed)
    trees, waiting, offered, now, came = masks(routes), list[int](), 0, 0, list[int]()
    places = routes.width * routes.height
    while True:
        while offered < sent.cycles.size and sent.cycles[offered] <= now:
            waiting.append(offered)
            offered += 1
        refused = []
        for p in waiting:
            place, tree, channel, flits = (int(column[p]) for column in sent[1:])
            taken = inject(mesh, place, tree, channel, p, flits)
            assert taken == reference.inject(place, trees[tree], channel, p, flits)
            refused += [] if taken else [p]
        waiting = refused
        flying = cycle(mesh, now)
        assert flying == reference.cycle(now)
        assert list(map(tuple, mesh.arrivals[: arrived(mesh)].tolist())) == reference.arrivals
        assert list(map(tuple, mesh.heads[: started(mesh)].tolist())) == reference.heads
        assert mesh.links[:, CROSSED].tolist() == reference.crossed
        assert mesh.links[:, STALLED].tolist() == reference.stalled
        came += [packet * places + place for place, packet in reference.arrivals]
        for place, flits in enumerate(reference.ejected):
            if flits and draw.random() < 0.3:
                taken_up = draw.randint(1, flits)
                release(mesh, place, taken_up)
                reference.ejected[place] -= taken_up
            assert ejected(mesh, place) == reference.ejected[place]
        now += 1
        if not (flying or waiting or offered < sent.cycles.size):
            break
    assert sorted(came) == expected(routes, sent).tolist()


@pytest.mark.parametrize("seed", range(16))
def test_every_cycle_is_that_of_the_reference(seed: int) -> None:
    draw = random.Random(seed)
    routes = routed(seed)
    room, router, link = draw.randint(1, 4), draw.randint(1, 3), draw.choice((1, 1, 2))
    injection, ejection = draw.choice((0, 8, 12)), draw.choice((0, 1, 3, 8))
    factors = np.array([draw.choice((1, 1, 1, 3)) for _ in range(5 * routes.width * routes.height)])
    factors[4::5] = 1
    mesh = mesh_of(
        routes,
        room,
        injection_flits=injection,
        ejection_flits=ejection,
        link_cycles=link,
        router_cycles=router,
        link_factors=factors,
    )
    reference = Reference(
        routes.width,
        routes.height,
        routes.channels,
        room,
        injection or inf,
        ejection or inf,
        (factors * link).tolist(),
        router,
    )
    window = draw.choice((1, 30, 200))
    sent = traffic(routes, np.random.default_rng(seed), draw.randint(1, 30), window)
    in_step(mesh, routes, reference, sent, seed)
