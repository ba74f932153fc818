"""Hand-made programs of transformers for tests of the stages: products, softmax, norms, curves."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.runtime import program as tables
from elsac.runtime.products import factor_shape, fields_of, rows_met, sums_shape
from elsac.runtime.program import ALWAYS, NEVER
from tests.programs import SEND, Builder, Layer, Port, Word

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Shape:
    """Matrices m x k and k x n of each head, and how they lie; see `program.PRODUCT`."""

    heads: int
    m: int
    k: int
    n: int
    left_columns: int = 0
    left_transposed: int = 0
    right_columns: int = 0
    right_transposed: int = 0
    out_columns: int = 0
    elementwise: int = 0

    def entry(self, thread: int = 0, bits: tuple[int, int] = (9, 9)) -> tuple[int, ...]:
        names = ("heads", "m", "k", "n", "left_columns", "left_transposed")
        more = ("right_columns", "right_transposed", "out_columns")
        return (thread, self.elementwise, *(getattr(self, n) for n in (*names, *more)), *bits)

    @property
    def fields(self) -> dict[str, int]:
        return fields_of(np.array([self.entry()], tables.PRODUCT)[0])

    def factor(self, side: str) -> tuple[int, int]:
        return factor_shape(self.fields, side)

    @property
    def sums(self) -> tuple[int, int]:
        return sums_shape(self.fields)


class Tokens(Builder):
    """A builder of layers of tokens: maps of one column of pixels."""

    def tokens(self, rows: int, columns: int, lo: int, hi: int, coding: str, **where: Any) -> Layer:
        """Add an input."""
        return self.source((rows, 1), columns, lo, hi, coding, **where)

    def product(
        self,
        left: Layer,
        right: Layer,
        shape: Shape,
        on_row: Any,
        lo: int,
        hi: int,
        cuts: list[tuple[int, int, int, int]] | None = None,
        bits: int = 40,
        whole: bool = True,
    ) -> Layer:
        """Add a product. `on_row` makes the words of a tile (layer, first row, rows, columns).

        `cuts` are tiles (row, rows, column, columns). If not `whole`, tiles hear only spines that
        they need.
        """
        rows, columns = shape.sums
        layer = self.layer((rows, 1), columns, lo, hi, lambda values: values[0])
        for row, many, column, wide in cuts or [(0, rows, 0, columns)]:
            number = len(self.tables.setdefault("threads", []))
            index = self.add("products", shape.entry(number))
            place = {"row_base": row, "rows": many, "column_base": column, "columns": wide}
            depends, ports = np.zeros(many, np.int64), []
            for side, source in (("left", left), ("right", right)):
                for thread in source.threads:
                    entry = self.tables["threads"][thread]
                    base, spines = entry["row_base"], range(entry["rows"])
                    met = [rows_met(shape.fields, place, side, base + s) for s in spines]
                    used = [s for s in spines if whole or len(met[s])]
                    if not used:
                        continue
                    span = used[0], used[-1] + 1
                    for s in range(*span):
                        depends[met[s].start : met[s].stop : met[s].step] += 1
                    operands = {"product": index, "base": base}
                    work: list[Word] = [(side, operands)]
                    end: list[Word] = [(f"{side[0]}count", operands)]
                    ports.append(Port(source, work, end, 0, thread, span))
            words = on_row(row, many, column, wide)
            band = row, row + many
            self.tile(*(layer, wide, words, ports, depends.tolist(), bits), base=column, band=band)
        return layer

    # What rows do.

    def softmax(
        self, columns: int, unit: float, fraction: int, scale: tuple[int, int], absent: Any = None
    ) -> Any:
        """Words of a softmax; `absent` [classes, columns]."""
        size = int((fraction + 1) / unit) + 2
        exps = np.rint(2.0**fraction * np.exp(-unit * np.arange(size))).astype(np.int64)
        exps = exps[: np.flatnonzero(exps)[-1] + 1]
        first = self.add("exponentials", *exps.tolist())
        where, classes = -1, 1
        if absent is not None:
            where, classes = self.add("absent", *np.ravel(absent).tolist()), len(absent)

        def words(row: int, rows: int, column: int, wide: int) -> list[Word]:
            row_class = -1
            if classes > 1:
                picked = (np.arange(row, row + rows) * 7 % classes).tolist()
                row_class = self.add("row_classes", *picked)
            entry = (first, len(exps), scale[1], scale[0], where, classes, row_class)
            return [("softmax", {"softmax": self.add("softmaxes", entry)}), SEND]

        return words

    def norm(
        self, columns: int, lo: int, hi: int, fraction: int, rms: bool = False, bent: bool = False
    ) -> Any:
        """Words of a normalization with random gamma and beta."""
        levels = hi - lo
        gamma = self.rng.uniform(-1.5, 2.0, columns)
        gamma[self.rng.random(columns) < 0.1] = 0
        beta, scale = self.rng.uniform(-0.5, 0.5, columns), 6 / levels
        thresholds = np.zeros((columns, levels), np.int64)
        bound = np.sqrt(columns) * 2.0**fraction
        for j in range(columns):
            for k in range(levels):
                c = (lo + k + 0.5) * scale - beta[j]
                if bent:
                    c = np.sign(c) * c * c
                if gamma[j] == 0:
                    thresholds[j, k] = ALWAYS if c < 0 else NEVER
                    continue
                value = c * 2.0**fraction / abs(gamma[j])
                thresholds[j, k] = round(value)
                if abs(value) > bound:
                    thresholds[j, k] = NEVER if value > 0 else ALWAYS
        offset = self.add("thresholds", *thresholds.ravel().tolist())
        signs = self.add("weights", *np.sign(gamma).astype(int).tolist())
        bits = int(self.rng.integers(0, 20))
        entry = (offset, signs, columns, lo, levels, fraction, 5 << bits, bits, int(rms))
        index = self.add("norms", entry)
        return lambda row, rows, column, wide: [("norm", {"norm": index}), SEND]

    def curve(
        self, columns: int, lo: int, hi: int, spread: int, classes: int = 1, one: bool = False
    ) -> Any:
        """Words of a curve with random breakpoints and levels."""
        pieces = int(self.rng.integers(0, 12))
        levels = self.add("levels", *self.rng.integers(lo, hi + 1, pieces + 1).tolist())
        shape = (classes, 1 if one else columns, pieces)
        breaks = np.sort(self.rng.integers(-spread, spread + 1, shape), axis=2)
        breaks = np.broadcast_to(breaks, (classes, columns, pieces)).copy()
        if pieces:
            breaks[..., -1][self.rng.random(breaks.shape[:2]) < 0.1] = NEVER
            breaks[..., 0][self.rng.random(breaks.shape[:2]) < 0.1] = ALWAYS

        def words(row: int, rows: int, column: int, wide: int) -> list[Word]:
            part = breaks[:, column : column + wide]
            offset = self.add("thresholds", *part.ravel().tolist())
            row_class = -1
            if classes > 1:
                picked = self.rng.integers(0, classes, rows).tolist()
                row_class = self.add("row_classes", *picked)
            entry = (offset, classes, wide, pieces, row_class, levels)
            return [("curve", {"curve": self.add("curves", entry)}), SEND]

        return words

    def stairs(self, columns: int, lo: int, hi: int, spread: int) -> Any:
        """Words of `fire`."""
        values = self._stairs(columns, lo, hi, spread, 1)

        def words(row: int, rows: int, column: int, wide: int) -> list[Word]:
            part = values[:, column : column + wide]
            return [("fire", {"stairs": self.staircase(part, lo)}), SEND]

        return words

    def behind(
        self,
        sources: list[Layer],
        columns: int,
        on_row: Any,
        lo: int,
        hi: int,
        cuts: list[tuple[int, int, int, int]] | None = None,
        weights: bool = True,
        bits: int = 40,
        most: int = 7,
    ) -> Layer:
        """Add a linear layer of tokens, or (without weights) a sum of layers."""
        rows = sources[0].rows
        layer = self.layer((rows, 1), columns, lo, hi, lambda values: values[0])
        values = [
            self.rng.integers(-most, most + 1, (1, source.columns, columns)) for source in sources
        ]
        factors = [self.rng.integers(1, 4, source.columns) for source in sources]
        for row, many, column, wide in cuts or [(0, rows, 0, columns)]:
            band = row, row + many
            ports: list[Port] = []
            depends = np.zeros(many, np.int64)
            for source, value, factor in zip(sources, values, factors, strict=True):
                if weights:
                    part = value[:, :, column : column + wide]
                    segment = self.weights(part, source.columns)
                    work: list[Word] = [("acc", {"weights": segment, "shift": 0})]
                else:
                    part = factor[column : column + wide]
                    work = [("add", {"constants": self.constants(part.tolist(), column)})]
                more, waits = self._ports([(source, work)], (rows, 1), (1, 1, 0, 1), band)
                ports += more
                depends += np.array(waits)
            words = on_row(row, many, column, wide)
            self.tile(*(layer, wide, words, ports, depends.tolist(), bits), base=column, band=band)
        return layer


def bands(rows: int, parts: int) -> list[tuple[int, int]]:
    """Cut rows into parts."""
    cuts = np.linspace(0, rows, parts + 1).astype(int).tolist()
    return [(a, b - a) for a, b in pairwise(cuts) if b > a]


def tiles(shape: tuple[int, int], down: int, across: int) -> list[tuple[int, int, int, int]]:
    """Cut (rows, columns) into tiles."""
    return [(r, m, c, n) for r, m in bands(shape[0], down) for c, n in bands(shape[1], across)]


__all__ = ["Shape", "Tokens", "bands", "tiles"]
