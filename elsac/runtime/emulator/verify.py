"""Static verification: what both engines may take for granted about a program.

Total: any program, also one whose tables hold garbage, is either accepted or refused with one
`ImageError`. An accepted program indexes inside its arrays, ends every handler and fits memory;
what remains for run time are the faults of :data:`elsac.runtime.emulator.common.FAULTS`.
"""

import numpy as np

from elsac.runtime import program as tables
from elsac.runtime.emulator.checks import (
    check_range,
    entries,
    fail,
    is_integer,
    records,
    thread_name,
)
from elsac.runtime.emulator.decisions import check_decisions, check_reports
from elsac.runtime.emulator.function_checks import check_tables, delivered
from elsac.runtime.emulator.handlers import Facts, ThreadCheck
from elsac.runtime.emulator.routes import check_routes
from elsac.runtime.packets import PacketError, PacketFormat, format_of
from elsac.runtime.program import Program
from elsac.runtime.tiles import Tile, covered

ALPHABETS = ("ternary", "floor", "nearest")
CODINGS = ("analog", "bitplane", "spikes")
MAX_ELEMENTS = 1 << 27
"""Most neurons, spikes, taps or counters that a program may ask for, each."""
MAX_MEMBRANE_BITS = 62


def verify(program: Program) -> Facts:
    """Check the whole program; raise `ImageError` at the first thing that is wrong."""
    _shapes(program)
    _header(program)
    packets = _packets(program)
    _cores(program)
    _windows(program)
    _segments(program)
    _threads(program)
    _ports(program)
    check_tables(program)
    check_routes(program)
    check_decisions(program)
    _bindings(program)
    facts = Facts(packets, *np.zeros((2, len(program.threads)), np.int64))
    for thread in range(len(program.threads)):
        ThreadCheck(program, thread, facts).run()
    check_reports(program)
    _memory(program, facts)
    _streams(program, facts)
    return facts


def _shapes(program: Program) -> None:
    """Every array has the type and the number of dimensions that `program.py` declares."""
    structured = {
        "cores": tables.CORE,
        "threads": tables.THREAD,
        "ports": tables.PORT,
        "windows": tables.WINDOW,
        "weight_segments": tables.WEIGHTS,
        "constant_segments": tables.CONSTANTS,
        "stairs": tables.STAIRS,
        "maps": tables.MAP,
        "products": tables.PRODUCT,
        "softmaxes": tables.SOFTMAX,
        "norms": tables.NORM,
        "curves": tables.CURVE,
        "routes": tables.ROUTE,
        "logits": tables.LOGITS,
        "decisions": tables.DECISION,
    }
    flat = {
        "code": np.uint64,
        "weights": np.int32,
        "thresholds": np.int64,
        "row_classes": np.int32,
        "depends": np.int32,
        "row_orders": np.int32,
        "map_indptr": np.int64,
        "map_targets": np.int32,
        "exponentials": np.int64,
        "absent": np.int8,
        "levels": np.int32,
        "links": np.int32,
        "scales": np.int64,
        "exps": np.int32,
    }
    for name, dtype in (structured | flat).items():
        array = getattr(program, name)
        if not isinstance(array, np.ndarray) or array.dtype != np.dtype(dtype):
            fail(f"table '{name}' does not have the type {np.dtype(dtype)}")
        columns = (2,) if name in ("map_targets", "links", "scales") else ()
        if array.ndim != 1 + len(columns) or array.shape[1:] != columns:
            fail(f"table '{name}' has the shape {array.shape}")


def _header(program: Program) -> None:
    alphabet = program.header.get("alphabet")
    if alphabet not in ALPHABETS:
        fail(f"header: alphabet {alphabet!r}; expected one of {', '.join(ALPHABETS)}")


def _packets(program: Program) -> PacketFormat:
    """Return the packet format that the header describes."""
    packet = program.header.get("packet")
    if not isinstance(packet, dict):
        fail("header: 'packet' is not a table")
    kind, flit_bits, fields = (packet.get(key) for key in ("kind", "flit_bits", "fields"))
    try:
        format = format_of(kind, flit_bits, fields)
    except PacketError as error:
        fail(f"header: {error}")
    if packet.get("capacity") != format.capacity:
        fail(f"header: packet.capacity is {packet.get('capacity')!r}, not {format.capacity}")
    return format


def _cores(program: Program) -> None:
    for index, core in entries(program.cores):
        where = f"core {index}"
        check_range(
            f"{where}: threads", core["first_thread"], core["threads"], len(program.threads)
        )
        check_range(f"{where}: words", core["first_word"], core["words"], len(program.code))


