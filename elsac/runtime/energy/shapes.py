"""What energy depends on: components, and the shapes of threads."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from elsac.runtime.energy import factors, tables
from elsac.runtime.energy import held as memory
from elsac.runtime.program import Program
from elsac.targets import Target, TargetError

COMPONENTS = (
    "adders",
    "fire",
    "softmax",
    "norm",
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
"""Items of energy and area: adder trees; fire units; softmax and normalization units of
routers; accesses to weight, membrane and tracer memory
and to input queues; loading of weights and setting of membranes and tracers before a run; the
im2col unit; the order controller; the update arbiter; the flit generator; combiner, crossbar and
routing engine; flits over links; flits that stay on their core; the receive buffer."""

GROUPS = {
    "computation": (
        *("adders", "fire", "softmax", "norm"),
        *("weights", "membranes", "tracers", "queues", "loading"),
    ),
    "scheduling": ("im2col", "order", "arbiter"),
    "communication": ("flit_generator", "switch", "links", "local", "receive"),
}
"""The three parts in which the paper splits energy."""


ABSENT = (
    *("constant_bits", "stair_classes", "stair_bits", "trace_rows", "factor_words"),
    *("tracks", "softmax_share", "norm_share"),
)
"""Fields of shapes that are 0 if they are left out."""


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
    """Rows of weights that one PE holds, constants included. Narrow rows of groups share words:
    they count as the words that they fill."""
    weight_columns: NDArray[np.int64]
    """Columns that a row of weights has in one PE: fewer than `columns` if inputs are in groups."""
    weight_bits: NDArray[np.int64]
    constant_bits: NDArray[np.int64]
    """Bits of a constant where every batch reads a row of them; 0 elsewhere."""
    batch_columns: NDArray[np.int64]
    """Columns that a batch adds to in one PE: those of one head if heads stand side by side."""
    factor_words: NDArray[np.int64]
    """Words of delivered tracers of both factors of a product in one PE, in weight memory."""
    membrane_bits: NDArray[np.int64]
    """0 for threads without membranes."""
    stair_classes: NDArray[np.int64]
    """Neuron classes with a staircase of their own, in the memory of membranes."""
    stair_bits: NDArray[np.int64]
    """Bits of one of them for each column."""
    tracer_bits: NDArray[np.int64]
    trace_rows: NDArray[np.int64]
    """Rows of input tracers that one PE keeps copies of."""
    tracks: NDArray[np.bool_]
    """Whether rows move towards a function of their membranes, and leave these as they are."""
    reads_input: NDArray[np.bool_]
    """Whether the thread reads an input of the network."""
    share: NDArray[np.float64]
    """The part of its core's logic that leaks on the thread's account, 0 to 1."""
    pe_share: NDArray[np.float64]
    """The same of the logic of each PE that holds a part of it."""
    softmax_share: NDArray[np.float64]
    """The same of the softmax unit of its core; 0 for threads that have no use for it."""
    norm_share: NDArray[np.float64]
    core: NDArray[np.int64]
    layer: NDArray[np.int64]

    @classmethod
    def of(cls, **arrays: ArrayLike) -> "Shapes":
        """Build from anything that numpy takes; scalars hold for all threads.

        May be left out: `weight_columns` and `batch_columns`, which are then the columns,
        `pe_share`, then the `share`, and what is 0 then: see `ABSENT`.
        """
        arrays = {
            "weight_columns": arrays["columns"],
            "batch_columns": arrays["columns"],
            "pe_share": arrays["share"],
            **dict.fromkeys(ABSENT, 0),
            **arrays,
        }
        wide = np.broadcast_arrays(*(np.atleast_1d(a) for a in arrays.values()))
        kinds: dict[str, type[np.generic]] = {"reads_input": np.bool_, "tracks": np.bool_}
        kinds |= dict.fromkeys(("share", "pe_share", "softmax_share", "norm_share"), np.float64)
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
    """The shapes of a program's threads. Threads of one core share its logic evenly, and parts of
    threads its PEs: as many as there are parts, at most all. Sources, which only inject, take none.
    """
    threads = program.threads
    source = threads["input"] >= 0
    parts = np.where(source, 1, np.maximum(threads["pe_columns"], 1))
    held = np.where(source, 0, threads["pe_rows"])
    working = np.bincount(threads["core"][~source], minlength=len(program.cores))
    columns = np.where(source, 0, -(-threads["columns"].astype(np.int64) // parts))
    row_parts = np.where(source, 1, -(-threads["rows"] // np.maximum(held, 1)))
    pieces = np.bincount(
        threads["core"], np.where(source, 0, parts * row_parts), minlength=len(program.cores)
    )
    used = np.minimum(target.pes_per_core, pieces) / np.maximum(pieces, 1)
    weights = memory.weights(program, columns)
    classes, levels = tables.of_rows(program, target.pes_per_core)
    ends = tables.ends(program)
    reads = [
        bool(source[program.ports["source"][p : p + n]].any())
        for p, n in zip(threads["first_port"], threads["ports"], strict=True)
    ]
    return Shapes.of(
        columns=columns,
        column_parts=parts,
        row_parts=row_parts,
        rows=held,
        weight_rows=weights.rows,
        weight_columns=weights.columns,
        batch_columns=factors.columns(program, columns),
        factor_words=factors.words(program, columns),
        weight_bits=weights.bits,
        constant_bits=weights.constant_bits,
        membrane_bits=np.where(
            threads["membrane_bits"] > 0,
            np.maximum(threads["membrane_bits"], target.membrane_bits_min),
            0,
        ),
        stair_classes=classes,
        stair_bits=levels,
        trace_rows=memory.copies(program),
        tracks=[bool({"softmax", "norm", "curve"} & names) for names in ends],
        tracer_bits=[(int(t["hi"]) - int(t["lo"])).bit_length() for t in threads],
        reads_input=reads,
        share=np.where(source, 0.0, 1 / np.maximum(working[threads["core"]], 1)),
        pe_share=np.where(source, 0.0, used[threads["core"]]),
        softmax_share=_shares(program, ["softmax" in names for names in ends]),
        norm_share=_shares(program, ["norm" in names for names in ends]),
        core=threads["core"],
        layer=threads["layer"],
    )


def _shares(program: Program, uses: list[bool]) -> NDArray[np.float64]:
    """Return the parts of a block of the core that those of its threads have which use it."""
    core = program.threads["core"]
    here = np.bincount(core, uses, minlength=len(program.cores))
    return np.where(uses, 1 / np.maximum(here[core], 1), 0.0)


def program_target(program: Program) -> Target:
    """The chip that a program is for; raise :class:`TargetError` for one of an older version."""
    table = program.header.get("target")
    if not isinstance(table, dict):
        raise TargetError("program: its header has no target; compile again")
    return Target.from_dict(table, "program: target")
