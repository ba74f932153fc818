"""What is in a program, as plain text."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.report.mapping import mapping_rows
from elsac.report.tables import packet_text, pairs, table
from elsac.runtime.energy.factors import elements
from elsac.runtime.isa import BY_MNEMONIC, IsaError, decode
from elsac.runtime.products import fields_of
from elsac.runtime.program import Program

_TABLE_OF = {"acc": "weights", "add": "constants"}


def program_info(program: Program, sections: Iterable[tuple[str, int, int, str]], size: int) -> str:
    """Describe a program: header, layers, inputs, outputs, and the sections of its file."""
    header = program.header
    target = header["target"]
    about = [
        ("network", str(header.get("network"))),
        ("elsac", str(header.get("elsac"))),
        ("target", f"{target['name']}  sha256 {header['target_sha256'][:12]}"),
        ("cores", f"{len(program.cores)} of {target['mesh_width'] * target['mesh_height']}"),
        ("alphabet", f"{header['alphabet']} spikes, {header['coding']} input"),
        ("packets", packet_text(header)),
        *mapping_rows(header),
        ("pipeline", str(header["pipeline"])),
        ("code", f"{len(program.code):,} words"),
    ]
    layers = (
        "layer", "threads", "cores", "neurons", "weights", "weight bits", "factors",
        "membrane bits", "tracer",
    )  # fmt: skip
    parts = [
        pairs(about),
        table(layers, [_layer(program, i) for i in range(len(program.layers))]),
        pairs(_bindings(program)),
        table(("section", "offset", "bytes", "contents"), list(sections)),
        f"{size:,} bytes",
    ]
    return "\n\n".join(parts)


def _layer(program: Program, layer: int) -> tuple[object, ...]:
    chosen = program.threads[program.threads["layer"] == layer]
    neurons = int((chosen["rows"].astype(np.int64) * chosen["columns"]).sum())
    used: set[tuple[str, int]] = set()
    for thread in chosen:
        first = int(thread["first_port"])
        for port in program.ports[first : first + int(thread["ports"])]:
            for handler in ("on_spikes", "on_end"):
                used |= _segments(program, int(port[handler]))
    weights, bits = 0, 0
    for kind, index in used:
        if kind == "weights":
            row = program.weight_segments[index]
            weights += int(row["taps"]) * int(row["inputs"]) * int(row["outputs_per_group"])
        else:
            row = program.constant_segments[index]
            weights += int(row["inputs"])
        bits = max(bits, int(row["bits"]))
    return (
        program.layers[layer],
        len(chosen),
        len(set(chosen["core"].tolist())),
        neurons,
        weights,
        bits,
        _factors(program, np.flatnonzero(program.threads["layer"] == layer)),
        int(chosen["membrane_bits"].max(initial=0)),
        f"{chosen['lo'].min(initial=0)}..{chosen['hi'].max(initial=0)}",
    )


def _factors(program: Program, threads: NDArray[np.int64]) -> int:
    """Return the delivered tracers of products that threads keep, each in all tiles that do."""
    kept = 0
    for product in map(fields_of, program.products[np.isin(program.products["thread"], threads)]):
        thread = fields_of(program.threads[product["thread"]])
        row, column = thread["row_base"], thread["column_base"]
        rows, columns = range(row, row + thread["rows"]), range(column, column + thread["columns"])
        kept += sum(elements(product, rows, columns))
    return kept


def _segments(program: Program, word: int) -> set[tuple[str, int]]:
    """Return the (table, row) of the weights and constants that a handler names."""
    found: set[tuple[str, int]] = set()
    for code in program.code[word:].tolist():
        try:
            instruction, operands = decode(code)
        except IsaError:
            break
        if instruction is BY_MNEMONIC["end"]:
            break
        name = _TABLE_OF.get(instruction.mnemonic)
        if name is not None:
            found.add((name, operands[name]))
    return found


def _bindings(program: Program) -> list[tuple[str, str]]:
    bindings: dict[str, Any] = program.bindings
    rows = [
        (
            "input",
            f"'{i['name']}' {i['dtype']} {_shape(i['tensor_shape'])}, quantized to "
            f"{i['element_type']}, {len(i['head'])} host nodes before",
        )
        for i in bindings["inputs"]
    ]
    rows += [
        ("output", f"'{o['name']}' from {', '.join(map(repr, o['values'])) or 'constants'}")
        for o in bindings["host"]["outputs"]
    ]
    tail = ", ".join(n["op"] for n in bindings["host"]["nodes"])
    rows.append(("host", tail or "no nodes after the chip"))
    rows.append(("tensors", f"{len(bindings['probes'])} quantized tensors can be read"))
    return rows


def _shape(shape: list[int]) -> str:
    return f"({', '.join(map(str, ['batch', *shape]))})"
