"""Static verification: what both engines may take for granted about a program.

Total: any program, also one whose tables hold garbage, is either accepted or refused with one
`ImageError`. An accepted program indexes inside its arrays, ends every handler and fits memory;
what remains for run time are the faults of :data:`elsac.runtime.emulator.common.FAULTS`.
"""

from collections.abc import Iterator
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from elsac.runtime import program as tables
from elsac.runtime.emulator.handlers import Facts, ThreadCheck, fail, thread_name
from elsac.runtime.program import Program

ALPHABETS = ("ternary", "floor", "nearest")
CODINGS = ("analog", "bitplane", "spikes")
MAX_ELEMENTS = 1 << 27
"""Most neurons, spikes, taps or counters that a program may ask for, each."""
MAX_MEMBRANE_BITS = 62


def verify(program: Program) -> Facts:
    """Check the whole program; raise `ImageError` at the first thing that is wrong."""
    _shapes(program)
    _header(program)
    _cores(program)
    _windows(program)
    _segments(program)
    _threads(program)
    _ports(program)
    _routes(program)
    _bindings(program)
    facts = Facts(*np.zeros((2, len(program.threads)), np.int64))
    for thread in range(len(program.threads)):
        ThreadCheck(program, thread, facts).run()
    _memory(program, facts)
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
        "routes": tables.ROUTE,
    }
    flat = {
        "code": np.uint64,
        "weights": np.int32,
        "thresholds": np.int64,
        "row_classes": np.int32,
        "depends": np.int32,
        "map_indptr": np.int64,
        "map_targets": np.int32,
        "links": np.int32,
    }
    for name, dtype in (structured | flat).items():
        array = getattr(program, name)
        if not isinstance(array, np.ndarray) or array.dtype != np.dtype(dtype):
            fail(f"table '{name}' does not have the type {np.dtype(dtype)}")
        columns = (2,) if name in ("map_targets", "links") else ()
        if array.ndim != 1 + len(columns) or array.shape[1:] != columns:
            fail(f"table '{name}' has the shape {array.shape}")


def _header(program: Program) -> None:
    alphabet = program.header.get("alphabet")
    if alphabet not in ALPHABETS:
        fail(f"header: alphabet {alphabet!r}; expected one of {', '.join(ALPHABETS)}")
    packet = program.header.get("packet")
    capacity = packet.get("capacity") if isinstance(packet, dict) else None
    if not _integer(capacity) or not 1 <= capacity < 1 << 31:
        fail(f"header: packet.capacity is {capacity!r}; expected a number of spikes above 0")


