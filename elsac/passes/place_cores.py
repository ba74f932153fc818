"""Place cores on the mesh: along a snake, so that neighbours in the pipeline are neighbours on the
chip.

`method=random` draws places instead (seeded): the answers may not depend on it, which tests use.
"""

import random
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from elsac.context import CompileError, compiler_context
from elsac.dialects import token


@dataclass(frozen=True)
class PlaceCores(ModulePass):
    """Give every core a place (x, y)."""

    name = "place-cores"
    method: str = "snake"  # snake, random
    seed: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Set `place` on every actor and source."""
        target = compiler_context(ctx).target
        places = snake(target.mesh_width, target.mesh_height)
        if self.method == "random":
            random.Random(self.seed).shuffle(places)
        elif self.method != "snake":
            raise CompileError(f"place-cores: method '{self.method}' is not one of snake, random")
        for o in op.body.ops:
            if isinstance(o, token.ActorOp | token.SourceOp):
                if o.core is None or o.core.value.data >= len(places):
                    raise CompileError("place-cores: run the pass 'assign-cores' before")
                o.place = token.int_array(places[o.core.value.data])


def snake(width: int, height: int) -> list[tuple[int, int]]:
    """All places of the mesh, each a neighbour of the one before."""
    return [(x if y % 2 == 0 else width - 1 - x, y) for y in range(height) for x in range(width)]
