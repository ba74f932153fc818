"""The memory of the fast engine: two flat arrays of 64-bit integers, as in a machine.

Compiled code takes few arrays gladly and many badly: each one costs time to compile and in every
call. So all tables of an image lie in one array, `tables`, and all state of a run but its membranes
in another, `state`. Both begin with heads, which hold the address of what follows; a thread's line
of the thread table holds the addresses of its own parts of the state. Only membranes (32 bits where
they may be) and weights are arrays of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator.common import Ints, planes_of
from elsac.runtime.emulator.heap import Heap, matrix
from elsac.runtime.emulator.image import Image
from elsac.runtime.emulator.lines import place_functions, place_products
from elsac.runtime.emulator.verify import ALPHABETS, CODINGS
from elsac.runtime.isa import BY_MNEMONIC, ISA, PACKET_SPIKES
from elsac.runtime.program import PORT, ROUTE, THREAD

# Heads of `tables`: scalars, and addresses of matrices with one line per entry.
THREAD_COUNT, ALPHABET, FORMAT, CLOSES = range(4)
ORDER, THREADS, PORTS, WINDOWS, WEIGHTS, CONSTANTS, STAIRS, MAPS, CODE, ROUTES = range(4, 14)
TAP_ROWS, TAP_NUMBERS, MAP_ROWS = range(14, 17)
PRODUCTS, SOFTMAXES, NORMS, CURVES = range(17, 21)
TABLE_HEADS = 21

# Heads of `state`.
EXECUTED, FAULT = 0, 1
CHANNEL, VALUE = 2, 3  # the packet that is served
WEIGHT_ROW, GROUP, FACTOR = 4, 5, 6  # scratch of `acc`
BEST = 7  # scratch for one row: what its tracers follow
VISITS = 8  # the spines that arrive at the thread whose turn it is: port, spine, start, stop
PLACES, TURNS = 9, 10  # with jitter: the permuted spikes, and the spine of each event
OPEN = 11  # of each route: whether the last spine that took it in this step was empty
STATE_HEADS = 12

# Columns of the thread table: those of program.THREAD, then addresses in the state.
_THREAD = THREAD.names or ()
ROWS, COLUMNS, ROW_BASE, COLUMN_BASE, LO, HI, TRACE_SPINES, TRACE_COLUMNS = (
    _THREAD.index(name)
    for name in (
        *("rows", "columns", "row_base", "column_base", "lo", "hi"),
        *("trace_spines", "trace_columns"),
    )
)
FIRST_PORT, PORT_COUNT, ON_ROW, DEPENDS, ROW_ORDER, FIRST_ROUTE, ROUTE_COUNT = (
    _THREAD.index(name)
    for name in (
        *("first_port", "ports", "on_row", "depends", "row_order"),
        *("first_route", "routes"),
    )
)
TRACERS, TRACE, WAITING, INPUT = range(len(_THREAD), len(_THREAD) + 4)
SPIKE_COLUMNS, SPIKE_VALUES, SENDS, COUNTS, FILL, SENT = range(INPUT + 1, INPUT + 7)
MEMBRANES, LIMIT, LINKS, TREES, CODING, PLANES = range(INPUT + 7, INPUT + 13)
ROW_SPIKES, ROW_FLITS = PLANES + 1, PLANES + 2  # what each row sends in a step
THREAD_WIDTH = ROW_FLITS + 1

PORT_SOURCE, PORT_BASE, PORT_FIRST, PORT_STOP, PORT_SPIKES, PORT_END = (
    (PORT.names or ()).index(name)
    for name in ("source", "column_base", "first", "stop", "on_spikes", "on_end")
)
PORT_WIDTH = len(PORT.names or ())
ROUTE_TREE, ROUTE_FIRST, ROUTE_STOP = (
    (ROUTE.names or ()).index(name) for name in ("tree", "first_spine", "stop_spine")
)
TREE_LINKS = len(ROUTE.names or ())  # the columns of program.ROUTE, then the links of its tree
ROUTE_WIDTH = TREE_LINKS + 1
WINDOW_WIDTH, TAPS_AT = 13, 12  # the columns of program.WINDOW, then the address of its taps
WEIGHTS_WIDTH, CONSTANTS_WIDTH, STAIRS_WIDTH = 7, 4, 6  # columns as in program.py
MAP_WIDTH, MAP_INDPTR, MAP_CHANNELS, MAP_TARGET, MAP_ROWS_AT = 6, 0, 2, 3, 5
CODE_WIDTH, OPCODE, A, B, C, STOP = 5, 0, 1, 2, 3, 4  # STOP: the `next` that closes a loop

# At a thread's COUNTS.
POSITIVE, NEGATIVE, SOPS, PACKETS, FLIT_HOPS, EVENTS, UNDECIDED = range(7)
COUNT_WIDTH = 7


@dataclass(frozen=True, eq=False)
class Layout:
    """An image in the form that the compiled machine reads, and the plan of its state."""

    image: Image
    tables: Ints
    weights: NDArray[np.int32]
    state_size: int
    state_heads: Ints
    tracers: slice  # of all threads, in the state
    counts: slice  # [threads, COUNT_WIDTH]
    row_spikes: slice  # of all threads
    row_flits: slice

    def state(self, inputs: Sequence[Ints]) -> tuple[Ints, NDArray[Any]]:
        """Return (state, membranes) before the first step; `inputs` as in `run_sample`."""
        state = np.zeros(self.state_size, np.int64)
        state[:STATE_HEADS] = self.state_heads
        bindings = self.image.program.bindings.get("inputs", [])
        self.wish(state, inputs, [planes_of(entry["lo"], entry["hi"]) for entry in bindings])
        width = np.int32 if self.image.narrow else np.int64
        return state, np.zeros(self.image.membrane_offset[-1], width)

    def wish(self, state: Ints, wishes: Sequence[Ints], planes: Sequence[int]) -> None:
        """Write what the sources send next, and in how many bit planes each input."""
        table = self.tables[self.tables[THREADS] :]
        for number, thread in enumerate(self.image.program.threads):
            if thread["input"] >= 0:
                row, column = int(thread["row_base"]), int(thread["column_base"])
                lines = slice(row, row + int(thread["rows"]))
                part = wishes[thread["input"]][lines, column : column + int(thread["columns"])]
                address = int(table[number * THREAD_WIDTH + INPUT])
                state[address : address + part.size] = part.ravel()
                state[table[number * THREAD_WIDTH + PLANES]] = planes[thread["input"]]


def plan(image: Image) -> Layout:
    """Lay out an image; the result serves any number of runs."""
    program = image.program
    tables, state = Heap(TABLE_HEADS), Heap(STATE_HEADS)
    threads, heads, *slices = _plan_state(image, state)
    threads[:, DEPENDS] += tables.place(program.depends)
    threads[:, LINKS] += tables.place(image.trees.row_links)
    threads[:, TREES] += tables.place(image.trees.of_row)
    orders = tables.place(program.row_orders)
    threads[:, ROW_ORDER] += np.where(threads[:, ROW_ORDER] >= 0, orders, 0)
    head = {
        THREAD_COUNT: len(threads),
        ALPHABET: ALPHABETS.index(image.alphabet),
        FORMAT: tables.place(np.array(image.packets.parameters)),
        CLOSES: int(image.packets.closes),
        ORDER: tables.place(image.order),
        THREADS: tables.place(threads),
        PORTS: tables.place(matrix(program.ports)),
        CODE: tables.place(_code(program.code)),
        ROUTES: tables.place(np.column_stack([matrix(program.routes), image.trees.route_links])),
        TAP_ROWS: tables.place(image.taps.row),
        TAP_NUMBERS: tables.place(image.taps.tap),
        MAP_ROWS: tables.place(image.map_rows.row),
        WEIGHTS: tables.place(matrix(program.weight_segments)),
        CONSTANTS: tables.place(matrix(program.constant_segments)),
    }
    taps_at = tables.place(image.taps.indptr) + image.taps.first
    head[WINDOWS] = tables.place(np.column_stack([matrix(program.windows), taps_at]))
    stairs = matrix(program.stairs)
    thresholds, classes = tables.place(program.thresholds), tables.place(program.row_classes)
    stairs[:, 0] += thresholds
    stairs[:, 5] += np.where(stairs[:, 5] >= 0, classes, 0)
    head[STAIRS] = tables.place(stairs)
    functions = place_functions(program, tables, thresholds, classes)
    head |= dict(zip((SOFTMAXES, NORMS, CURVES), functions, strict=True))
    head[PRODUCTS] = place_products(image, tables, state)
    maps = matrix(program.maps)
    maps[:, MAP_INDPTR] += tables.place(program.map_indptr)
    # Pairs: two numbers each.
    maps[:, MAP_TARGET] = maps[:, MAP_TARGET] * 2 + tables.place(program.map_targets)
    rows_at = tables.place(image.map_rows.indptr) + image.map_rows.first
    head[MAPS] = tables.place(np.column_stack([maps, rows_at]))
    flat = np.concatenate(tables.parts)
    for slot, value in head.items():
        flat[slot] = value
    # The one form that the machine is compiled for: contiguous and writable.
    weights = np.require(program.weights, np.int32, ["C", "W"])
    return Layout(image, flat, weights, state.size, heads, *slices)


def _plan_state(image: Image, state: Heap) -> tuple[Ints, Ints, slice, slice, slice, slice]:
    """Reserve the state; return the thread table, the heads and the slices of :class:`Layout`."""
    program, count = image.program, len(image.program.threads)
    sources = program.threads["input"] >= 0
    neurons = np.diff(image.tracer_offset)
    inputs = np.where(sources, neurons, 0)
    spikes, sends = np.diff(image.spike_offset), np.diff(image.send_offset)
    bits = program.threads["membrane_bits"].astype(np.int64)
    tracers, counts = state.room(image.tracer_offset[-1]), state.room(COUNT_WIDTH * count)
    rows = int(image.counter_offset[-1])
    row_spikes, row_flits = state.room(rows), state.room(rows)
    columns = [
        tracers + image.tracer_offset[:-1],
        state.room(image.trace_offset[-1]) + image.trace_offset[:-1],
        state.room(image.counter_offset[-1]) + image.counter_offset[:-1],
        state.room(inputs.sum()) + np.cumsum(inputs) - inputs,
        state.room(image.spike_offset[-1]) + image.spike_offset[:-1],
        state.room(image.spike_offset[-1]) + image.spike_offset[:-1],
        # A sent spine is (row, start, stop).
        state.room(3 * image.send_offset[-1]) + 3 * image.send_offset[:-1],
        counts + COUNT_WIDTH * np.arange(count),
        state.room(count) + np.arange(count),
        state.room(count) + np.arange(count),
        image.membrane_offset[:-1],
        np.int64(1) << np.maximum(bits - 1, 0),
        image.counter_offset[:-1],
        image.counter_offset[:-1],
        _codings(image),
        state.room(count) + np.arange(count),
        row_spikes + image.counter_offset[:-1],
        row_flits + image.counter_offset[:-1],
    ]
    # The most that arrives at one thread in one step.
    visits = places = 0
    for thread in program.threads:
        first = int(thread["first_port"])
        arriving = program.ports["source"][first : first + int(thread["ports"])]
        visits = max(visits, int(sends[arriving].sum()))
        places = max(places, int(spikes[arriving].sum()))
    heads = np.zeros(STATE_HEADS, np.int64)
    for head, size in {
        EXECUTED: len(ISA),
        FAULT: 4,
        BEST: int(program.threads["columns"].max(initial=0)),
        VISITS: 4 * visits,
        PLACES: places,
        TURNS: 2 * visits + places // PACKET_SPIKES,
        OPEN: len(program.routes),
        **dict.fromkeys((CHANNEL, VALUE, WEIGHT_ROW, GROUP, FACTOR), PACKET_SPIKES),
    }.items():
        heads[head] = state.room(size)
    lines = np.column_stack([matrix(program.threads), *columns])
    sizes = {tracers: int(image.tracer_offset[-1]), counts: COUNT_WIDTH * count}
    sizes |= {row_spikes: rows, row_flits: rows}
    where = [slice(start, start + size) for start, size in sizes.items()]
    return lines, heads, where[0], where[1], where[2], where[3]


def _codings(image: Image) -> Ints:
    """Return per thread the index into CODINGS; 0 if no source."""
    threads, bindings = image.program.threads, image.program.bindings.get("inputs", [])
    coding = np.zeros(len(threads), np.int64)
    for thread in np.flatnonzero(threads["input"] >= 0):
        coding[thread] = CODINGS.index(bindings[threads["input"][thread]]["coding"])
    return coding


def _code(words: NDArray[np.uint64]) -> Ints:
    """Split every word; words outside of handlers may hold anything and are never run."""
    opcode = (words & np.uint64(0xFF)).astype(np.int64)
    a = (words >> np.uint64(8) & np.uint64(0xFF)).astype(np.int64)
    b = (words >> np.uint64(16) & np.uint64(0xFFFF)).astype(np.int64)
    c = (words >> np.uint64(32)).astype(np.uint32).view(np.int32).astype(np.int64)
    loops = np.flatnonzero(opcode == BY_MNEMONIC["next"].opcode)
    ends = np.append(loops, len(words))
    return np.column_stack([opcode, a, b, c, ends[np.searchsorted(loops, np.arange(len(words)))]])
