"""Hand-made programs with products of activations and functions of rows, as `tests/programs.py`.

Dense formulas are written with numpy's own reshapes and with `elsac.exact`, not with the runtime's
geometry: they stand beside it.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from elsac.exact.layer_norm import norm_table, table_norm
from elsac.exact.softmax import exp_table, table_softmax
from elsac.runtime.products import needed, spines_met
from elsac.runtime.program import PRODUCT
from tests.programs import PACKETS, SEND, Builder, Ints, Layer, Port, Values, Word, climb

Tile = tuple[tuple[int, int], tuple[int, int]]
"""Rows first..stop-1 and columns first..stop-1."""
Rule = Callable[[Ints], Ints]
"""From charges [rows, columns] to the levels in which they rest."""
ENDS = ("fire", "softmax", "norm", "rms", "curve")
WHOLE_ROWS = ("softmax", "norm", "rms")


def matrices(product: dict[str, int], side: str, values: Ints) -> Ints:
    """Cut a factor (spines, columns) into its heads' matrices [heads, rows, columns]."""
    heads = product["heads"]
    rows, columns = {"left": ("m", "k"), "right": ("k", "n")}[side]
    shape = product[rows], product[columns]
    transposed = product[f"{side}_transposed"]
    inner = shape[::-1] if transposed else shape
    if product[f"{side}_columns"]:
        cut = values.reshape(inner[0], heads, inner[1]).transpose(1, 0, 2)
    else:
        cut = values.reshape(heads, *inner)
    return cut.transpose(0, 2, 1) if transposed else cut


def dense_product(product: dict[str, int], left: Ints, right: Ints) -> Ints:
    """All sums of a product, (rows, columns)."""
    if product["elementwise"]:
        return left * right
    sums = matrices(product, "left", left) @ matrices(product, "right", right)
    heads, m, n = sums.shape
    if product["out_columns"]:
        return sums.transpose(1, 0, 2).reshape(m, heads * n)
    return sums.reshape(heads * m, n)


def random_geometry(rng: np.random.Generator) -> dict[str, int]:
    """A product of any layout, without its thread and widths."""
    elementwise = rng.random() < 0.25
    names = ("left_columns", "left_transposed", "right_columns", "right_transposed")
    flags = {name: int(rng.integers(2)) for name in names}
    if elementwise:
        for kind in ("columns", "transposed"):  # only one of the two may be of length 1
            if flags[f"left_{kind}"]:
                flags[f"right_{kind}"] = 0
    heads, m, k, n = (int(rng.integers(1, top)) for top in (4, 6, 6, 6))
    sizes = (1, m, 0, n) if elementwise else (heads, m, k, n)
    beside = 0 if elementwise else int(rng.integers(2))
    return {
        **{"elementwise": int(elementwise)},
        **dict(zip(("heads", "m", "k", "n"), sizes, strict=True)),
        **flags,
        **{"out_columns": beside, "left_bits": 8, "right_bits": 8},
    }


def random_tiles(rng: np.random.Generator, shape: tuple[int, int], whole_rows: bool) -> list[Tile]:
    """Cut rows, and columns if these may be cut, at random places."""

    def cuts(size: int, parts: int) -> list[tuple[int, int]]:
        inner = rng.choice(np.arange(1, size), min(parts, size) - 1, replace=False)
        at = [0, *sorted(inner.tolist()), size]
        return list(pairwise(at))

    rows = cuts(shape[0], int(rng.integers(1, 4)))
    columns = cuts(shape[1], 1 if whole_rows else int(rng.integers(1, 3)))
    return [(row, column) for row in rows for column in columns]


