"""Choose the order in which the spines of an input enter, and so the order of all that follow.

`schedule` is one of elsac.mapping.schedules: "raster", "shells" (the paper's squares), "bands" and
"serpentine" (bands of four lines), or "shells-padded": shells with the rule of the paper's
Algorithm 1 as its published artifact has it, by which rows that touch the bottom or right padding
wait for the last spine of their input in the order of shells; it is there for comparison. Rows fire
when their last input has ended, whatever the order, so that answers do not depend on it.
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr, UnitAttr
from xdsl.passes import ModulePass

from elsac.context import CompileError
from elsac.dialects import token

SCHEDULES = ("raster", "columns", "shells", "shells-padded", "bands", "serpentine")


@dataclass(frozen=True)
class OrderSpines(ModulePass):
    """Set `order` on every source, and `padded` on every actor where the schedule has the rule."""

    name = "order-spines"
    schedule: str = "raster"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Name the order; raster needs no name."""
        if self.schedule not in SCHEDULES:
            known = ", ".join(SCHEDULES)
            raise CompileError(f"order-spines: schedule '{self.schedule}' is not one of {known}")
        order = self.schedule.removesuffix("-padded")
        padded = order != self.schedule
        for o in op.body.ops:
            if isinstance(o, token.SourceOp):
                o.order = None if order == "raster" else StringAttr(order)
            elif isinstance(o, token.ActorOp):
                o.padded = UnitAttr() if padded else None
