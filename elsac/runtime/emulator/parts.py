"""Parts of kernels: functions that only compiled code calls.

numba turns every function into machine code of its own, and then optimizes and translates it once
more in each of its callers, theirs, and so on; nearly all of that is thrown away. A part becomes
machine code within the kernel that Python calls, and nowhere else. A part that is inlined is not
optimized before; others are, since loops that were optimized alone run a few percent faster.

This stands on how numba makes libraries of code, which has no stable interface (0.61 and 0.68 were
tried). Where what is needed of it is missing, parts are compiled as numba does it by itself: that
takes longer, no more.
"""

import ctypes
from typing import Any, cast

from llvmlite import binding, ir
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

_REFUSAL = ctypes.cast(ctypes.pythonapi.PyErr_BadArgument, ctypes.c_void_p).value
"""What Python finds in a part's place: a function that raises `TypeError`."""

_NEEDED = ("_create_empty_module", "_add_module", "_engine")


class _Part(JITCodeLibrary):
    """LLVM code for others to take in."""

    def _finalize_final_module(self: Any) -> None:
        """Make no machine code, but for a place where numba writes the function's environment."""
        self._finalize_dynamic_globals()
        module = self._codegen._create_empty_module(self.name)
        for known in self._final_module.global_variables:
            if "NumbaEnv" in known.name and not self._codegen._engine.is_symbol_defined(known.name):
                place = ir.GlobalVariable(module, ir.IntType(8).as_pointer(), known.name)
                place.linkage, place.initializer = "common", ir.Constant(place.value_type, None)
        self._codegen._add_module(binding.parse_assembly(str(module)))
        self._finalized = True

    def get_pointer_to_function(self: Any, name: str) -> Any:
        """Return what Python calls."""
        self._ensure_finalized()
        return _REFUSAL


class _Draft(_Part):
    """LLVM code as it was written."""

    def _optimize_final_module(self) -> None:
        """Leave that to the callers."""


class PartCompiler(Compiler):
    """numba's compiler with another library; give it as `pipeline_class`."""

    def define_pipelines(self) -> Any:
        """Return numba's own steps."""
        state = self.state
        codegen = state.targetctx.codegen()
        if all(hasattr(codegen, name) for name in _NEEDED):
            library = cast(Any, _Draft if state.flags.forceinline else _Part)
            state.library = library(codegen, state.func_id.func_qualname)
        return cast(Any, super()).define_pipelines()
