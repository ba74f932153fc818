"""What the spikes of a port do in a thread, which rows they feed, and what a batch reads."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator.image import Image
from elsac.runtime.handlers import handler
from elsac.runtime.products import fields_of, spans_met
from elsac.runtime.timing.factors import Part, elements_that_feed, heads_of_rows, heads_of_spines

Ints = NDArray[np.int64]

ACC, COLUMN, TRACE, QUIET, LEFT, RIGHT, ELEMENT = range(7)
"""What a visit does: adds rows of weights; touches single columns of membranes (`add`, `scat`);
notes tracers (`trace`); nothing but counting down; adds rows of tracers of the other factor of a
product (`left`), or columns of them (`right`); multiplies element by element."""

WHOLE = 1 << 16
"""A share of 1."""


class Work(NamedTuple):
    """What the spikes of a port do in a group of rows."""

    kind: int
    share: int
    """Of WHOLE: spikes that the group takes."""
    pes: int = 1
    """PEs that keep the tracer of an element of a factor."""
    ways: int = 0
    """Columns of sums over which the spikes of one spine spread; 0: each has its own column."""
    heads: int = 1
    """Heads that the rows met by a spine belong to: a column of sums has the rows of one."""
    bits: int = 0
    """Of a tracer that is read along a column."""


class Batches(NamedTuple):
    """What a batch of a thread touches in its PEs, all [threads]."""

    columns: Ints
    """Of the sums of one head, or all that a PE holds."""
    pes: Ints
    """PEs that hold these."""


def product_of(image: Image, thread: int) -> dict[str, int] | None:
    """Return the product that a thread forms, if any."""
    found = np.flatnonzero(image.program.products["thread"] == thread)
    return fields_of(image.program.products[found[0]]) if len(found) else None


def batches(image: Image, columns: Ints) -> Batches:
    """Return what batches touch; `columns` [threads] are those that a PE holds."""
    threads = image.program.threads
    wide, pes = columns.copy(), threads["pe_columns"].astype(np.int64)
    for entry in image.program.products:
        thread = int(entry["thread"])
        if entry["out_columns"] and not entry["elementwise"]:
            head = min(int(entry["n"]), int(threads["columns"][thread]))
            wide[thread] = min(head, columns[thread])
            pes[thread] = min(pes[thread], -(-head // max(int(columns[thread]), 1)))
    return Batches(wide, pes)


def work(image: Image, thread: int, port: np.void, rows: tuple[int, int], pes: int) -> Work:
    """Return what a port does for the rows first..stop-1 of its thread; `pes` as in `Batches`."""
    program = image.program
    columns = int(program.threads["columns"][port["source"]])
    base = int(port["column_base"])
    for _, name, operands in handler(program, int(port["on_spikes"])):
        if name in ("acc", "add"):
            table = program.weight_segments if name == "acc" else program.constant_segments
            segment = table[operands["weights" if name == "acc" else "constants"]]
            low = max(base, int(segment["first_input"]))
            high = min(base + columns, int(segment["first_input"]) + int(segment["inputs"]))
            share = WHOLE * max(high - low, 0) // max(columns, 1)
            return Work(ACC if name == "acc" else COLUMN, share)
        if name in ("scat", "trace"):
            return Work(COLUMN if name == "scat" else TRACE, WHOLE)
        if name in ("left", "right"):
            entry = program.threads[thread]
            part = Part(
                int(entry["row_base"]) + rows[0],
                int(entry["row_base"]) + rows[1],
                int(entry["column_base"]),
                int(entry["column_base"]) + int(entry["columns"]),
            )
            product = fields_of(program.products[operands["product"]])
            return _factor(product, part, name, operands["base"], port, columns, pes)
    return Work(QUIET, 0)


def _factor(
    product: dict[str, int], part: Part, side: str, base: int, port: np.void, columns: int, pes: int
) -> Work:
    spines = np.arange(int(port["first"]), int(port["stop"])) + base
    feeding = elements_that_feed(
        product, part, side, spines, np.arange(columns) + int(port["column_base"])
    )
    met = max(int(feeding.any(axis=1).sum()), 1)
    share = round(WHOLE * int(feeding.sum()) / (met * max(columns, 1)))
    if product["elementwise"]:
        return Work(ELEMENT, share, pes if product[f"{side}_columns"] else 1)
    if side == "left":
        return Work(LEFT, share, pes)
    return Work(
        kind=RIGHT,
        share=share,
        ways=heads_of_spines(product, part) if product["right_transposed"] else 0,
        heads=heads_of_rows(product, part),
        bits=product["left_bits"],
    )


class Taps:
    """The rows that spines feed: of windows, of index maps, of factors of products."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self._maps = len(image.taps.indptr)
        self._pointers = [image.taps.indptr, image.map_rows.indptr + len(image.taps.row)]
        self._rows = [image.taps.row, image.map_rows.row]
        self._size = [sum(map(len, part)) for part in (self._pointers, self._rows)]
        self._known: dict[tuple[object, ...], int] = {}

    def of(self, thread: int, port: np.void) -> list[int]:
        """Return where the row pointers of a port's spines begin, for each loop that counts."""
        image, found = self.image, []
        for _, name, operands in handler(image.program, int(port["on_end"])):
            if name == "taps":
                found.append(int(image.taps.first[operands["window"]]))
            if name == "scount":
                found.append(self._maps + int(image.map_rows.first[operands["map"]]))
            if name in ("lcount", "rcount"):
                side = "left" if name == "lcount" else "right"
                first = self._factor(thread, operands["product"], side)
                found.append(first + operands["base"])
        return found

    def arrays(self) -> tuple[Ints, Ints]:
        """Return the row pointers and the rows, of all ports that were asked for."""
        at, rows = np.concatenate(self._pointers), np.concatenate(self._rows)
        return at.astype(np.int64), rows.astype(np.int64)

    def _factor(self, thread: int, number: int, side: str) -> int:
        """Return where the row pointers of a factor begin; tiles that are alike share them."""
        product = fields_of(self.image.program.products[number])
        entry = fields_of(self.image.program.threads[thread])
        bounds = (entry[k] for k in ("row_base", "rows", "column_base", "columns"))
        shape = (product[k] for k in sorted(product) if k != "thread")
        key = (side, *bounds, *shape)
        if key not in self._known:
            self._known[key] = self._size[0]
            start, stop, step = spans_met(product, entry, side).T
            counts = np.maximum(-(-(stop - start) // step), 0)
            pointers = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
            inner = np.arange(pointers[-1]) - np.repeat(pointers[:-1], counts)
            rows = np.repeat(start, counts) + inner * np.repeat(step, counts)
            for part, array in ((0, pointers + self._size[1]), (1, rows)):
                (self._pointers, self._rows)[part].append(array)
                self._size[part] += len(array)
        return self._known[key]


def weights(image: Image, columns: Ints) -> tuple[Ints, Ints]:
    """Return of each thread the weight rows behind one output row, and the macros of one of them.

    A macro word has 16 lanes of 4 bits; wider weights take more of them. To a product, the tracers
    of its right factor are what weights are to others; `columns` [threads] are as in `Batches`.
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
    for entry in program.products:
        thread = int(entry["thread"])
        inner[thread] += int(entry["k"])
        width = int(columns[thread]) * int(entry["right_bits"])
        words[thread] = max(words[thread], -(-width // 64))
    return inner, words
