"""A program as timing models see it: PEs that serve spines, and who waits for whom.

A thread's lines may be divided over several PEs of its core; a `group` is the part of a thread that
holds the same rows. PEs that get the same work (columns of the same rows) keep the same pace and
count as one `server`. An `actor` is a group on a server: it is visited by spines, one after the
other, and counts down the rows that they feed, like the program does.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator.image import Image
from elsac.runtime.timing.ports import QUIET, Taps, Work, batches, weights, work
from elsac.runtime.timing.units import units
from elsac.targets import Target

Ints = NDArray[np.int64]

_NONE = np.zeros(0, np.int64)


class TimedNet(NamedTuple):
    """Flat tables, contiguous 64-bit integers; `*_at` are compressed row pointers. Rows of all
    threads lie one behind the other, as in `Image.counter_offset`.
    """

    # threads
    row_at: Ints
    heads: Ints  # threads whose charges are the answer
    core_of: Ints
    layer_of: Ints
    groups_at: Ints  # [threads + 1]
    channels_at: Ints  # [threads + 1] -> channels
    senders_at: Ints  # [threads + 1] -> senders: threads that it reads
    senders: Ints
    pe_columns: Ints  # PEs that share the columns
    unit: Ints  # server of the router's unit that the thread's rows go through; -1: none
    unit_cycles: Ints  # for a row
    unit_parts: Ints  # activations for a row
    unit_kind: Ints  # the count that these go to
    # groups
    group_thread: Ints
    group_row: Ints  # first row
    group_rows: Ints
    group_actors_at: Ints
    group_actors: Ints
    source: Ints  # 1: injects an input
    turns: Ints  # of the circuits for one row
    batch_turns: Ints  # for one batch: that of a product touches one head
    batch_pes: Ints  # PEs that a batch takes place in
    inner: Ints  # weight rows that an inner product reads for one row
    words: Ints  # macros of a weight row
    order: Ints  # [rows] the order in which rows run that wait for nothing
    waits: Ints  # [rows] dependencies, over all actors of the group
    row_group: Ints
    # actors
    actor_group: Ints
    actor_server: Ints
    visits: Ints  # spines in a step that feed rows of the group; others are not taken up
    server_at: Ints  # [servers + 1] -> server_actors
    server_actors: Ints
    # readers: a port of an actor, by the thread that it reads
    reader_actor: Ints
    reader_channel: Ints
    reader_first: Ints
    reader_stop: Ints
    reader_kind: Ints
    reader_share: Ints  # of 1 << 16: spikes that lie in the thread's channels
    reader_taps: Ints  # address of the spine's row pointer in tap_at
    reader_pes: Ints  # of a factor, as all below: see `ports.Work`
    reader_ways: Ints
    reader_heads: Ints
    reader_bits: Ints
    # channels: a stream on its way to a core
    readers_at: Ints  # [channels + 1] -> readers
    channel_core: Ints
    channel_hops: Ints
    channel_local: Ints
    # taps of windows and maps
    tap_at: Ints
    tap_row: Ints


def build(image: Image, target: Target) -> TimedNet:
    """Return the tables of a program."""
    program = image.program
    threads = program.threads
    count = len(threads)
    parts = _groups(image, target)
    columns = -(-threads["columns"].astype(np.int64) // np.maximum(threads["pe_columns"], 1))
    touched = batches(image, columns)
    taps = Taps(image)
    loops = [
        [taps.of(thread, p) for p in program.ports[entry["first_port"] :][: entry["ports"]]]
        for thread, entry in enumerate(threads)
    ]
    tap_at, tap_row = taps.arrays()
    hops = _hops(image)
    readers: list[list[tuple[int, ...]]] = [[] for _ in range(count)]
    channels: list[list[tuple[int, int, int]]] = [[] for _ in range(count)]
    channel_number: dict[tuple[int, int], int] = {}
    senders: list[list[int]] = [[] for _ in range(count)]
    visits = np.zeros(len(parts.actor_group), np.int64)
    found: list[tuple[int, tuple[int, int], list[Any]]] = []
    for thread in range(count):
        entry = threads[thread]
        core = int(entry["core"])
        ports = program.ports[entry["first_port"] :][: entry["ports"]]
        for port, addresses in zip(ports, loops[thread], strict=True):
            sender = int(port["source"])
            if thread not in senders[sender]:
                senders[sender].append(thread)
            key = sender, core
            if key not in channel_number:
                channel_number[key] = len(channel_number)
                local = int(threads[sender]["core"]) == core
                channels[sender].append((core, 0 if local else hops.get(key, 0), int(local)))
            for group in range(parts.groups_at[thread], parts.groups_at[thread + 1]):
                low = parts.group_row[group] - int(image.counter_offset[thread])
                span = low, low + parts.group_rows[group]
                does = work(image, thread, port, span, int(touched.pes[thread]))
                for turn, at in enumerate(addresses):
                    # Later loops only count down.
                    what = does if turn == 0 else Work(QUIET, does.share)
                    first, stop, feed = _reach(span, port, at, tap_at, tap_row)
                    for actor in parts.actors[group]:
                        visits[actor] += feed
                        entries = [actor, first, stop, *what[:2], at, *what[2:]]
                        found.append((sender, key, entries))
    # Channels are numbered by sender, like the lists.
    numbers: dict[tuple[int, int], int] = {}
    for sender in range(count):
        for core, _, _ in channels[sender]:
            numbers[sender, core] = len(numbers)
    for sender, key, (actor, *rest) in found:
        readers[sender].append((actor, numbers[key], *rest))
    for its in readers:
        its.sort(key=lambda r: (r[1], r[0]))
    reader = np.array([r for its in readers for r in its], np.int64).reshape(-1, 11)
    channel = np.array([c for its in channels for c in its], np.int64).reshape(-1, 3)
    read_by: list[list[int]] = [[] for _ in range(count)]
    for sender, its_readers in enumerate(senders):
        for thread in its_readers:
            read_by[thread].append(sender)
    waits = program.depends[_indices(image)].astype(np.int64)
    row_group = np.repeat(np.arange(len(parts.group_rows)), parts.group_rows)
    orders = np.concatenate([_NONE, *(_order(image, thread) for thread in range(count))])
    for group in range(len(parts.group_thread)):
        rows = slice(parts.group_row[group], parts.group_row[group] + parts.group_rows[group])
        waits[rows] *= len(parts.actors[group])
    actors = [a for its in parts.actors for a in its]
    inner, words = weights(image, touched.columns)
    through = units(image, target, parts.servers)
    of = np.array(parts.group_thread, np.int64)
    ints = np.asarray
    server_order = np.argsort(parts.actor_server, kind="stable")
    return TimedNet(
        row_at=image.counter_offset,
        heads=_heads(image),
        core_of=threads["core"].astype(np.int64),
        layer_of=threads["layer"].astype(np.int64),
        groups_at=ints(parts.groups_at, np.int64),
        channels_at=_pointers([len(c) for c in channels]),
        senders_at=_pointers([len(s) for s in read_by]),
        senders=np.array([s for its in read_by for s in its], np.int64),
        pe_columns=threads["pe_columns"].astype(np.int64),
        unit=through.server,
        unit_cycles=through.cycles,
        unit_parts=through.parts,
        unit_kind=through.kind,
        group_thread=of,
        group_row=ints(parts.group_row, np.int64),
        group_rows=ints(parts.group_rows, np.int64),
        group_actors_at=_pointers([len(a) for a in parts.actors]),
        group_actors=np.array(actors, np.int64),
        source=(threads["input"][of] >= 0).astype(np.int64),
        turns=-(-columns // target.circuits_per_pe)[of],
        batch_turns=-(-touched.columns // target.circuits_per_pe)[of],
        batch_pes=touched.pes[of],
        inner=inner[of],
        words=words[of],
        order=orders.astype(np.int64),
        waits=waits,
        row_group=row_group.astype(np.int64),
        actor_group=ints(parts.actor_group, np.int64),
        actor_server=ints(parts.actor_server, np.int64),
        visits=visits,
        server_at=_pointers(np.bincount(parts.actor_server, minlength=parts.servers)),
        server_actors=server_order.astype(np.int64),
        reader_actor=reader[:, 0].copy(),
        reader_channel=reader[:, 1].copy(),
        reader_first=reader[:, 2].copy(),
        reader_stop=reader[:, 3].copy(),
        reader_kind=reader[:, 4].copy(),
        reader_share=reader[:, 5].copy(),
        reader_taps=reader[:, 6].copy(),
        reader_pes=reader[:, 7].copy(),
        reader_ways=reader[:, 8].copy(),
        reader_heads=reader[:, 9].copy(),
        reader_bits=reader[:, 10].copy(),
        readers_at=_pointers(np.bincount(reader[:, 1], minlength=len(channel))),
        channel_core=channel[:, 0].copy(),
        channel_hops=channel[:, 1].copy(),
        channel_local=channel[:, 2].copy(),
        tap_at=tap_at,
        tap_row=tap_row,
    )


class _Parts:
    """Groups, actors and servers."""

    def __init__(self) -> None:
        self.groups_at = [0]
        self.group_thread: list[int] = []
        self.group_row: list[int] = []
        self.group_rows: list[int] = []
        self.actors: list[list[int]] = []  # by group
        self.actor_group: list[int] = []
        self.actor_server: list[int] = []
        self.servers = 0


def _groups(image: Image, target: Target) -> _Parts:
    """Divide threads over the PEs of their cores, the next one where the last one ended."""
    parts, threads = _Parts(), image.program.threads
    pes: dict[tuple[int, int], list[int]] = {}  # (core, PE) -> groups
    free: dict[int, int] = {}
    for thread, entry in enumerate(threads):
        rows, held = int(entry["rows"]), int(entry["pe_rows"])
        source = entry["input"] >= 0
        core, wide = int(entry["core"]), int(entry["pe_columns"])
        for first in range(0, rows, rows if source else held):
            group = len(parts.group_thread)
            parts.group_thread.append(thread)
            parts.group_row.append(int(image.counter_offset[thread]) + first)
            parts.group_rows.append(rows if source else min(held, rows - first))
            parts.actors.append([])
            if source:  # its own: what comes from outside takes no PE's time
                pes[core, -1 - group] = [group]
                continue
            for _ in range(wide):
                pe = free.get(core, 0) % target.pes_per_core
                free[core] = pe + 1
                pes.setdefault((core, pe), []).append(group)
        parts.groups_at.append(len(parts.group_thread))
    servers: dict[tuple[int, ...], int] = {}
    for (core, _), groups in sorted(pes.items()):
        key = core, *groups
        if key in servers:
            continue
        servers[key] = parts.servers
        parts.servers += 1
        for group in dict.fromkeys(groups):
            parts.actors[group].append(len(parts.actor_group))
            parts.actor_group.append(group)
            parts.actor_server.append(servers[key])
    return parts


def _reach(
    rows: tuple[int, int], port: np.void, at: int, tap_at: Ints, tap_row: Ints
) -> tuple[int, int, int]:
    """Return the first and the last spine of a port, plus 1, that feed rows of a group, and how
    many do.
    """
    first, stop = int(port["first"]), int(port["stop"])
    pointers = tap_at[at + first : at + max(stop, first) + 1]
    fed = tap_row[pointers[0] : pointers[-1]]
    hits = np.flatnonzero((fed >= rows[0]) & (fed < rows[1])) + pointers[0]
    if not len(hits):
        return first, first, 0
    spines = np.unique(np.searchsorted(pointers, hits, side="right") - 1)
    return first + int(spines[0]), first + int(spines[-1]) + 1, len(spines)


def _hops(image: Image) -> dict[tuple[int, int], int]:
    """Return the links between a thread and a core, the mean over its trees, rounded up."""
    program, hops = image.program, {}
    for thread, entry in enumerate(program.threads):
        found: dict[int, list[tuple[int, int]]] = {}
        for route in program.routes[entry["first_route"] :][: entry["routes"]]:
            core = int(route["destination"])
            found.setdefault(core, []).append((int(route["links"]), int(route["weight"])))
        for core, paths in found.items():
            weight = sum(w for _, w in paths)
            hops[thread, core] = -(-sum(n * w for n, w in paths) // weight)
    return hops


def _heads(image: Image) -> Ints:
    """Return the threads behind the values that leave the chip, or else those that nobody reads."""
    bindings = image.program.bindings
    readings = bindings.get("readings", [])
    heads = {t for v in bindings.get("values", []) for t in readings[v["reading"]]["threads"]}
    if not heads:
        heads = set(range(len(image.program.threads))) - set(image.program.ports["source"].tolist())
    return np.array(sorted(heads), np.int64)


def _order(image: Image, thread: int) -> Ints:
    entry = image.program.threads[thread]
    first, rows = int(entry["row_order"]), int(entry["rows"])
    if first < 0:
        return np.arange(rows)
    return image.program.row_orders[first : first + rows].astype(np.int64)


def _indices(image: Image) -> Ints:
    """Return the place of each row's dependency count."""
    threads = image.program.threads
    parts = (np.arange(t["depends"], t["depends"] + t["rows"], dtype=np.int64) for t in threads)
    return np.concatenate([_NONE, *parts])


def _pointers(sizes: Any) -> Ints:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(np.asarray(sizes, np.int64))])