class AttentionBuilder(Builder):
    """A builder of products and of functions of rows; heights are rows, widths are 1."""

    def function(
        self, end: str, tile: Tile, lo: int, hi: int, whole: dict[str, Any]
    ) -> tuple[Word, Rule]:
        """Add the table of a function for one tile; return its instruction and the dense rule.

        `whole` keeps what all tiles of a layer have in common.
        """
        (first, stop), (start, last) = tile
        rows, columns = stop - first, last - start
        classes: list[int] = self.rng.integers(0, 2, rows).tolist()
        listed = self.add("row_classes", *classes)
        if end == "softmax":
            return self._softmax(columns, classes, listed, lo, hi, whole)
        if end in ("norm", "rms"):
            return self._norm(end, columns, lo, hi)
        shape = (2, columns, hi - lo)
        edges = np.sort(self.rng.integers(-90, 90, shape), axis=2)
        if end == "fire":
            stairs = self.staircase(edges, lo, classes)
            return ("fire", {"stairs": stairs}), lambda charge: climb(
                charge, edges, lo, np.array(classes)
            )
        offset = self.add("thresholds", *edges.ravel().tolist())
        levels = self.rng.integers(lo, hi + 1, hi - lo + 1)
        at = self.add("levels", *levels.tolist())
        index = self.add("curves", (offset, 2, columns, hi - lo, listed, at))
        return ("curve", {"curve": index}), lambda charge: np.asarray(
            levels[(charge[:, :, None] >= edges[classes]).sum(axis=2)]
        )

    def _softmax(
        self,
        columns: int,
        classes: list[int],
        listed: int,
        lo: int,
        hi: int,
        whole: dict[str, Any],
    ) -> tuple[Word, Rule]:
        if "unit" not in whole:
            whole["unit"] = Fraction(int(self.rng.integers(1, 60)), 64)
            whole["scale"] = int(self.rng.integers(1, 4)), int(self.rng.integers(2, 7))
            whole["bits"] = int(self.rng.choice([6, 12, 24]))
            whole["exps"] = exp_table(whole["unit"], whole["bits"])
            whole["at"] = self.add("exponentials", *whole["exps"].tolist())
        absent = self.rng.random((2, columns)) < 0.3
        absent[:, int(self.rng.integers(columns))] = False
        at, masked = -1, bool(self.rng.integers(2))
        if masked:
            at = self.add("absent", *absent.ravel().astype(int).tolist())
        n, shift = whole["scale"]
        table = whole["exps"]
        entry = (whole["at"], len(table), shift, n, at, 2, listed)
        index = self.add("softmaxes", entry)

        def rule(charge: Ints) -> Ints:
            keys = absent[classes] if masked else None
            return table_softmax(charge, table, n, shift, lo, hi, keys)[0]

        return ("softmax", {"softmax": index}), rule

    def _norm(self, end: str, columns: int, lo: int, hi: int) -> tuple[Word, Rule]:
        def fractions() -> Any:
            return np.array([Fraction(int(v), 16) for v in self.rng.integers(-24, 25, columns)])

        table = norm_table(
            *(columns, Fraction(1), fractions(), fractions()),
            *(Fraction(int(self.rng.integers(0, 3)), 10), Fraction(1, 4), lo, hi),
            *(end == "norm", int(self.rng.choice([4, 12, 24]))),
        )
        offset = self.add("thresholds", *table.thresholds.ravel().tolist())
        signs = self.add("weights", *table.signs.tolist())
        rest = (table.fraction, table.epsilon, table.epsilon_bits, int(end == "rms"))
        index = self.add("norms", (offset, signs, columns, lo, hi - lo, *rest))
        return ("norm", {"norm": index}), lambda charge: table_norm(charge, table)[0]

    def product(
        self,
        left: Layer,
        right: Layer,
        geometry: dict[str, int],
        end: str = "fire",
        lo: int = 0,
        hi: int = 7,
        tiles: Sequence[Tile] | None = None,
        bits: int = 24,
    ) -> Layer:
        """Add a product of two layers and what its rows do, in tiles."""
        heads, m, n = (geometry[name] for name in ("heads", "m", "n"))
        shape = (m, heads * n) if geometry["out_columns"] else (heads * m, n)
        rules: list[tuple[Tile, Rule]] = []

        def formula(values: Values) -> Ints:
            sums = dense_product(geometry, values[left.number], values[right.number])
            return laid(rules, sums)

        layer = self.layer((shape[0], 1), shape[1], lo, hi, formula)
        whole: dict[str, Any] = {}
        for tile in tiles or random_tiles(self.rng, shape, end in WHOLE_ROWS):
            word, rule = self.function(end, tile, lo, hi, whole)
            rules.append((tile, rule))
            self._product_tile(layer, (left, right), geometry, tile, word, bits)
        return layer

    def _product_tile(
        self,
        layer: Layer,
        sources: tuple[Layer, Layer],
        geometry: dict[str, int],
        tile: Tile,
        word: Word,
        bits: int,
    ) -> None:
        (first, stop), (start, last) = tile
        thread = {"row_base": first, "rows": stop - first}
        thread |= {"column_base": start, "columns": last - start}
        number = len(self.tables["threads"])
        entry = {"thread": number, **geometry}
        index = self.add("products", tuple(entry[name] for name in PRODUCT.names or ()))
        ports: list[Port] = []
        depends = np.zeros(stop - first, np.int64)
        for side, end, source in zip(("left", "right"), ("lcount", "rcount"), sources, strict=True):
            box = needed(geometry, thread, side)
            for sender in source.threads:
                tile_of = self.tables["threads"][sender]
                base, rows = tile_of["row_base"], tile_of["rows"]
                # All spines, or none beside those that the thread needs.
                span = (0, rows)
                if self.rng.integers(2):
                    low = min(max(box.first_spine - base, 0), rows)
                    span = (low, max(min(box.stop_spine - base, rows), low))
                operands = {"product": index, "base": base}
                ports.append(Port(source, [(side, operands)], [(end, operands)], 0, sender, span))
                depends += spines_met(geometry, thread, side, base + span[0], base + span[1])
        self.tile(
            *(layer, last - start, [word, SEND], ports, depends.tolist(), bits),
            base=start,
            band=(first, stop),
        )

    def function_of(
        self, sources: Sequence[Layer], end: str, lo: int = -8, hi: int = 7, bits: int = 24
    ) -> Layer:
        """Add a function of the rows of a sum of layers, in bands."""
        shape = sources[0].rows, sources[0].columns
        factors = self.rng.integers(1, 5, len(sources))
        rules: list[tuple[Tile, Rule]] = []

        def formula(values: Values) -> Ints:
            total = sum(values[s.number] * int(f) for s, f in zip(sources, factors, strict=True))
            return laid(rules, np.asarray(total))

        layer = self.layer((shape[0], 1), shape[1], lo, hi, formula)
        whole: dict[str, Any] = {}
        for tile in random_tiles(self.rng, shape, True):
            word, rule = self.function(end, tile, lo, hi, whole)
            rules.append((tile, rule))
            adds = [
                (s, [("add", {"constants": self.constants([int(f)] * shape[1], 0)})])
                for s, f in zip(sources, factors, strict=True)
            ]
            ports, depends = self._ports(adds, (shape[0], 1), (1, 1, 0, 1), tile[0])
            self.tile(*(layer, shape[1], [word, SEND], ports, depends, bits), base=0, band=tile[0])
        return layer


