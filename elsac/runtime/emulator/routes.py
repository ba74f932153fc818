"""Static verification of the routes: paths on the mesh, and the multicast trees that they form."""

from typing import Any

from elsac.runtime.emulator.checks import check_range, entries, fail, is_integer, thread_name
from elsac.runtime.program import Program

MAX_WEIGHT = 1 << 12
"""Greatest sum of the weights of one thread's trees: the period in which its spines take them."""

_LIMITS = {"mesh_width": 256, "mesh_height": 256, "virtual_channels": 64}
"""What a program's target may have at most, and what is assumed where its header does not say."""

Fields = dict[str, int]


def check_routes(program: Program) -> None:
    """Refuse routes that leave the mesh, miss their destination or make no trees."""
    width, height, channels = (_limit(program, name) for name in _LIMITS)
    places = []
    for index, core in entries(program.cores):
        if not (0 <= core["x"] < width and 0 <= core["y"] < height):
            fail(f"core {index}: no place of a mesh of {width}x{height}")
        places.append(core["y"] * width + core["x"])
    if len(set(places)) < len(places):
        fail("two cores have the same place on the mesh")
    if ((program.links < 0) | (program.links >= width * height)).any():
        fail(f"a link names a place outside of the mesh of {width}x{height}")
    for index, thread in entries(program.threads):
        where = thread_name(program, index)
        check_range(
            f"{where}: routes", thread["first_route"], thread["routes"], len(program.routes)
        )
        first = thread["first_route"]
        routes = [r for _, r in entries(program.routes[first : first + thread["routes"]])]
        for number, route in enumerate(routes, first):
            name = f"{where}: route {number}"
            check_range(f"{name}: destination", route["destination"], 1, len(places))
            check_range(f"{name}: links", route["first_link"], route["links"], len(program.links))
            _check_path(program, name, route, width, places, thread["core"])
            _check_fields(name, route, channels, thread["rows"])
        _check_trees(where, routes)
        _check_parents(program, where, routes, places[thread["core"]])


def _limit(program: Program, name: str) -> int:
    target: Any = program.header.get("target", {})
    if not isinstance(target, dict):
        fail("header: the target is not a table")
    value = target.get(name, _LIMITS[name])
    if not is_integer(value) or not 1 <= value <= _LIMITS[name]:
        fail(f"header: the target's {name} is {value!r}; expected 1..{_LIMITS[name]}")
    return value


def _check_path(
    program: Program, name: str, route: Fields, width: int, places: list[int], core: int
) -> None:
    """Links join neighbours and lead from the thread's core to the destination."""
    here = places[core]
    first = route["first_link"]
    for start, stop in program.links[first : first + route["links"]].tolist():
        if start != here:
            fail(f"{name}: a link begins at place {start}, expected {here}")
        if abs(start % width - stop % width) + abs(start // width - stop // width) != 1:
            fail(f"{name}: the places {start} and {stop} are no neighbours")
        here = stop
    if here != places[route["destination"]]:
        fail(f"{name}: it ends at place {here}, its core is at {places[route['destination']]}")


def _check_fields(name: str, route: Fields, channels: int, rows: int) -> None:
    if not 1 <= route["weight"] <= MAX_WEIGHT:
        fail(f"{name}: weight {route['weight']}; expected 1..{MAX_WEIGHT}")
    if not 0 <= route["channel"] < channels:
        fail(f"{name}: virtual channel {route['channel']}; expected 0..{channels - 1}")
    if not 0 <= route["first_spine"] <= route["stop_spine"] <= rows:
        fail(f"{name}: spines {route['first_spine']} to {route['stop_spine']} of {rows}")
    if route["credits"] < 0:
        fail(f"{name}: {route['credits']} credits")


def _check_parents(program: Program, where: str, routes: list[Fields], root: int) -> None:
    """A tree comes to each place from one other, and to its root from none."""
    parents: dict[tuple[int, int], int] = {}
    for route in routes:
        tree, first = route["tree"], route["first_link"]
        for start, stop in program.links[first : first + route["links"]].tolist():
            if stop == root or parents.setdefault((tree, stop), start) != start:
                other = "where it starts" if stop == root else f"also from {parents[tree, stop]}"
                fail(f"{where}: tree {tree} comes to place {stop} from {start}, {other}")


def _check_trees(where: str, routes: list[Fields]) -> None:
    """Trees are numbered from 0 on, each of one weight and channel, once to each destination."""
    trees: dict[int, tuple[int, int]] = {}
    for route in routes:
        shared = route["weight"], route["channel"]
        if trees.setdefault(route["tree"], shared) != shared:
            fail(f"{where}: the routes of tree {route['tree']} differ in weight or channel")
    if sorted(trees) != list(range(len(trees))):
        fail(f"{where}: its trees have the numbers {sorted(trees)[:9]}, expected 0, 1, ...")
    if (total := sum(weight for weight, _ in trees.values())) > MAX_WEIGHT:
        fail(f"{where}: its trees weigh {total} together; at most {MAX_WEIGHT}")
    if len({(r["tree"], r["destination"]) for r in routes}) < len(routes):
        fail(f"{where}: two routes of one tree lead to the same core")
