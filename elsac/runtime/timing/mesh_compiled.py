"""How kernels of timing models are compiled, and two operations that numba has no name for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from elsac.runtime.caches import drop_stale, listen

drop_stale(Path(__file__).parent)
listen()

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function at its first call, and keep the machine code on disk."""
    return cast(F, njit(cache=True, nogil=True, error_model="numpy")(function))


def inlined(function: F) -> F:
    """Compile a function into those that call it."""
    return cast(F, njit(cache=True, nogil=True, forceinline=True)(function))


def _lowest(typing: Any, word: Any) -> Any:
    """The number of the lowest bit of a word that is not 0."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], cgutils.true_bit)

    return types.int64(types.int64), code


def _borrow(typing: Any, mesh: Any) -> Any:
    """Return a mesh whose arrays count no references, which takes longer than to move a flit.

    A loop that calls kernels wants to begin with `mesh = borrow(mesh)`. Whoever called it holds the
    arrays until it returns; a borrowed mesh must not be returned or kept.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lent = arguments[0]
        for index, kind in enumerate(mesh.types):
            if isinstance(kind, types.Array):
                value = builder.extract_value(lent, index)
                array = context.make_array(kind)(context, builder, value)
                array.meminfo = cgutils.get_null_value(array.meminfo.type)
                lent = builder.insert_value(lent, array._getvalue(), index)
        return lent

    return mesh(mesh), code


lowest: Any = intrinsic(_lowest)
borrow: Any = intrinsic(_borrow)
