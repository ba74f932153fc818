"""A verified program with the tables that engines derive from it: the form in which it is run."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator.checks import ImageError
from elsac.runtime.emulator.verify import verify
from elsac.runtime.packets import PacketFormat
from elsac.runtime.program import Program, tree_of_spines

__all__ = ["Image", "ImageError", "load_image"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Image:
    """A program that passed verification. Offsets have one entry per thread, then the total."""

    program: Program
    alphabet: str
    packets: PacketFormat
    order: Ints  # [threads] the thread at each position of the order
    tracer_offset: Ints  # of the thread's [rows, columns] in the flat tracers
    membrane_offset: Ints  # the same; no room where membrane_bits is 0
    trace_offset: Ints  # of the thread's [trace_spines, trace_columns]
    counter_offset: Ints  # of the thread's [rows]
    spike_offset: Ints  # room for all spikes that a thread may make in a step
    send_offset: Ints  # room for all spines that a thread may send in a step
    narrow: bool  # every membrane fits 31 bits, and sums with any one update fit 32
    taps: "Taps"
    map_rows: "MapRows"
    trees: "Trees"

    def tracer(self, flat: NDArray[Any], thread: int) -> NDArray[Any]:
        """Return a thread's [rows, columns] of flat tracers, as a view."""
        return self._cut(flat, self.tracer_offset, thread)

    def membrane(self, flat: NDArray[Any], thread: int) -> NDArray[Any]:
        """Return a thread's [rows, columns] of flat membranes, as a view; it must have some."""
        return self._cut(flat, self.membrane_offset, thread)

    def _cut(self, flat: NDArray[Any], offset: Ints, thread: int) -> NDArray[Any]:
        entry = self.program.threads[thread]
        part = flat[offset[thread] : offset[thread + 1]]
        return part.reshape(int(entry["rows"]), int(entry["columns"]))


@dataclass(frozen=True)
class Taps:
    """For each window, the (row, tap) pairs that each input spine feeds, in ascending tap order.

    Spine s of window w has the pairs `indptr[first[w] + s] .. indptr[first[w] + s + 1]`. Equal
    windows share them.
    """

    first: Ints  # [windows]
    indptr: Ints
    row: Ints
    tap: Ints


@dataclass(frozen=True)
class MapRows:
    """For each index map, the rows that each spine feeds, once each, ascending; as in `Taps`."""

    first: Ints  # [maps]
    indptr: Ints
    row: Ints


@dataclass(frozen=True)
class Trees:
    """What the multicast trees of all threads come to; rows lie as in `Image.counter_offset`."""

    of_row: Ints  # the number of the tree that the row's flits take; 0 where there is none
    row_links: Ints  # links that each flit of the row crosses, to those that get this spine
    route_links: Ints  # [routes] links of the route's whole tree


def load_image(program: Program) -> Image:
    """Verify a program and derive its tables; raise :class:`ImageError` if it may not run."""
    facts = verify(program)
    # 64 bits before any product.
    names = program.threads.dtype.names or ()
    threads = {name: program.threads[name].astype(np.int64) for name in names}
    neurons = threads["rows"] * threads["columns"]
    bits = threads["membrane_bits"]
    return Image(
        program=program,
        alphabet=program.header["alphabet"],
        packets=facts.packets,
        order=np.argsort(threads["order"]),
        tracer_offset=_offsets(neurons),
        membrane_offset=_offsets(np.where(bits > 0, neurons, 0)),
        trace_offset=_offsets(threads["trace_spines"] * threads["trace_columns"]),
        counter_offset=_offsets(threads["rows"]),
        spike_offset=_offsets(neurons * facts.firings),
        send_offset=_offsets(threads["rows"] * facts.sends),
        trees=_trees(program),
        narrow=bool(bits.max(initial=0) <= 31 and facts.largest_update <= 1 << 30),
        taps=_all_taps(program),
        map_rows=_all_map_rows(program),
    )


def _offsets(sizes: Ints) -> Ints:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])


def _trees(program: Program) -> Trees:
    """Count the links of all trees, each once, however many of their routes share it."""
    threads, route_links = program.threads, np.zeros(len(program.routes), np.int64)
    offset = _offsets(threads["rows"].astype(np.int64))
    of_row, row_links = np.zeros((2, int(offset[-1])), np.int64)
    for number, thread in enumerate(threads):
        first, rows = int(thread["first_route"]), int(thread["rows"])
        routes = program.routes[first : first + int(thread["routes"])]
        if not len(routes):
            continue
        part = slice(offset[number], offset[number + 1])
        weights = dict(zip(routes["tree"].tolist(), routes["weight"].tolist(), strict=True))
        tree = tree_of_spines([weights[t] for t in range(len(weights))], rows)
        of_row[part] = tree
        route_links[first : first + len(routes)] = _links(program, routes)[routes["tree"]]
        # Between two bounds of spine ranges, a tree has the same routes.
        bounds = sorted({0, rows, *routes["first_spine"].tolist(), *routes["stop_spine"].tolist()})
        for start, stop in pairwise(bounds):
            inside = (routes["first_spine"] <= start) & (stop <= routes["stop_spine"])
            links = np.zeros(len(weights), np.int64)
            found = _links(program, routes[inside])
            links[: len(found)] = found
            row_links[part][start:stop] = links[tree[start:stop]]
    return Trees(of_row, row_links, route_links)


