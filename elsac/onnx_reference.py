"""ONNX Runtime as a reference: the file as it is, unoptimized, with every quantized tensor shown.

Graph optimizations replace the float32 arithmetic of the file by fused integer kernels that round
otherwise, and some refuse 4-bit types; both is avoided with all of them disabled. ONNX Runtime
cannot hand 4-bit tensors to numpy, so these leave through a Cast to int32.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class ReferenceFailure(Exception):
    """ONNX Runtime is missing, or refuses the network; one line."""


class Reference:
    """A session that gives the graph's outputs and the integers of named tensors."""

    def __init__(self, path: str | Path, tensors: Collection[str]) -> None:
        """Load a network; names that are no tensors of its graph are left out."""
        try:
            import onnxruntime as ort
        except ImportError:
            raise ReferenceFailure(
                "ONNX Runtime is not installed; pip install 'elsac[verify]'"
            ) from None
        import onnx

        model = onnx.load(str(path))
        graph = model.graph
        self._path = path
        self._inputs = {
            i.name: i for i in graph.input if i.name not in {t.name for t in graph.initializer}
        }
        self._batch = self._fixed_batch()
        self._names = {o.name: o.name for o in graph.output}
        self._given = [name for name in tensors if name in self._inputs]
        made = {name: node for node in graph.node for name in node.output}
        for name in tensors:
            if name in made and name not in self._names:
                # The cast does no harm to 8-bit tensors, whose element type may not be known here.
                self._names[name] = _cast(model, name, set(made))
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        try:
            self._session = ort.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the library has many kinds
            raise self._failure(error) from None

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run a batch; outputs and tensors by name, batch first.

        Inputs of the graph that are not given are those that the network does not use.
        """
        samples = len(next(iter(inputs.values())))
        size = self._batch or samples
        unused = {name: self._zeros(name, size) for name in self._inputs if name not in inputs}
        parts: list[list[Array]] = []
        for first in range(0, samples, size):
            # A network with a fixed batch gets its last one filled up.
            places = np.minimum(np.arange(first, first + size), samples - 1)
            feed = {name: self._typed(name, array[places]) for name, array in inputs.items()}
            feed |= unused
            try:
                parts.append(self._session.run(list(self._names.values()), feed))
            except Exception as error:
                raise self._failure(error) from None
        results = {
            name: np.concatenate([np.atleast_1d(part[i]) for part in parts])[:samples]
            for i, name in enumerate(self._names)
        }
        return results | {name: inputs[name].astype(np.int64) for name in self._given}

    def _failure(self, error: Exception) -> ReferenceFailure:
        reason = str(error).strip().split("\n")[0]
        return ReferenceFailure(f"{self._path}: ONNX Runtime refuses the network: {reason}")

    def _fixed_batch(self) -> int | None:
        for info in self._inputs.values():
            dims = info.type.tensor_type.shape.dim
            if dims and dims[0].HasField("dim_value"):
                return int(dims[0].dim_value)
        return None

    def _zeros(self, name: str, size: int) -> Array:
        """Return zeros for an unused input, which ONNX Runtime wants to have all the same."""
        dims = self._inputs[name].type.tensor_type.shape.dim
        shape = [int(dim.dim_value) if dim.HasField("dim_value") else size for dim in dims]
        return self._typed(name, np.zeros(shape))

    def _typed(self, name: str, array: Array) -> Array:
        """Give 4-bit integers and brain floats the types that ONNX Runtime takes for them."""
        import onnx

        wanted = onnx.helper.tensor_dtype_to_np_dtype(self._inputs[name].type.tensor_type.elem_type)
        return array.astype(wanted)


def _cast(model: Any, name: str, taken: Collection[str]) -> str:
    """Add a Cast of a tensor to int32 as an output of the graph; return the output's name."""
    import onnx

    target = f"{name}_int32"
    while target in taken:
        target += "_"
    cast = onnx.helper.make_node("Cast", [name], [target], to=onnx.TensorProto.INT32)
    model.graph.node.append(cast)
    model.graph.output.append(
        onnx.helper.make_tensor_value_info(target, onnx.TensorProto.INT32, None)
    )
    return target