def laid(rules: list[tuple[Tile, Rule]], charges: Ints) -> Ints:
    """Let each tile's rule work on its part."""
    levels = np.zeros_like(charges)
    for ((first, stop), (start, last)), rule in rules:
        levels[first:stop, start:last] = rule(charges[first:stop, start:last])
    return levels


def random_product(seed: int, alphabet: str = "ternary") -> AttentionBuilder:
    """Two inputs, their product in any layout, a function of its rows, and a readout."""
    builder = AttentionBuilder(alphabet, seed, packets=PACKETS[seed % len(PACKETS)])
    rng = np.random.default_rng([seed, 11])
    geometry = random_geometry(rng)
    left, right = (_source(builder, rng, shape) for shape in shapes_of(geometry))
    end = str(rng.choice(ENDS))
    lo, hi = (0, int(rng.choice([3, 15]))) if end == "softmax" else (-4, 4)
    layer = builder.product(left, right, geometry, end, lo, hi)
    final = builder.conv(layer, 3, 1, 1, 0, fires=False)
    builder.read(final, "charge")
    builder.read(layer, "tracer")
    return builder


def shapes_of(product: dict[str, int]) -> list[tuple[int, int]]:
    """(spines, columns) of both factors, from the definition."""
    heads, m, k, n = (product[name] for name in ("heads", "m", "k", "n"))
    shapes = []
    for side, (rows, columns) in (("left", (m, k)), ("right", (k, n))):
        across, down = product[f"{side}_columns"], product[f"{side}_transposed"]
        if product["elementwise"]:
            shapes.append((1 if down else m, 1 if across else n))
            continue
        if down:
            rows, columns = columns, rows
        shapes.append((rows, heads * columns) if across else (heads * rows, columns))
    return shapes