def _windows(program: Program) -> None:
    for index, window in entries(program.windows):
        for name, value in window.items():
            least = -(1 << 20) if name.startswith("pad") else 1
            if not least <= value <= 1 << 20:
                fail(f"window {index}: {name} is {value}; expected {least}..{1 << 20}")
        pairs = window["out_height"] * window["out_width"]
        pairs *= window["kernel_height"] * window["kernel_width"]
        if pairs > MAX_ELEMENTS or window["in_height"] * window["in_width"] > MAX_ELEMENTS:
            fail(f"window {index}: {pairs} taps are too many")


def _segments(program: Program) -> None:
    weights, thresholds = len(program.weights), len(program.thresholds)
    for index, entry in entries(program.weight_segments):
        where = f"weight segment {index}"
        if min(entry["taps"], entry["inputs_per_group"], entry["outputs_per_group"]) < 1:
            fail(f"{where}: taps and group sizes must be above 0")
        size = entry["taps"] * entry["inputs"] * entry["outputs_per_group"]
        check_range(where, entry["offset"], size if entry["inputs"] >= 0 else -1, weights)
        if entry["inputs"] % entry["inputs_per_group"]:
            fail(f"{where}: {entry['inputs']} inputs in groups of {entry['inputs_per_group']}")
    for index, entry in entries(program.constant_segments):
        check_range(f"constant segment {index}", entry["offset"], entry["inputs"], weights)
    for index, entry in entries(program.stairs):
        where = f"staircase {index}"
        if min(entry["classes"], entry["columns"], entry["levels"]) < 0:
            fail(f"{where}: negative size")
        size = entry["classes"] * entry["columns"] * entry["levels"]
        check_range(where, entry["offset"], size, thresholds)
        if entry["row_class"] < -1 or (entry["row_class"] == -1 and entry["classes"] < 1):
            fail(f"{where}: no classes for the rows")
    for index, entry in entries(program.maps):
        _map(program, f"map {index}", entry)


def _map(program: Program, where: str, entry: dict[str, int]) -> None:
    if min(entry["spines"], entry["channels"]) < 0:
        fail(f"{where}: negative size")
    size = entry["spines"] * entry["channels"] + 1
    check_range(f"{where}: rows", entry["indptr"], size, len(program.map_indptr))
    check_range(f"{where}: targets", entry["target"], entry["targets"], len(program.map_targets))
    rows = program.map_indptr[entry["indptr"] : entry["indptr"] + size]
    if rows[0] != 0 or rows[-1] != entry["targets"] or (rows[1:] < rows[:-1]).any():
        fail(f"{where}: its rows do not divide its {entry['targets']} targets")


def _threads(program: Program) -> None:
    count = len(program.threads)
    if sorted(program.threads["order"].tolist()) != list(range(count)):
        fail("the order of the threads is not a permutation")
    for index, thread in entries(program.threads):
        where = thread_name(program, index)
        if not 0 <= thread["layer"] < len(program.layers):
            fail(f"{where}: there are {len(program.layers)} layers")
        check_range(f"{where}: core", thread["core"], 1, len(program.cores))
        core = program.cores[thread["core"]]
        if not 0 <= index - core["first_thread"] < core["threads"]:
            fail(f"{where}: core {thread['core']} does not list it")
        sizes = ("rows", "columns", "row_base", "column_base", "trace_spines", "trace_columns")
        for name in sizes:
            if thread[name] < 0:
                fail(f"{where}: {name} is {thread[name]}")
        if not thread["lo"] <= 0 <= thread["hi"] or thread["hi"] - thread["lo"] >= 1 << 31:
            fail(f"{where}: tracers in {thread['lo']}..{thread['hi']} do not start at 0")
        if not 0 <= thread["membrane_bits"] <= MAX_MEMBRANE_BITS:
            fail(f"{where}: membranes of {thread['membrane_bits']} bits")
        check_range(f"{where}: ports", thread["first_port"], thread["ports"], len(program.ports))
        if min(thread["pe_columns"], thread["pe_rows"]) < 1:
            fail(f"{where}: its PEs hold no column or no row; expected 1 or more of each")
        check_range(f"{where}: counters", thread["depends"], thread["rows"], len(program.depends))
        _row_order(program, where, thread)
        if thread["input"] < -1:
            fail(f"{where}: input {thread['input']}")
    if (program.depends < 0).any():
        fail(f"dependency counter {int(np.argmax(program.depends < 0))} is negative")


