"""The trees of programs: which reader of a stream gets which spine, and which way."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from elsac.runtime.program import CORE, ROUTE, THREAD, Program
from elsac.runtime.timing.mesh import ProgramTrees, build, cycle, inject, trees_of_program

Path = tuple[int, ...]
Route = tuple[Path, int, int, int, int, int]


def program(routes: list[list[Route]], sources: list[int], rows: int, places: int) -> Program:
    """Threads at `sources` with routes (path, tree, weight, channel, first spine, stop spine), on
    a mesh that is two places wide and has a core everywhere.
    """
    result = Program({}, {}, [], np.zeros(0, np.uint64))
    result.cores = np.zeros(places, CORE)
    result.cores["y"], result.cores["x"] = np.divmod(np.arange(places), 2)
    result.threads = np.zeros(len(routes), THREAD)
    table, links = list[Any](), list[tuple[int, int]]()
    for thread, (mine, source) in enumerate(zip(routes, sources, strict=True)):
        spec = result.threads[thread]
        spec["core"], spec["rows"] = source, rows
        spec["first_route"], spec["routes"] = len(table), len(mine)
        for path, tree, weight, channel, first, stop in mine:
            hops = list(pairwise(path))
            fields = (path[-1], len(links), len(hops), tree, weight, channel, first, stop, 1)
            table.append(fields)
            links += hops
    result.routes = np.array(table, ROUTE)
    result.links = np.array(links, np.int32).reshape(-1, 2)
    return result


def ways(found: ProgramTrees, tree: int) -> tuple[dict[int, int], int]:
    """The masks of a tree, and its channel."""
    entries = slice(found.trees.ptr[tree], found.trees.ptr[tree + 1])
    places, masks = found.trees.places[entries], found.trees.masks[entries]
    return dict(zip(places.tolist(), masks.tolist(), strict=True)), int(found.channels[tree])


N, E, S, W, HERE = (1 << port for port in range(5))

ROUTES: list[list[Route]] = [
    [  # two trees, 2 : 1, to places 1 and 3; the core's own place reads the spines from 3 on
        ((0, 1), 0, 2, 0, 0, 6),
        ((0, 1, 3), 0, 2, 0, 0, 4),
        ((0,), 0, 2, 0, 3, 6),
        ((0, 2, 3, 1), 1, 1, 3, 0, 6),
        ((0, 2, 3), 1, 1, 3, 0, 4),
        ((0,), 1, 1, 3, 3, 6),
    ],
    [],
    [((3,), 0, 1, 0, 0, 6)],
]


def test_spines_take_turns_and_lead_to_their_readers_only() -> None:
    found = trees_of_program(program(ROUTES, [0, 1, 3], 6, 4), 2)
    of_spine = [ways(found, tree) for tree in found.of_row[:6]]
    both, all_of_it = {0: E, 1: S | HERE, 3: HERE}, {0: E | HERE, 1: S | HERE, 3: HERE}
    aside = {0: S, 2: E, 3: N | HERE, 1: HERE}
    assert of_spine[0] == (both, 0) and of_spine[1] == (aside, 3) and of_spine[2] == (both, 0)
    assert of_spine[3] == (all_of_it, 0)
    assert of_spine[4] == ({0: S | HERE, 2: E, 3: N, 1: HERE}, 3)
    assert of_spine[5] == ({0: E | HERE, 1: HERE}, 0)
    assert found.of_row[6:12].tolist() == [-1] * 6
    assert {ways(found, tree)[0][3] for tree in found.of_row[12:]} == {HERE}
    assert found.offset.tolist() == [0, 6, 12, 18]
    assert ways(found, found.closing[0]) == (all_of_it, 0) and found.closing[1] == -1


def test_without_the_own_core() -> None:
    found = trees_of_program(program(ROUTES, [0, 1, 3], 6, 4), 2, to_own_core=False)
    assert ways(found, found.of_row[3]) == ({0: E, 1: S | HERE, 3: HERE}, 0)
    assert found.of_row[12:].tolist() == [-1] * 6 and found.closing[1:].tolist() == [-1, -1]


@pytest.mark.parametrize("to_own_core", [True, False])
def test_the_mesh_takes_them(to_own_core: bool) -> None:
    found = trees_of_program(program(ROUTES, [0, 1, 3], 6, 4), 2, to_own_core=to_own_core)
    mesh = build(2, 2, 4, trees=found.trees)
    for row, tree in enumerate(found.of_row.tolist()):
        if tree >= 0:
            place = int(mesh.sources[tree])
            assert place == (0, 1, 3)[row // 6]
            assert inject(mesh, place, tree, int(found.channels[tree]), row, 3)
    now = 0
    while cycle(mesh, now):
        now += 1
    taken = [found.of_row[row] for row in range(18) if found.of_row[row] >= 0]
    readers = sum(mask >> 4 & 1 for tree in taken for mask in ways(found, tree)[0].values())
    assert mesh.routers[:, 2].sum() == 3 * readers
