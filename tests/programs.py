"""Hand-made programs for tests of the engines: layers with random weights, without a compiler.

`Builder` assembles a `Program` layer by layer, each in one or more tiles (shares of its columns
times bands of its lines), all on one core. It keeps a dense formula beside every layer, so that
`expected` gives the tracers in which a run must end.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.runtime import program as tables
from elsac.runtime.isa import words
from elsac.runtime.packets import Baer, Bundle, Morphic, PacketFormat
from elsac.runtime.program import NEVER, Program

Ints = NDArray[np.int64]
Values = list[Ints]  # [rows, columns] of every layer
Word = tuple[str, dict[str, int]]

FIVE = Baer(flit_bits=80, destination=2, position=8)
"""Flits of five spikes."""
PACKETS: tuple[PacketFormat, ...] = (
    FIVE,
    Bundle(flit_bits=48, destination=2, spine=8, position=6),
    Bundle(flit_bits=64, destination=2, spine=8, position=6, exponent=3, rice=1),
    Morphic(48, spine=8, position=8, sign=1, exponent=0, check=15, chip=4, core=2),
)

END: Word = ("end", {})
NEXT: Word = ("next", {})
COUNT: Word = ("count", {})
SEND: Word = ("send", {})


@dataclass
class Layer:
    """A layer of `height` x `width` rows; `threads` hold its tiles."""

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
    `base` on. Every tile of the layer sends to it, or one `thread` alone; of that only `spines`.
    """

    layer: Layer
    on_spikes: list[Word]
    on_end: list[Word]
    base: int = 0
    thread: int = -1
    spines: tuple[int, int] | None = None


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
    packets: PacketFormat = FIVE

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
        self,
        source: Layer,
        out: tuple[int, int],
        kernel: int,
        stride: int,
        pad: int,
        dilation: int,
        lines: tuple[int, int] | None = None,
        band: tuple[int, int] | None = None,
    ) -> int:
        """Add a window, of all lines or of a band of them, over some lines of the source."""
        (low, high), (first, last) = lines or (0, source.height), band or (0, out[0])
        shape = (high - low, source.width, last - first, out[1])
        top = pad - first * stride + low
        return self.add(
            "windows", (*shape, kernel, kernel, stride, stride, top, pad, dilation, dilation)
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
        base: int | None = None,
        band: tuple[int, int] | None = None,
        row_order: Sequence[int] = (),
    ) -> None:
        """Add a thread with `columns` of a layer's columns, from `base` or the last tile's end on,
        and with a band of its lines or all.
        """
        threads = self.tables.setdefault("threads", [])
        if base is None:
            base = sum(threads[t]["columns"] for t in layer.threads)
        first, last = band or (0, layer.height)
        rows = (last - first) * layer.width
        handlers = [(self.code(*p.on_spikes, END), self.code(*p.on_end, END)) for p in ports]
        first_port = len(self.tables.setdefault("ports", []))
        for port, handler in zip(ports, handlers, strict=True):
            for number in port.layer.threads if port.thread < 0 else [port.thread]:
                entry = threads[number]
                spines = port.spines or (0, entry["rows"])
                shift = port.base + entry["column_base"]
                self.add("ports", (number, shift, entry["rows"], *spines, *handler))
        first_route, routes = self._routes(rows)
        order = len(threads)
        layer.threads.append(order)
        self.add(
            "threads",
            {
                "core": 0,
                "layer": layer.number,
                "order": order,
                "rows": rows,
                "columns": columns,
                "column_base": base,
                "row_base": first * layer.width,
                "lo": layer.lo,
                "hi": layer.hi,
                "membrane_bits": bits,
                "trace_spines": copy[0],
                "trace_columns": copy[1],
                "first_port": first_port,
                "ports": len(self.tables["ports"]) - first_port,
                "on_row": self.code(*on_row, END),
                "on_step": -1,
                "depends": self.add("depends", *(depends or [0] * rows)),
                "row_order": self.add("row_orders", *row_order) if len(row_order) else -1,
                "input": source,
                "first_route": first_route,
                "routes": routes,
                "pe_columns": 1,
                "pe_rows": rows,
            },
        )

    def _routes(self, rows: int) -> tuple[int, int]:
        """Add one or two trees of routes to some of the cores 1 to 3; return first and number."""
        first, trees = len(self.tables.setdefault("routes", [])), int(self.rng.integers(1, 3))
        for tree in range(trees):
            weight, channel = int(self.rng.integers(1, 4)), int(self.rng.integers(0, 4))
            for core in self.rng.permutation([1, 2, 3])[: int(self.rng.integers(1, 4))].tolist():
                # The second tree takes the line below.
                path = [*range(tree * 256, tree * 256 + core + 1)]
                path = [0, *path, core] if tree else path
                start = self.add("links", *(list(pair) for pair in pairwise(path)))
                spines = sorted(self.rng.integers(0, rows + 1, 2).tolist())
                link = (core, start, len(path) - 1, tree, weight, channel)
                self.add("routes", (*link, *(spines if self.rng.random() < 0.5 else (0, rows)), 8))
        return first, len(self.tables["routes"]) - first

    def _ports(
        self,
        sources: Sequence[tuple[Layer, list[Word]]],
        out: tuple[int, int],
        geometry: tuple[int, int, int, int],
        band: tuple[int, int],
    ) -> tuple[list[Port], list[int]]:
        """The ports of a band of `out`: for each tile of the sources, those of its spines that the
        band reads. Return the dependency counts of its rows as well.
        """
        ports: list[Port] = []
        depends = np.zeros((band[1] - band[0]) * out[1], int)
        for source, work in sources:
            pairs = window_pairs(source.height, source.width, *out, *geometry)
            for thread in source.threads:
                entry = self.tables["threads"][thread]
                low, rows = entry["row_base"], entry["rows"]
                read = [
                    (row - band[0] * out[1], spine - low)
                    for row, _, spine in pairs
                    if band[0] <= row // out[1] < band[1] and low <= spine < low + rows
                ]
                for row, _ in read:
                    depends[row] += 1
                spines = sorted(spine for _, spine in read) or [0, -1]
                lines = (low // source.width, (low + rows) // source.width)
                window = self.window(source, out, *geometry, lines=lines, band=band)
                taps: Word = ("taps", {"window": window})
                on_spikes = [taps, *work, NEXT] if work[0][0] != "trace" else work
                if work[0][0] == "trace":
                    on_spikes = [("trace", {"base": low + work[0][1]["base"]})]
                span = (spines[0], spines[-1] + 1)
                ports.append(Port(source, on_spikes, [taps, COUNT, NEXT], 0, thread, span))
        return ports, depends.tolist()

    def source(
        self,
        shape: tuple[int, int],
        columns: int,
        lo: int,
        hi: int,
        coding: str,
        tiles: int = 1,
        bands: int = 1,
        shuffled: bool = False,
    ) -> Layer:
        """Add an input; its spines are injected in raster order or, if `shuffled`, in another."""
        index = len(self.inputs)
        self.inputs.append({"name": f"x{index}", "lo": lo, "hi": hi, "coding": coding})
        layer = self.layer(shape, columns, lo, hi, lambda values: values[0])
        self.formulas[-1] = lambda values: self._given[index]
        for band, start, share in _grid(layer, tiles, bands):
            rows = (band[1] - band[0]) * layer.width
            order = self.rng.permutation(rows).tolist() if shuffled else []
            on_row: list[Word] = [("inject", {}), SEND]
            where: Any = {"base": start, "band": band, "row_order": order}
            self.tile(layer, share, on_row, source=index, **where)
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
        bands: int = 1,
    ) -> Layer:
        """Add a convolution with random weights; `groups` or `tiles` is 1. Readouts do not fire."""
        span = dilation * (kernel - 1) + 1
        out = tuple((size + 2 * pad - span) // stride + 1 for size in (source.height, source.width))
        assert len(out) == 2
        inputs, outputs = source.columns, columns // groups
        values = self.rng.integers(-7, 8, (kernel * kernel, inputs, outputs))
        values[self.rng.random(values.shape) < 0.2] = 0
        geometry = (kernel, stride, pad, dilation)
        pairs = window_pairs(source.height, source.width, *out, *geometry)
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
        for band, start, share in _grid(layer, tiles, bands):
            part = values if groups > 1 else values[:, :, start : start + share]
            segment = self.weights(part, inputs // groups)
            acc: Word = ("acc", {"weights": segment, "shift": shift})
            ports, depends = self._ports([(source, [acc])], out, geometry, band)
            rows = slice(band[0] * out[1], band[1] * out[1])
            stair = self.staircase(
                stairs[:, start : start + share],
                lo,
                [] if row_class is None else row_class[rows].tolist(),
            )
            on_row: list[Word] = [("fire", {"stairs": stair}), SEND] if fires else []
            self.tile(layer, share, on_row, ports, depends, bits, base=start, band=band)
        return layer

    def total(
        self,
        sources: Sequence[Layer],
        lo: int = 0,
        hi: int = 7,
        kernel: int = 1,
        tiles: int = 1,
        bands: int = 1,
    ) -> Layer:
        """Add a residual sum or, with a kernel, an average pool: `add`s with random factors."""
        first = sources[0]
        out = (first.height // kernel, first.width // kernel)
        geometry = (kernel, kernel, 0, 1)
        pairs = window_pairs(first.height, first.width, *out, *geometry)
        factors = self.rng.integers(1, 4, (len(sources), first.columns))
        stairs = self._stairs(first.columns, lo, hi, 8 * kernel, 1)

        def formula(values: Values) -> Ints:
            charge = np.zeros((out[0] * out[1], first.columns), np.int64)
            for source, factor in zip(sources, factors, strict=True):
                for row, _, spine in pairs:
                    charge[row] += values[source.number][spine] * factor
            return climb(charge, stairs, lo, None)

        layer = self.layer(out, first.columns, lo, hi, formula)
        for band, start, share in _grid(layer, tiles, bands):
            adds: list[tuple[Layer, list[Word]]] = []
            for source, factor in zip(sources, factors, strict=True):
                segment = self.constants(factor[start : start + share].tolist(), start)
                adds.append((source, [("add", {"constants": segment})]))
            ports, depends = self._ports(adds, out, geometry, band)
            stair = self.staircase(stairs[:, start : start + share], lo)
            on_row: list[Word] = [("fire", {"stairs": stair}), SEND]
            self.tile(layer, share, on_row, ports, depends, 20, base=start, band=band)
        return layer

    def maxpool(
        self,
        source: Layer,
        kernel: int = 2,
        stride: int = 2,
        pad: int = 0,
        tiles: int = 1,
        bands: int = 1,
    ) -> Layer:
        """Add a max pool; a band keeps a copy of no more lines of its input than it reads."""
        out = tuple(
            (size + 2 * pad - kernel) // stride + 1 for size in (source.height, source.width)
        )
        assert len(out) == 2
        geometry = (kernel, stride, pad, 1)
        pairs = window_pairs(source.height, source.width, *out, *geometry)

        def formula(values: Values) -> Ints:
            best = np.full((out[0] * out[1], source.columns), np.iinfo(np.int64).min)
            for row, _, spine in pairs:
                best[row] = np.maximum(best[row], values[source.number][spine])
            return np.where(best == np.iinfo(np.int64).min, 0, best)

        layer = self.layer(out, source.columns, source.lo, source.hi, formula)
        for band, start, share in _grid(layer, tiles, bands):
            low = min(max(band[0] * stride - pad, 0), source.height - 1)
            high = max(min((band[1] - 1) * stride - pad + kernel, source.height), low + 1)
            work: list[Word] = [("trace", {"base": -low * source.width})]
            ports, depends = self._ports([(source, work)], out, geometry, band)
            window = self.window(source, out, *geometry, lines=(low, high), band=band)
            on_row: list[Word] = [("max", {"window": window}), SEND]
            copy = ((high - low) * source.width, share)
            self.tile(layer, share, on_row, ports, depends, copy=copy, base=start, band=band)
        return layer

    def concat(self, sources: Sequence[Layer]) -> Layer:
        """Add an index map: the columns of all sources side by side, the rows in reverse."""
        rows, columns = sources[0].rows, sum(source.columns for source in sources)
        lo, hi = min(s.lo for s in sources), max(s.hi for s in sources)

        def formula(values: Values) -> Ints:
            return np.concatenate([values[s.number] for s in sources], axis=1)[::-1]

        layer = self.layer((sources[0].height, sources[0].width), columns, lo, hi, formula)
        ports, base = [], 0
        depends = np.zeros(rows, int)
        for source in sources:
            for thread in source.threads:
                entry = self.tables["threads"][thread]
                spines, last = entry["rows"], rows - 1 - entry["row_base"]
                cells = ((s, c) for s in range(spines) for c in range(columns))
                index = self.map(spines, columns, {(s, c): [(last - s, c)] for s, c in cells})
                scat, scount = [("scat", {"map": index})], [("scount", {"map": index})]
                ports.append(Port(source, scat, scount, base, thread))
                depends[last - spines + 1 : last + 1] += 1
            base += source.columns
        self.tile(layer, columns, [("flow", {}), SEND], ports, depends.tolist(), 16)
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
            "products": tables.PRODUCT,
            "softmaxes": tables.SOFTMAX,
            "norms": tables.NORM,
            "curves": tables.CURVE,
            "routes": tables.ROUTE,
            "logits": tables.LOGITS,
            "decisions": tables.DECISION,
            "weights": np.int32,
            "thresholds": np.int64,
            "row_classes": np.int32,
            "depends": np.int32,
            "row_orders": np.int32,
            "map_indptr": np.int64,
            "exponentials": np.int64,
            "absent": np.int8,
            "levels": np.int32,
        }
        names = tables.THREAD.names or ()
        threads = [tuple(row[n] for n in names) for row in self.tables.get("threads", [])]
        arrays = {
            name: np.array(self.tables.get(name, []) if name != "threads" else threads, dtype)
            for name, dtype in dtypes.items()
        }
        for name in ("map_targets", "links"):
            arrays[name] = np.array(self.tables.get(name, []), np.int32).reshape(-1, 2)
        code = np.array(self.tables.get("code", []), np.uint64)
        count = len(threads)
        cores = [(0, 0, 0, count, 0, len(code)), *((x, 0, count, 0, 0, 0) for x in (1, 2, 3))]
        values = [{"name": r["name"], "reading": i} for i, r in enumerate(self.readings)]
        packet = {
            **{"kind": self.packets.kind, "flit_bits": self.packets.flit_bits},
            **{"fields": self.packets.fields, "capacity": self.packets.capacity},
        }
        return Program(
            header={"alphabet": self.alphabet, "packet": packet},
            bindings={"inputs": self.inputs, "readings": self.readings, "values": values},
            layers=[f"layer{layer.number}" for layer in self.layers],
            code=code,
            cores=np.array(cores, tables.CORE),
            **arrays,
        )

    def samples(self, rng: np.random.Generator) -> list[Ints]:
        """Random inputs for the program."""
        threads = self.tables["threads"]
        sources = {threads[layer.threads[0]]["input"]: layer for layer in self.layers}
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
        flat = [
            values[layer.number][self._part(thread)].ravel()
            for layer in self.layers
            for thread in layer.threads
        ]
        return np.concatenate(flat)

    def whole(self, layer: Layer, read: Callable[[int], Ints]) -> Ints:
        """Lay what is read of a layer's threads together, [rows, columns]."""
        values = np.zeros((layer.rows, layer.columns), np.int64)
        for thread in layer.threads:
            values[self._part(thread)] = read(thread)
        return values

    def _part(self, thread: int) -> tuple[slice, slice]:
        entry = self.tables["threads"][thread]
        row, column = entry["row_base"], entry["column_base"]
        return slice(row, row + entry["rows"]), slice(column, column + entry["columns"])


def _shares(columns: int, tiles: int) -> list[int]:
    """Split columns into tiles, the first ones larger."""
    return [columns // tiles + (i < columns % tiles) for i in range(tiles)]


def _grid(layer: Layer, tiles: int, bands: int) -> Iterator[tuple[tuple[int, int], int, int]]:
    """Yield (band of lines, first column, columns) of every tile of a layer."""
    line = 0
    for lines in _shares(layer.height, min(bands, layer.height)):
        start = 0
        for share in _shares(layer.columns, tiles):
            yield (line, line + lines), start, share
            start += share
        line += lines


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
    builder = Builder(alphabet, seed, packets=PACKETS[seed % len(PACKETS)])
    rng = np.random.default_rng([seed, 7])

    def pick(*options: int) -> int:
        return int(rng.choice(options))

    coding = ("bitplane", "spikes", "analog")[pick(0, 1, 2)]
    lo = pick(0, -8)
    shape = (pick(3, 4, 5), pick(3, 4, 6))
    builder.source(
        *(shape, pick(1, 3, 20), lo, 7, coding, 1),
        bands=pick(1, 1, 2),
        shuffled=bool(pick(0, 1)),
    )
    for _ in range(layers):
        last = builder.layers[-1]
        twins = [x for x in builder.layers if (x.height, x.width) == (last.height, last.width)]
        other = twins[pick(*range(len(twins)))]
        kind = pick(*range(6))
        small = min(last.height, last.width)
        lo, tiles, bands = pick(0, 0, -4), pick(1, 1, 2), pick(1, 1, 2, 3)
        if kind == 1 and small >= 2:
            tiles = min(tiles, last.columns)
            builder.maxpool(last, 2, pick(1, 2), pick(0, 1), tiles, bands)
        elif kind == 2 and other.columns == last.columns:
            builder.total([last, other], lo, 7, 1, min(tiles, last.columns), bands)
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
                bands=bands,
            )
    final = builder.conv(builder.layers[-1], 3, 1, 1, 0, fires=False)
    builder.read(final, "charge")
    builder.read(builder.layers[-2], "tracer")
    return builder