def _row_order(program: Program, where: str, thread: dict[str, int]) -> None:
    """The order of the rows names each of them once."""
    first, rows = thread["row_order"], thread["rows"]
    if first == -1:
        return
    check_range(f"{where}: order of the rows", first, rows, len(program.row_orders))
    order = np.sort(program.row_orders[first : first + rows])
    if not np.array_equal(order, np.arange(rows)):
        fail(f"{where}: the order of its {rows} rows is not a permutation")


def _ports(program: Program) -> None:
    for index, thread in entries(program.threads):
        for number in range(thread["first_port"], thread["first_port"] + thread["ports"]):
            port = program.ports[number]
            where = f"{thread_name(program, index)}: port {number - thread['first_port']}"
            check_range(f"{where}: source", int(port["source"]), 1, len(program.threads))
            source = program.threads[port["source"]]
            if source["order"] >= thread["order"]:
                fail(f"{where}: its source, thread {port['source']}, does not run before it")
            if port["spines"] != source["rows"]:
                fail(f"{where}: {port['spines']} spines, but the source has {source['rows']} rows")
            if not 0 <= port["first"] <= port["stop"] <= port["spines"]:
                fail(f"{where}: spines {port['first']} to {port['stop']} of {port['spines']}")


def _bindings(program: Program) -> None:
    inputs = records(program, "inputs")
    for index, entry in enumerate(inputs):
        if entry.get("coding") not in CODINGS:
            fail(f"input {index}: coding {entry.get('coding')!r}; expected {', '.join(CODINGS)}")
        if not (is_integer(entry.get("lo")) and is_integer(entry.get("hi"))):
            fail(f"input {index}: lo and hi must be integers")
    for index, thread in entries(program.threads):
        if thread["input"] < 0:
            continue
        where = thread_name(program, index)
        check_range(f"{where}: input", thread["input"], 1, len(inputs))
        bounds = [inputs[thread["input"]].get(name) for name in ("lo", "hi")]
        if bounds != [thread["lo"], thread["hi"]]:
            fail(f"{where}: tracers in {thread['lo']}..{thread['hi']}, its input has {bounds}")
    for index in range(len(inputs)):
        sources = np.flatnonzero(program.threads["input"] == index).tolist()
        _tiles(program, f"input {index}", sources)
    readings = records(program, "readings")
    for index, entry in enumerate(readings):
        kind, threads = entry.get("kind"), entry.get("threads")
        if kind not in ("tracer", "charge") or not isinstance(threads, list):
            fail(f"reading {index}: kind {kind!r} of threads {threads!r}")
        for thread in threads:
            if not is_integer(thread) or not 0 <= thread < len(program.threads):
                fail(f"reading {index}: there is no thread {thread!r}")
            if kind == "charge" and not program.threads[thread]["membrane_bits"]:
                fail(f"reading {index}: {thread_name(program, thread)} has no membranes")
        _tiles(program, f"reading {index}", threads)
    for index, entry in enumerate(records(program, "values")):
        reading = entry.get("reading")
        if not is_integer(reading) or not 0 <= reading < len(readings):
            fail(f"value {index}: there is no reading {reading!r}")


def _tiles(program: Program, where: str, threads: list[int]) -> None:
    """Threads cover the rows and columns from (0, 0) on, each neuron once."""
    try:
        covered(Tile(*row) for row in program.threads[threads][list(Tile._fields)].tolist())
    except ValueError as error:
        fail(f"{where}: {error}")


def _streams(program: Program, facts: Facts) -> None:
    """Packets can name every spine and column of a thread that sends."""
    for index, thread in entries(program.threads):
        if facts.sends[index]:
            try:
                facts.packets.check_stream(thread["rows"], thread["columns"])
            except PacketError as error:
                fail(f"{thread_name(program, index)}: {error}")


def _memory(program: Program, facts: Facts) -> None:
    # Floating point does not wrap, and the bound is far below 2**53.
    size = {name: program.threads[name].astype(np.float64) for name in tables.THREAD.names or ()}
    neurons = size["rows"] * size["columns"]
    for what, each in (
        ("counters", size["rows"]),
        ("neurons", neurons),
        ("tracer copies", size["trace_spines"] * size["trace_columns"]),
        ("spikes in a step", neurons * facts.firings),
        ("spines in a step", size["rows"] * facts.sends),
        ("delivered tracers", np.array([delivered(program)])),
    ):
        if (total := float(each.sum())) > MAX_ELEMENTS:
            fail(f"the program asks for {total:.3g} {what}; at most {MAX_ELEMENTS} fit")
