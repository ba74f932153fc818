"""What energy depends on: components, and the shapes of threads."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from elsac.runtime.isa import decode
from elsac.runtime.program import Program
from elsac.targets import Target, TargetError

COMPONENTS = (
    "adders",
    "fire",
    "weights",
    "membranes",
    "tracers",
    "queues",
    "loading",
    "im2col",
    "order",
    "arbiter",
    "flit_generator",
    "switch",
    "links",
    "local",
    "receive",
)
"""Items of energy and area: adder trees; fire units; accesses to weight, membrane and tracer memory
and to input queues; loading of weights and setting of membranes and tracers before a run; the
im2col unit; the order controller; the update arbiter; the flit generator; combiner, crossbar and
routing engine; flits over links; flits that stay on their core; the receive buffer."""

GROUPS = {
    "computation": ("adders", "fire", "weights", "membranes", "tracers", "queues", "loading"),
    "scheduling": ("im2col", "order", "arbiter"),
    "communication": ("flit_generator", "switch", "links", "local", "receive"),
}
"""The three parts in which the paper splits energy."""


class EnergyError(ValueError):
    """Shapes or counts that do not go together; one line."""


@dataclass(frozen=True, eq=False)
class Shapes:
    """What every thread occupies; all arrays [threads]. A tile is divided among PEs of its core:
    some share its columns, and each group of these has some of its rows.
    """

    columns: NDArray[np.int64]
    """Columns that one PE holds."""
    column_parts: NDArray[np.int64]
    """PEs that share the columns: every event happens in each of them."""
    row_parts: NDArray[np.int64]
    """PEs that share the rows."""
    rows: NDArray[np.int64]
    """Rows of membranes and tracers that one PE holds."""
    weight_rows: NDArray[np.int64]
    """Rows of weights that one PE holds."""
    weight_bits: NDArray[np.int64]
    membrane_bits: NDArray[np.int64]
    """0 for threads without membranes."""
    tracer_bits: NDArray[np.int64]
    reads_input: NDArray[np.bool_]
    """Whether the thread reads an input of the network."""
    share: NDArray[np.float64]
    """The part of its core's logic that leaks on the thread's account, 0 to 1."""
    core: NDArray[np.int64]
    layer: NDArray[np.int64]

    @classmethod
    def of(cls, **arrays: ArrayLike) -> "Shapes":
        """Build from anything that numpy takes; scalars hold for all threads."""
        wide = np.broadcast_arrays(*(np.atleast_1d(a) for a in arrays.values()))
        kinds = {"reads_input": np.bool_, "share": np.float64}
        made: dict[str, NDArray[Any]] = {
            name: np.array(array, kinds.get(name, np.int64))
            for name, array in zip(arrays, wide, strict=True)
        }
        for name, array in made.items():
            if array.size and array.min() < 0:
                raise EnergyError(f"{name} of a thread is {array.min()}; expected 0 or more")
        return cls(**made)

    @property
    def parts(self) -> NDArray[np.int64]:
        """PEs that hold a part of the thread, [threads]."""
        return self.column_parts * self.row_parts

    def __len__(self) -> int:
        return len(self.columns)


def program_shapes(target: Target, program: Program) -> Shapes:
    """The shapes of a program's threads. Threads of one core share its logic evenly; sources, which
    only inject, take none.
    """
    threads = program.threads
    source = threads["input"] >= 0
    parts = np.where(source, 1, np.maximum(threads["pe_columns"], 1))
    held = np.where(source, 0, threads["pe_rows"])
    working = np.bincount(threads["core"][~source], minlength=len(program.cores))
    rows, bits = _weights(program)
    reads = [
        bool(source[program.ports["source"][p : p + n]].any())
        for p, n in zip(threads["first_port"], threads["ports"], strict=True)
    ]
    return Shapes.of(
        columns=np.where(source, 0, -(-threads["columns"] // parts)),
        column_parts=parts,
        row_parts=np.where(source, 1, -(-threads["rows"] // np.maximum(held, 1))),
        rows=held,
        weight_rows=rows,
        weight_bits=bits,
        membrane_bits=np.where(
            threads["membrane_bits"] > 0,
            np.maximum(threads["membrane_bits"], target.membrane_bits_min),
            0,
        ),
        tracer_bits=[(int(t["hi"]) - int(t["lo"])).bit_length() for t in threads],
        reads_input=reads,
        share=np.where(source, 0.0, 1 / np.maximum(working[threads["core"]], 1)),
        core=threads["core"],
        layer=threads["layer"],
    )


def _weights(program: Program) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of weights of each thread, and their greatest width."""
    rows = np.zeros(len(program.threads), np.int64)
    bits = np.zeros(len(program.threads), np.int64)
    for number, thread in enumerate(program.threads):
        first = int(thread["first_port"])
        seen: set[tuple[str, int]] = set()
        for port in program.ports[first : first + int(thread["ports"])]:
            word = int(port["on_spikes"])
            while (step := decode(int(program.code[word])))[0].mnemonic != "end":
                if step[0].mnemonic in ("acc", "add"):
                    seen.add((step[0].mnemonic, step[1][step[0].fields[0].name]))
                word += 1
        for mnemonic, index in seen:
            table = program.weight_segments if mnemonic == "acc" else program.constant_segments
            segment = table[index]
            # A constant belongs to one column: all of them together are one row.
            rows[number] += segment["taps"] * segment["inputs"] if mnemonic == "acc" else 1
            if mnemonic == "acc":  # constants are read one by one, not as rows
                bits[number] = max(bits[number], segment["bits"])
    return rows, bits


def program_target(program: Program) -> Target:
    """The chip that a program is for; raise :class:`TargetError` for one of an older version."""
    table = program.header.get("target")
    if not isinstance(table, dict):
        raise TargetError("program: its header has no target; compile again")
    return Target.from_dict(table, "program: target")
