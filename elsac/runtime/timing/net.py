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
from elsac.runtime.handlers import handler
from elsac.targets import Target

Ints = NDArray[np.int64]

_NONE = np.zeros(0, np.int64)

ACC, COLUMN, TRACE, QUIET = range(4)
"""What a visit does: adds rows of weights; touches single columns of membranes (`add`, `scat`);
notes tracers (`trace`); nothing but counting down."""


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
    # groups
    group_thread: Ints
    group_row: Ints  # first row
    group_rows: Ints
    group_actors_at: Ints
    group_actors: Ints
    source: Ints  # 1: injects an input
    turns: Ints  # of the circuits for one row
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
    tap_at = np.concatenate([image.taps.indptr, image.map_rows.indptr + len(image.taps.row)])
    tap_row = np.concatenate([image.taps.row, image.map_rows.row])
    maps_from = len(image.taps.indptr)
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
        for port in program.ports[entry["first_port"] :][: entry["ports"]]:
            sender = int(port["source"])
            if thread not in senders[sender]:
                senders[sender].append(thread)
            key = sender, core
            if key not in channel_number:
                channel_number[key] = len(channel_number)
                local = int(threads[sender]["core"]) == core
                channels[sender].append((core, 0 if local else hops.get(key, 0), int(local)))
            kind, share = _work(image, port, int(threads[sender]["columns"]))
            for turn, at in enumerate(_taps(image, port, maps_from)):
                what = kind if turn == 0 else QUIET  # later loops only count down
                for group in range(parts.groups_at[thread], parts.groups_at[thread + 1]):
                    first, stop, feed = _reach(parts, group, image, port, at, tap_at, tap_row)
                    for actor in parts.actors[group]:
                        visits[actor] += feed
                        found.append((sender, key, [actor, first, stop, what, share, at]))
    # Channels are numbered by sender, like the lists.
    numbers: dict[tuple[int, int], int] = {}
    for sender in range(count):
        for core, _, _ in channels[sender]:
            numbers[sender, core] = len(numbers)
    for sender, key, (actor, *rest) in found:
        readers[sender].append((actor, numbers[key], *rest))
    for its in readers:
        its.sort(key=lambda r: (r[1], r[0]))
    reader = np.array([r for its in readers for r in its], np.int64).reshape(-1, 7)
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
    columns = -(-threads["columns"].astype(np.int64) // np.maximum(threads["pe_columns"], 1))
    inner, words = _weights(image, columns)
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
        group_thread=of,
        group_row=ints(parts.group_row, np.int64),
        group_rows=ints(parts.group_rows, np.int64),
        group_actors_at=_pointers([len(a) for a in parts.actors]),
        group_actors=np.array(actors, np.int64),
        source=(threads["input"][of] >= 0).astype(np.int64),
        turns=-(-columns // target.circuits_per_pe)[of],
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
        readers_at=_pointers(np.bincount(reader[:, 1], minlength=len(channel))),
        channel_core=channel[:, 0].copy(),
        channel_hops=channel[:, 1].copy(),
        channel_local=channel[:, 2].copy(),
        tap_at=tap_at.astype(np.int64),
        tap_row=tap_row.astype(np.int64),
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


def _work(image: Image, port: np.void, columns: int) -> tuple[int, int]:
    """Return the kind of a port and the share of its spikes that the thread takes, of 1 << 16."""
    program = image.program
    base, whole = int(port["column_base"]), 1 << 16
    for _, name, operands in handler(image.program, int(port["on_spikes"])):
        if name in ("acc", "add"):
            table = program.weight_segments if name == "acc" else program.constant_segments
            segment = table[operands["weights" if name == "acc" else "constants"]]
            low = max(base, int(segment["first_input"]))
            high = min(base + columns, int(segment["first_input"]) + int(segment["inputs"]))
            share = whole * max(high - low, 0) // max(columns, 1)
            return (ACC if name == "acc" else COLUMN), share
        if name in ("scat", "trace"):
            return (COLUMN if name == "scat" else TRACE), whole
    return QUIET, 0


def _taps(image: Image, port: np.void, maps_from: int) -> list[int]:
    """Return where the row pointers of a port's spines begin, for each loop that counts down."""
    found = []
    for _, name, operands in handler(image.program, int(port["on_end"])):
        if name == "taps":
            found.append(int(image.taps.first[operands["window"]]))
        if name == "scount":
            found.append(maps_from + int(image.map_rows.first[operands["map"]]))
    return found


def _reach(
    parts: _Parts, group: int, image: Image, port: np.void, at: int, tap_at: Ints, tap_row: Ints
) -> tuple[int, int, int]:
    """Return the first and the last spine of a port, plus 1, that feed rows of a group, and how
    many do.
    """
    first, stop = int(port["first"]), int(port["stop"])
    low = parts.group_row[group] - int(image.counter_offset[parts.group_thread[group]])
    high = low + parts.group_rows[group]
    pointers = tap_at[at + first : at + max(stop, first) + 1]
    rows = tap_row[pointers[0] : pointers[-1]]
    hits = np.flatnonzero((rows >= low) & (rows < high)) + pointers[0]
    if not len(hits):
        return first, first, 0
    spines = np.unique(np.searchsorted(pointers, hits, side="right") - 1)
    return first + int(spines[0]), first + int(spines[-1]) + 1, len(spines)


def _weights(image: Image, columns: Ints) -> tuple[Ints, Ints]:
    """Return of each thread the weight rows behind one output row, and the macros of one of them.

    A macro word has 16 lanes of 4 bits; wider weights take more of them.
    """
    program, count = image.program, len(image.program.threads)
    inner, words = np.zeros((2, count), np.int64)
    for thread, entry in enumerate(program.threads):
        fan_in: dict[int, int] = {}
        for port in program.ports[entry["first_port"] :][: entry["ports"]]:
            for _, name, operands in handler(image.program, int(port["on_spikes"])):
                if name != "acc":
                    continue
                segment = program.weight_segments[operands["weights"]]
                width = int(segment["outputs_per_group"])
                if segment["inputs"] == segment["inputs_per_group"]:
                    width = min(width, int(columns[thread]))
                words[thread] = max(words[thread], -(-width * int(segment["bits"]) // 64))
                share = int(segment["taps"]) * int(segment["inputs_per_group"])
                fan_in[operands["weights"]] = share
        inner[thread] = sum(fan_in.values())
    return inner, words


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