def _source(builder: Builder, rng: np.random.Generator, shape: tuple[int, int]) -> Layer:
    coding = str(rng.choice(["bitplane", "spikes", "analog"]))
    tiles, bands = int(rng.integers(1, min(shape[1], 2) + 1)), int(rng.integers(1, 3))
    return builder.source((shape[0], 1), shape[1], -8, 7, coding, tiles, bands)


def random_encoder(seed: int, alphabet: str = "ternary") -> AttentionBuilder:
    """A block of a transformer: attention, a residual sum, a norm, a gated curve, a readout."""
    builder = AttentionBuilder(alphabet, seed, packets=PACKETS[seed % len(PACKETS)])
    rng = np.random.default_rng([seed, 13])
    heads, tokens, width = int(rng.integers(1, 4)), int(rng.integers(2, 6)), int(rng.integers(1, 4))
    shape, columns = (tokens, 1), heads * width
    coding = str(rng.choice(["bitplane", "spikes"]))
    x = builder.source(shape, columns, -8, 7, coding, 1, int(rng.integers(1, 3)))
    # Sometimes queries, keys and values are one layer: both factors hear the same spikes.
    one = rng.random() < 0.3
    q = builder.conv(x, columns, 1, 1, 0, lo=-4, hi=4, bands=2)
    k = q if one else builder.conv(x, columns, 1, 1, 0, lo=-4, hi=4, tiles=min(2, columns))
    v = q if one else builder.conv(x, columns, 1, 1, 0, lo=-4, hi=4)
    widths = {"elementwise": 0, "heads": heads, "left_bits": 8, "right_bits": 8}
    side = {"left_columns": 1, "right_columns": 1, "left_transposed": 0, "right_transposed": 0}
    scores = builder.product(
        *(q, k),
        {**widths, **side, "m": tokens, "k": width, "n": tokens}
        | {"right_transposed": 1, "out_columns": 0},
        "softmax",
        hi=15,
    )
    mixed = builder.product(
        *(scores, v),
        {**widths, **side, "m": tokens, "k": tokens, "n": width}
        | {"left_columns": 0, "out_columns": 1},
        str(rng.choice(["fire", "curve"])),
        lo=-4,
    )
    normed = builder.function_of([mixed, x], str(rng.choice(["norm", "rms"])))
    gate = builder.function_of([normed], "curve")
    apart = {"left_columns": 0, "right_columns": 0, "m": tokens, "k": 0, "n": columns}
    gated = builder.product(
        *(normed, gate),
        {**widths, **side, **apart, "elementwise": 1, "heads": 1, "out_columns": 0},
        str(rng.choice(["fire", "norm"])),
        lo=-4,
    )
    builder.read(builder.conv(gated, 3, 1, 1, 0, fires=False), "charge")
    builder.read(gated, "tracer")
    return builder