def _integer(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _range(what: str, first: int, count: int, size: int) -> None:
    """Refuse a run of `count` entries that does not lie inside a table of `size` entries."""
    if first < 0 or count < 0 or first + count > size:
        fail(f"{what}: {count} entries from {first} on do not lie inside a table of {size}")


def _each(array: NDArray[Any]) -> Iterator[tuple[int, dict[str, int]]]:
    """Yield every entry of a table as (index, fields)."""
    names = array.dtype.names or ()
    for index, entry in enumerate(array.tolist()):
        yield index, dict(zip(names, entry, strict=True))


def _cores(program: Program) -> None:
    for index, core in _each(program.cores):
        where = f"core {index}"
        _range(f"{where}: threads", core["first_thread"], core["threads"], len(program.threads))
        _range(f"{where}: words", core["first_word"], core["words"], len(program.code))


def _windows(program: Program) -> None:
    for index, window in _each(program.windows):
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
    for index, entry in _each(program.weight_segments):
        where = f"weight segment {index}"
        if min(entry["taps"], entry["inputs_per_group"], entry["outputs_per_group"]) < 1:
            fail(f"{where}: taps and group sizes must be above 0")
        size = entry["taps"] * entry["inputs"] * entry["outputs_per_group"]
        _range(where, entry["offset"], size if entry["inputs"] >= 0 else -1, weights)
        if entry["inputs"] % entry["inputs_per_group"]:
            fail(f"{where}: {entry['inputs']} inputs in groups of {entry['inputs_per_group']}")
    for index, entry in _each(program.constant_segments):
        _range(f"constant segment {index}", entry["offset"], entry["inputs"], weights)
    for index, entry in _each(program.stairs):
        where = f"staircase {index}"
        if min(entry["classes"], entry["columns"], entry["levels"]) < 0:
            fail(f"{where}: negative size")
        size = entry["classes"] * entry["columns"] * entry["levels"]
        _range(where, entry["offset"], size, thresholds)
        if entry["row_class"] < -1 or (entry["row_class"] == -1 and entry["classes"] < 1):
            fail(f"{where}: no classes for the rows")
    for index, entry in _each(program.maps):
        _map(program, f"map {index}", entry)


def _map(program: Program, where: str, entry: dict[str, int]) -> None:
    if min(entry["spines"], entry["channels"]) < 0:
        fail(f"{where}: negative size")
    size = entry["spines"] * entry["channels"] + 1
    _range(f"{where}: rows", entry["indptr"], size, len(program.map_indptr))
    _range(f"{where}: targets", entry["target"], entry["targets"], len(program.map_targets))
    rows = program.map_indptr[entry["indptr"] : entry["indptr"] + size]
    if rows[0] != 0 or rows[-1] != entry["targets"] or (rows[1:] < rows[:-1]).any():
        fail(f"{where}: its rows do not divide its {entry['targets']} targets")


def _threads(program: Program) -> None:
    count = len(program.threads)
    if sorted(program.threads["order"].tolist()) != list(range(count)):
        fail("the order of the threads is not a permutation")
    for index, thread in _each(program.threads):
        where = thread_name(program, index)
        if not 0 <= thread["layer"] < len(program.layers):
            fail(f"{where}: there are {len(program.layers)} layers")
        _range(f"{where}: core", thread["core"], 1, len(program.cores))
        core = program.cores[thread["core"]]
        if not 0 <= index - core["first_thread"] < core["threads"]:
            fail(f"{where}: core {thread['core']} does not list it")
        names = ("rows", "columns", "column_base", "trace_spines", "trace_columns")
        for name in names:
            if thread[name] < 0:
                fail(f"{where}: {name} is {thread[name]}")
        if not thread["lo"] <= 0 <= thread["hi"] or thread["hi"] - thread["lo"] >= 1 << 31:
            fail(f"{where}: tracers in {thread['lo']}..{thread['hi']} do not start at 0")
        if not 0 <= thread["membrane_bits"] <= MAX_MEMBRANE_BITS:
            fail(f"{where}: membranes of {thread['membrane_bits']} bits")
        _range(f"{where}: ports", thread["first_port"], thread["ports"], len(program.ports))
        _range(f"{where}: counters", thread["depends"], thread["rows"], len(program.depends))
        if thread["input"] < -1:
            fail(f"{where}: input {thread['input']}")
    if (program.depends < 0).any():
        fail(f"dependency counter {int(np.argmax(program.depends < 0))} is negative")


def _ports(program: Program) -> None:
    for index, thread in _each(program.threads):
        for number in range(thread["first_port"], thread["first_port"] + thread["ports"]):
            port = program.ports[number]
            where = f"{thread_name(program, index)}: port {number - thread['first_port']}"
            _range(f"{where}: source", int(port["source"]), 1, len(program.threads))
            source = program.threads[port["source"]]
            if source["order"] >= thread["order"]:
                fail(f"{where}: its source, thread {port['source']}, does not run before it")
            if port["spines"] != source["rows"]:
                fail(f"{where}: {port['spines']} spines, but the source has {source['rows']} rows")


def _routes(program: Program) -> None:
    for index, thread in _each(program.threads):
        where = f"{thread_name(program, index)}: routes"
        _range(where, thread["first_route"], thread["routes"], len(program.routes))
    for index, route in _each(program.routes):
        _range(f"route {index}: destination", route["destination"], 1, len(program.cores))
        _range(f"route {index}: links", route["first_link"], route["links"], len(program.links))
    target = program.header.get("target", {})
    if not isinstance(target, dict):
        fail("header: the target is not a table")
    sides = [target.get(name, 256) for name in ("mesh_width", "mesh_height")]
    if not all(_integer(side) for side in sides):
        fail(f"header: a mesh of {sides[0]!r} x {sides[1]!r}")
    places = sides[0] * sides[1]
    if ((program.links < 0) | (program.links >= places)).any():
        fail(f"a link names a place outside of the mesh of {places}")


def _bindings(program: Program) -> None:
    inputs = _records(program, "inputs")
    for index, entry in enumerate(inputs):
        if entry.get("coding") not in CODINGS:
            fail(f"input {index}: coding {entry.get('coding')!r}; expected {', '.join(CODINGS)}")
        if not (_integer(entry.get("lo")) and _integer(entry.get("hi"))):
            fail(f"input {index}: lo and hi must be integers")
    for index, thread in _each(program.threads):
        if thread["input"] < 0:
            continue
        where = thread_name(program, index)
        _range(f"{where}: input", thread["input"], 1, len(inputs))
        bounds = [inputs[thread["input"]].get(name) for name in ("lo", "hi")]
        if bounds != [thread["lo"], thread["hi"]]:
            fail(f"{where}: tracers in {thread['lo']}..{thread['hi']}, its input has {bounds}")
    readings = _records(program, "readings")
    for index, entry in enumerate(readings):
        kind, threads = entry.get("kind"), entry.get("threads")
        if kind not in ("tracer", "charge") or not isinstance(threads, list):
            fail(f"reading {index}: kind {kind!r} of threads {threads!r}")
        for thread in threads:
            if not _integer(thread) or not 0 <= thread < len(program.threads):
                fail(f"reading {index}: there is no thread {thread!r}")
            if kind == "charge" and not program.threads[thread]["membrane_bits"]:
                fail(f"reading {index}: {thread_name(program, thread)} has no membranes")
    for index, entry in enumerate(_records(program, "values")):
        reading = entry.get("reading")
        if not _integer(reading) or not 0 <= reading < len(readings):
            fail(f"value {index}: there is no reading {reading!r}")


def _records(program: Program, name: str) -> list[dict[str, Any]]:
    """Return a list of records of the bindings; an absent one is empty."""
    records = program.bindings.get(name, [])
    if not isinstance(records, list) or not all(isinstance(entry, dict) for entry in records):
        fail(f"bindings: '{name}' is not a list of records")
    return records


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
    ):
        if (total := float(each.sum())) > MAX_ELEMENTS:
            fail(f"the program asks for {total:.3g} {what}; at most {MAX_ELEMENTS} fit")