def _links(program: Program, routes: NDArray[np.void]) -> Ints:
    """Return the number of distinct links of each tree, up to the last that has a route here."""
    links: dict[int, set[tuple[int, int]]] = {}
    for route in routes:
        first = int(route["first_link"])
        path = program.links[first : first + int(route["links"])].tolist()
        links.setdefault(int(route["tree"]), set()).update(map(tuple, path))
    return np.array([len(links.get(t, ())) for t in range(1 + max(links, default=-1))], np.int64)


def _all_taps(program: Program) -> Taps:
    indptrs, rows, taps = _shared(program.windows, _window_taps)
    return Taps(*indptrs, row=rows, tap=taps)


def _all_map_rows(program: Program) -> MapRows:
    indptrs, rows, _ = _shared(program.maps, lambda entry: _map_rows(program, entry))
    return MapRows(*indptrs, row=rows)


_Table = tuple[Ints, Ints, Ints]


def _shared(
    entries: NDArray[np.void], make: Callable[[np.void], _Table]
) -> tuple[tuple[Ints, Ints], Ints, Ints]:
    """Concatenate the compressed rows of all entries, equal entries sharing theirs.

    `make` returns (indptr, two columns of pairs). Returned: (first, indptr), then the two columns.
    """
    first: list[int] = []
    known: dict[bytes, int] = {}
    parts: list[_Table] = [(np.zeros(0, np.int64),) * 3]
    position = pairs = 0
    for entry in entries:
        key = entry.tobytes()
        if key not in known:
            indptr, left, right = make(entry)
            known[key] = position
            parts.append((indptr + pairs, left, right))
            position += len(indptr)
            pairs += len(left)
        first.append(known[key])
    indptr, left, right = (np.concatenate(column) for column in zip(*parts, strict=True))
    return (np.array(first, np.int64), indptr), left, right


def _window_taps(window: np.void) -> _Table:
    """Invert the geometry of one window: (row, tap) pairs by input spine, ascending in the tap."""

    def axis(of: str) -> tuple[Ints, NDArray[np.bool_]]:
        """Return the input coordinate of each (output, kernel) pair, and whether it exists."""
        size, out, kernel, stride, dilation = (
            int(window[f"{name}_{of}"]) for name in ("in", "out", "kernel", "stride", "dilation")
        )
        pad = int(window["pad_top" if of == "height" else "pad_left"])
        read = np.arange(out)[:, None] * stride - pad + np.arange(kernel)[None, :] * dilation
        return read, (read >= 0) & (read < size)

    (y, y_exists), (x, x_exists) = axis("height"), axis("width")
    oy, ky = np.nonzero(y_exists)
    ox, kx = np.nonzero(x_exists)
    # Every vertical pair with every horizontal one.
    spine = (y[oy, ky][:, None] * int(window["in_width"]) + x[ox, kx][None, :]).ravel()
    row = (oy[:, None] * int(window["out_width"]) + ox[None, :]).ravel()
    tap = (ky[:, None] * int(window["kernel_width"]) + kx[None, :]).ravel()
    order = np.lexsort((tap, spine))
    spines = int(window["in_height"]) * int(window["in_width"])
    return _offsets(np.bincount(spine, minlength=spines)), row[order], tap[order]


def _map_rows(program: Program, entry: np.void) -> _Table:
    """Find the distinct rows that each spine of one index map names."""
    spines, channels = int(entry["spines"]), int(entry["channels"])
    start, target = int(entry["indptr"]), int(entry["target"])
    bounds = program.map_indptr[start : start + spines * channels + 1]
    pairs = program.map_targets[target : target + int(entry["targets"])]
    spine = np.repeat(np.arange(spines * channels) // max(channels, 1), np.diff(bounds))
    distinct = np.unique(np.stack([spine, pairs[:, 0].astype(np.int64)], axis=1), axis=0)
    counts = np.bincount(distinct[:, 0], minlength=spines)
    return _offsets(counts), distinct[:, 1], distinct[:, 1]
