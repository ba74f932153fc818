"""How the rows of a product look at one of its factors: spines of a factor instead of a map."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elsac.mapping.schedules.orders import ScheduleError
from elsac.runtime.products import SIDES, factor_shape, rows_met, sums_shape


@dataclass(frozen=True)
class Factor:
    """One factor of a product: `product` has the fields of an entry of `PRODUCT` by name.

    A row waits for every spine that has an element of its sums: a query row of attention for its
    own query, and for all keys, whatever order they come in.
    """

    product: Mapping[str, int]
    side: str

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise ScheduleError(f"a factor is one of {', '.join(SIDES)}, not '{self.side}'")

    @property
    def height(self) -> int:
        """Input spines: a factor is a map of one column."""
        return factor_shape(self.product, self.side)[0]

    @property
    def width(self) -> int:
        """The one column of that map."""
        return 1

    @property
    def out_height(self) -> int:
        """Output spines."""
        return sums_shape(self.product)[0]

    @property
    def out_width(self) -> int:
        """The one column of the result."""
        return 1

    @property
    def spines(self) -> int:
        """Input spines."""
        return self.height

    @property
    def rows(self) -> int:
        """Output spines."""
        return self.out_height

    @property
    def numbers(self) -> tuple[int, ...]:
        """No window: all 0."""
        return (0,) * 12

    def waits(self, rule: str) -> NDArray[np.bool_]:
        """Return which rows wait for the last input spine, [rows]; a product has no padding."""
        return np.full(self.rows, rule == "barrier")

    def fed(self) -> list[range]:
        """Return the rows that each spine feeds, [spines]."""
        rows, columns = sums_shape(self.product)
        whole = {"row_base": 0, "rows": rows, "column_base": 0, "columns": columns}
        return [rows_met(self.product, whole, self.side, spine) for spine in range(self.spines)]
