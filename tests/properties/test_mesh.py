"""The mesh never stands still on routes with a certificate, and does where they have none."""

from typing import Any

import numpy as np

from elsac.runtime.timing.mesh_state import Mesh
from elsac.runtime.timing.mesh_traffic import Traffic, replay
from tests.unit.runtime.mesh_cases import Routed, arrivals_of, expected, mesh_of, routed, traffic

ROUTINGS = 500
TRAFFICS = 5
"""For each routing and each size of buffers."""
ROOMS = (1, 2, 3, 4)


def fresh(mesh: Mesh) -> Mesh:
    """An empty mesh like this empty one, for less than it takes to build one."""
    parts: Any = (part.copy() if isinstance(part, np.ndarray) else part for part in mesh)
    return Mesh(*parts)


def complete(routes: Routed, mesh: Mesh, sent: Traffic, period: int) -> bool:
    """Whether every packet came to each of its readers, once."""
    due = expected(routes, sent)
    outcome = replay(fresh(mesh), sent, period=period, expected=due.size + 1)
    return outcome.in_flight == 0 and np.array_equal(arrivals_of(routes, outcome), due)


def failures(seeds: range, *, cut: bool = True) -> tuple[int, int]:
    """Cases, and those in which not every packet came. Without `cut`, long packets fork whole."""
    cases, failed = 0, 0
    for seed in seeds:
        routes = routed(seed)
        for room in ROOMS:
            draw = np.random.default_rng((seed, room))
            injection, ejection = int(draw.choice((0, 8, 16))), int(draw.choice((1, 2, 8)))
            mesh = mesh_of(routes, room, injection_flits=injection, ejection_flits=ejection)
            if not cut:
                mesh.roots[:, 1] = 0
            for _ in range(TRAFFICS):
                packets, window = int(draw.integers(20, 200)), int(draw.choice((1, 50, 400)))
                sent = traffic(routes, draw, packets, window)
                cases += 1
                failed += not complete(routes, mesh, sent, int(draw.choice((1, 2))))
    return cases, failed


def test_certified_routes_never_deadlock() -> None:
    assert failures(range(ROUTINGS)) == (10_000, 0)


def test_forks_of_packets_longer_than_a_buffer_would_deadlock() -> None:
    """So the test above can fail, and packets have to be cut where the certificate is to hold."""
    cases, failed = failures(range(20), cut=False)
    assert failed > cases // 10
