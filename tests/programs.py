"""Hand-made programs for tests of the engines: layers with random weights, without a compiler.

`Builder` assembles a `Program` layer by layer, each in one or more tiles, all on one core. It keeps
a dense formula beside every layer, so that `expected` gives the tracers in which a run must end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.runtime import program as tables
from elsac.runtime.isa import words
from elsac.runtime.program import NEVER, Program

Ints = NDArray[np.int64]
Values = list[Ints]  # [rows, columns] of every layer
Word = tuple[str, dict[str, int]]

END: Word = ("end", {})
SEND: Word = ("send", {})


@dataclass
class Layer:
    """A layer of `height` x `width` rows; `threads` hold equal shares of its columns."""

    number: int
    height: int
    width: int
    columns: int
    lo: int
    hi: int
    threads: list[int]

    @property
    def rows(self) -> int:
        return self.height * self.width


@dataclass
class Port:
    """One input of a tile: the layer that sends, and the handlers, which see its channels from
    `base` on.
    """

    layer: Layer
    on_spikes: list[Word]
    on_end: list[Word]
    base: int = 0


@dataclass
class Builder:
    """Collects tables; every method that adds a layer returns it."""

    alphabet: str = "ternary"
    seed: int = 0
    tables: dict[str, list[Any]] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    formulas: list[Callable[[Values], Ints]] = field(default_factory=list)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    readings: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    # Tables.

    def add(self, table: str, *entries: Any) -> int:
        """Append entries and return the index of the first."""
        rows = self.tables.setdefault(table, [])
        rows.extend(entries)
        return len(rows) - len(entries)

    def code(self, *instructions: Word) -> int:
        return self.add("code", *words(*instructions).tolist())

    def window(
        self, source: Layer, out: tuple[int, int], kernel: int, stride: int, pad: int, dilation: int
    ) -> int:
        shape = (source.height, source.width, *out)
        return self.add(
            "windows", (*shape, kernel, kernel, stride, stride, pad, pad, dilation, dilation)
        )

    def weights(self, values: Ints, inputs_per_group: int, first_input: int = 0) -> int:
        """Add a segment [taps, inputs, outputs per group]."""
        offset = self.add("weights", *values.ravel().tolist())
        taps, inputs, outputs = values.shape
        entry = (offset, taps, first_input, inputs, inputs_per_group, outputs, 8)
        return self.add("weight_segments", entry)

    def constants(self, values: Sequence[int], first_input: int) -> int:
        offset = self.add("weights", *values)
        return self.add("constant_segments", (offset, first_input, len(values), 8))

    def staircase(self, thresholds: Ints, lo: int, row_classes: Sequence[int] = ()) -> int:
        """Add a staircase [classes, columns, levels]."""
        offset = self.add("thresholds", *thresholds.ravel().tolist())
        row_class = self.add("row_classes", *row_classes) if row_classes else -1
        return self.add(
            "stairs", (offset, *thresholds.shape[:2], lo, thresholds.shape[2], row_class)
        )

    def map(self, spines: int, channels: int, targets: dict[tuple[int, int], list[Any]]) -> int:
        """Add an index map from (spine, channel) to lists of (row, column)."""
        cells = [targets.get((s, c), []) for s in range(spines) for c in range(channels)]
        pairs = [pair for cell in cells for pair in cell]
        indptr = self.add("map_indptr", *np.cumsum([0, *map(len, cells)]).tolist())
        target = self.add("map_targets", *pairs)
        return self.add("maps", (indptr, spines, channels, target, len(pairs)))

    # Layers.

    def layer(
        self,
        shape: tuple[int, int],
        columns: int,
        lo: int,
        hi: int,
        formula: Callable[[Values], Ints],
    ) -> Layer:
        layer = Layer(len(self.layers), *shape, columns, lo, hi, [])
        self.layers.append(layer)
        self.formulas.append(formula)
        return layer

    def tile(
        self,
        layer: Layer,
        columns: int,
        on_row: list[Word],
        ports: Sequence[Port] = (),
        depends: Sequence[int] = (),
        bits: int = 0,
        copy: tuple[int, int] = (0, 0),
        source: int = -1,
    ) -> None:
        """Add a thread with the next `columns` columns of a layer."""
        base = sum(self.tables["threads"][t][4] for t in layer.threads)
        streams = [(port, thread) for port in ports for thread in port.layer.threads]
        handlers = [(self.code(*p.on_spikes, END), self.code(*p.on_end, END)) for p in ports]
        first_port = len(self.tables.setdefault("ports", []))
        for port, thread in streams:
            entry = self.tables["threads"][thread]
            index = next(i for i, other in enumerate(ports) if other is port)
            self.add("ports", (thread, port.base + entry[5], entry[3], *handlers[index]))
        links = self.rng.integers(0, 4, (3, 2)).tolist()
        first_link = self.add("links", *links)
        first_route = self.add("routes", (1, first_link, 2), (2, first_link + 1, 2))
        order = len(self.tables.setdefault("threads", []))
        layer.threads.append(order)
        self.add(
            "threads",
            (
                *(0, layer.number, order, layer.rows, columns, base, layer.lo, layer.hi, bits),
                *(*copy, first_port, len(streams), self.code(*on_row, END)),
                self.add("depends", *(depends or [0] * layer.rows)),
                *(source, first_route, 2),
            ),
        )

    def source(
        self, shape: tuple[int, int], columns: int, lo: int, hi: int, coding: str, tiles: int = 1
    ) -> Layer:
        index = len(self.inputs)
        self.inputs.append({"name": f"x{index}", "lo": lo, "hi": hi, "coding": coding})
        layer = self.layer(shape, columns, lo, hi, lambda values: values[0])
        self.formulas[-1] = lambda values: self._given[index]
        for share in _shares(columns, tiles):
            self.tile(layer, share, [("inject", {}), SEND], source=index)
        return layer

    def conv(
        self,
        source: Layer,
        columns: int,
        kernel: int = 3,
        stride: int = 1,
        pad: int = 1,
        dilation: int = 1,
        groups: int = 1,
        tiles: int = 1,
        lo: int = 0,
        hi: int = 7,
        shift: int = 0,
        bits: int = 24,
        classes: int = 1,
        fires: bool = True,
    ) -> Layer:
        """Add a convolution with random weights; `groups` or `tiles` is 1. Readouts do not fire."""
        span = dilation * (kernel - 1) + 1
        out = tuple((size + 2 * pad - span) // stride + 1 for size in (source.height, source.width))
        assert len(out) == 2
        inputs, outputs = source.columns, columns // groups
        values = self.rng.integers(-7, 8, (kernel * kernel, inputs, outputs))
        values[self.rng.random(values.shape) < 0.2] = 0
        window = self.window(source, out, kernel, stride, pad, dilation)
        geometry = (source.height, source.width, *out, kernel, stride, pad, dilation)
        pairs = window_pairs(*geometry)
        depends = [0] * (out[0] * out[1])
        for row, _, _ in pairs:
            depends[row] += len(source.threads)
        stairs = self._stairs(columns, lo, hi, 40 << shift, classes)
        row_class = self.rng.integers(0, classes, out[0] * out[1]) if classes > 1 else None

        def formula(inputs_: Values) -> Ints:
            charge = np.zeros((out[0] * out[1], columns), np.int64)
            for row, tap, spine in pairs:
                x = inputs_[source.number][spine].reshape(groups, -1)
                w = values[tap].reshape(groups, -1, outputs)
                charge[row] += np.einsum("gi,gio->go", x, w).ravel() << shift
            return climb(charge, stairs, lo, row_class) if fires else np.zeros_like(charge)

        layer = self.layer(out, columns, lo, hi, formula)
        start = 0
        for share in _shares(columns, tiles):
            part = values if groups > 1 else values[:, :, start : start + share]
            segment = self.weights(part, inputs // groups)
            acc: Word = ("acc", {"weights": segment, "shift": shift})
            taps: Word = ("taps", {"window": window})
            port = Port(source, [taps, acc, ("next", {})], [taps, ("count", {}), ("next", {})])
            stair = self.staircase(
                stairs[:, start : start + share],
                lo,
                [] if row_class is None else row_class.tolist(),
            )
            on_row: list[Word] = [("fire", {"stairs": stair}), SEND] if fires else []
            self.tile(layer, share, on_row, [port], depends, bits)
            start += share
        return layer

    def total(
        self, sources: Sequence[Layer], lo: int = 0, hi: int = 7, kernel: int = 1, tiles: int = 1
    ) -> Layer:
        """Add a residual sum or, with a kernel, an average pool: `add`s with random factors."""
        first = sources[0]
        out = (first.height // kernel, first.width // kernel)
        window = self.window(first, out, kernel, kernel, 0, 1)
        pairs = window_pairs(first.height, first.width, *out, kernel, kernel, 0, 1)
        factors = self.rng.integers(1, 4, (len(sources), first.columns))
        depends = [0] * (out[0] * out[1])
        for row, _, _ in pairs:
            depends[row] += sum(len(source.threads) for source in sources)
        stairs = self._stairs(first.columns, lo, hi, 8 * kernel, 1)

        def formula(values: Values) -> Ints:
            charge = np.zeros((out[0] * out[1], first.columns), np.int64)
            for source, factor in zip(sources, factors, strict=True):
                for row, _, spine in pairs:
                    charge[row] += values[source.number][spine] * factor
            return climb(charge, stairs, lo, None)

        layer = self.layer(out, first.columns, lo, hi, formula)
        taps: Word = ("taps", {"window": window})
        start = 0
        for share in _shares(first.columns, tiles):
            ports = []
            for source, factor in zip(sources, factors, strict=True):
                segment = self.constants(factor[start : start + share].tolist(), start)
                add: Word = ("add", {"constants": segment})
                ports.append(
                    Port(source, [taps, add, ("next", {})], [taps, ("count", {}), ("next", {})])
                )
            stair = self.staircase(stairs[:, start : start + share], lo)
            self.tile(layer, share, [("fire", {"stairs": stair}), SEND], ports, depends, 20)
            start += share
        return layer

    def maxpool(
        self, source: Layer, kernel: int = 2, stride: int = 2, pad: int = 0, tiles: int = 1
    ) -> Layer:
        out = tuple(
            (size + 2 * pad - kernel) // stride + 1 for size in (source.height, source.width)
        )
        assert len(out) == 2
        window = self.window(source, out, kernel, stride, pad, 1)
        pairs = window_pairs(source.height, source.width, *out, kernel, stride, pad, 1)
        depends = [0] * (out[0] * out[1])
        for row, _, _ in pairs:
            depends[row] += len(source.threads)

        def formula(values: Values) -> Ints:
            best = np.full((out[0] * out[1], source.columns), np.iinfo(np.int64).min)
            for row, _, spine in pairs:
                best[row] = np.maximum(best[row], values[source.number][spine])
            return np.where(best == np.iinfo(np.int64).min, 0, best)

        layer = self.layer(out, source.columns, source.lo, source.hi, formula)
        for share in _shares(source.columns, tiles):
            taps: Word = ("taps", {"window": window})
            port = Port(source, [("trace", {})], [taps, ("count", {}), ("next", {})])
            on_row: list[Word] = [("max", {"window": window}), SEND]
            self.tile(layer, share, on_row, [port], depends, copy=(source.rows, share))
        return layer

    def concat(self, sources: Sequence[Layer]) -> Layer:
        """Add an index map: the columns of all sources side by side, the rows in reverse."""
        rows, columns = sources[0].rows, sum(source.columns for source in sources)
        lo, hi = min(s.lo for s in sources), max(s.hi for s in sources)

        def formula(values: Values) -> Ints:
            return np.concatenate([values[s.number] for s in sources], axis=1)[::-1]

        layer = self.layer((sources[0].height, sources[0].width), columns, lo, hi, formula)
        targets = {(s, c): [(rows - 1 - s, c)] for s in range(rows) for c in range(columns)}
        index = self.map(rows, columns, targets)
        ports, base = [], 0
        for source in sources:
            ports.append(
                Port(source, [("scat", {"map": index})], [("scount", {"map": index})], base)
            )
            base += source.columns
        depends = [sum(len(source.threads) for source in sources)] * rows
        self.tile(layer, columns, [("flow", {}), SEND], ports, depends, 16)
        return layer

    def _stairs(self, columns: int, lo: int, hi: int, spread: int, classes: int) -> Ints:
        """Random rising thresholds [classes, columns, hi - lo], some of them out of reach."""
        steps = self.rng.integers(0, spread, (classes, columns, hi - lo))
        stairs = np.cumsum(steps, axis=2) - self.rng.integers(0, 3 * spread, (classes, columns, 1))
        top = self.rng.random(stairs.shape[:2]) < 0.05
        stairs[top, -1] = NEVER
        return stairs

    # Results.

    def read(self, layer: Layer, kind: str) -> None:
        """Bind a layer to a value that leaves the chip."""
        self.readings.append(
            {"name": f"r{len(self.readings)}", "kind": kind, "threads": layer.threads}
        )

    def program(self) -> Program:
        """Assemble what was built so far."""
        dtypes = {
            "threads": tables.THREAD,
            "ports": tables.PORT,
            "windows": tables.WINDOW,
            "weight_segments": tables.WEIGHTS,
            "constant_segments": tables.CONSTANTS,
            "stairs": tables.STAIRS,
            "maps": tables.MAP,
            "routes": tables.ROUTE,
            "weights": np.int32,
            "thresholds": np.int64,
            "row_classes": np.int32,
            "depends": np.int32,
            "map_indptr": np.int64,
        }
        arrays = {
            name: np.array(self.tables.get(name, []), dtype) for name, dtype in dtypes.items()
        }
        for name in ("map_targets", "links"):
            arrays[name] = np.array(self.tables.get(name, []), np.int32).reshape(-1, 2)
        code = np.array(self.tables.get("code", []), np.uint64)
        threads = len(arrays["threads"])
        cores = [(0, 0, 0, threads, 0, len(code)), *((x, 0, threads, 0, 0, 0) for x in (1, 2, 3))]
        values = [{"name": r["name"], "reading": i} for i, r in enumerate(self.readings)]
        return Program(
            header={"alphabet": self.alphabet, "packet": {"capacity": 5}},
            bindings={"inputs": self.inputs, "readings": self.readings, "values": values},
            layers=[f"layer{layer.number}" for layer in self.layers],
            code=code,
            cores=np.array(cores, tables.CORE),
            **arrays,
        )

    def samples(self, rng: np.random.Generator) -> list[Ints]:
        """Random inputs for the program."""
        sources = {self.tables["threads"][layer.threads[0]][15]: layer for layer in self.layers}
        return [
            rng.integers(sources[i].lo, sources[i].hi + 1, (sources[i].rows, sources[i].columns))
            for i in range(len(self.inputs))
        ]

    def expected(self, inputs: list[Ints]) -> Ints:
        """The flat tracers in which a run ends, from the dense formulas."""
        self._given = inputs
        values: Values = []
        for formula in self.formulas:
            values.append(formula(values))
        flat: list[Ints] = []
        for layer in self.layers:
            start = 0
            for thread in layer.threads:
                columns = self.tables["threads"][thread][4]
                flat.append(values[layer.number][:, start : start + columns].ravel())
                start += columns
        return np.concatenate(flat)


def _shares(columns: int, tiles: int) -> list[int]:
    """Split columns into tiles, the first ones larger."""
    return [columns // tiles + (i < columns % tiles) for i in range(tiles)]


def window_pairs(
    in_height: int,
    in_width: int,
    out_height: int,
    out_width: int,
    kernel: int,
    stride: int,
    pad: int,
    dilation: int,
) -> list[tuple[int, int, int]]:
    """List (row, tap, spine) of a square window, straight from the definition."""
    found = []
    for row in range(out_height * out_width):
        for tap in range(kernel * kernel):
            y = row // out_width * stride - pad + tap // kernel * dilation
            x = row % out_width * stride - pad + tap % kernel * dilation
            if 0 <= y < in_height and 0 <= x < in_width:
                found.append((row, tap, y * in_width + x))
    return found


def climb(charge: Ints, stairs: Ints, lo: int, row_class: Ints | None) -> Ints:
    """The tracers at which neurons rest: the highest k that the charge [rows, columns] reaches."""
    chosen = stairs[np.zeros(len(charge), int) if row_class is None else row_class]
    return lo + np.asarray((charge[:, :, None] >= chosen).sum(axis=2))


def random_program(seed: int, alphabet: str = "ternary", layers: int = 4) -> Builder:
    """Build a random graph of small layers that ends in a readout; `seed` decides all of it."""
    builder = Builder(alphabet, seed)
    rng = np.random.default_rng([seed, 7])

    def pick(*options: int) -> int:
        return int(rng.choice(options))

    coding = ("bitplane", "spikes", "analog")[pick(0, 1, 2)]
    lo = pick(0, -8)
    shape = (pick(3, 4, 5), pick(3, 4, 6))
    builder.source(shape, pick(1, 3, 20), lo, 7, coding, 1)
    for _ in range(layers):
        last = builder.layers[-1]
        twins = [x for x in builder.layers if (x.height, x.width) == (last.height, last.width)]
        other = twins[pick(*range(len(twins)))]
        kind = pick(*range(6))
        small = min(last.height, last.width)
        lo, tiles = pick(0, 0, -4), pick(1, 1, 2)
        if kind == 1 and small >= 2:
            builder.maxpool(last, 2, pick(1, 2), pick(0, 1), min(tiles, last.columns))
        elif kind == 2 and other.columns == last.columns:
            builder.total([last, other], lo, 7, 1, min(tiles, last.columns))
        elif kind == 3 and last.columns + other.columns < 50:
            builder.concat([last, other])
        elif kind == 4 and small >= 2:
            builder.total([last], lo, 7, 2)
        elif kind == 5:
            builder.conv(last, last.columns, 3, groups=last.columns, lo=lo, hi=15, shift=pick(0, 2))
        else:
            kernel, stride, pad = [(3, 1, 1), (3, 2, 1), (1, 1, 0), (3, 1, 2)][pick(0, 1, 2, 3)]
            dilation = 2 if kernel == 3 and pad == 2 else 1
            builder.conv(
                last,
                pick(2, 5, 17),
                kernel,
                stride,
                pad,
                dilation,
                tiles=tiles,
                lo=lo,
                hi=pick(3, 7, 15),
                classes=pick(1, 3),
            )
    final = builder.conv(builder.layers[-1], 3, 1, 1, 0, fires=False)
    builder.read(final, "charge")
    builder.read(builder.layers[-2], "tracer")
    return builder
