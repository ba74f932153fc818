"""The network itself in onnxruntime, with 8-bit kernels: one pass, or as many as there are steps.

Tensors of 4 bits become tensors of 8, for which onnxruntime has fast kernels; scales and zero
points stay. The answers differ (what 4 bits would clip is not clipped), the work is the same: this
peer is a clock for a dense simulator in 8-bit integers, which needs a pass for each step. `single`
passes the image as often as there are steps, `batch` passes a batch of so many images once.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from speed_worker import Runner, serve

WIDER = {TensorProto.UINT4: TensorProto.UINT8, TensorProto.INT4: TensorProto.INT8}


def eight_bits(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with 8-bit tensors in place of 4-bit ones."""
    for tensor in model.graph.initializer:
        if tensor.data_type in WIDER:
            kind = helper.tensor_dtype_to_np_dtype(WIDER[tensor.data_type])
            wide = numpy_helper.to_array(tensor).astype(kind)
            tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))
    for value in model.graph.value_info:
        kind = value.type.tensor_type.elem_type
        value.type.tensor_type.elem_type = WIDER.get(kind, kind)
    return model


class Pass:
    """A session and an image."""

    def __init__(self, network: str, image: str, steps: int, batch: bool, scratch: str) -> None:
        model = eight_bits(onnx.load(network))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads = 1
        self.optimized = Path(scratch) / "onnxruntime.onnx"
        self.model, self.options = model, options
        with np.load(image) as arrays:
            self.image = arrays["image"][:1].astype(np.float32)
        self.passes = 1 if batch else steps
        if batch:
            self.image = np.repeat(self.image, steps, 0)

    def open(self, threads: int) -> None:
        """Make the session; look at what it makes of the graph."""
        self.options.intra_op_num_threads = self.threads = threads
        self.options.optimized_model_filepath = str(self.optimized)
        self.options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            self.model.SerializeToString(), self.options, ["CPUExecutionProvider"]
        )
        self.name = self.session.get_inputs()[0].name
        ops = [node.op_type for node in onnx.load(self.optimized).graph.node]
        self.kernels = {op: ops.count(op) for op in sorted(set(ops))}
        self.optimized.unlink()
        self.run()

    def facts(self) -> dict[str, Any]:
        """Versions, and the kernels of the optimized graph."""
        return {
            "onnxruntime": onnxruntime.__version__,
            "threads": self.threads,
            "kernels": self.kernels,
            "passes": self.passes,
        }

    def run(self) -> None:
        """All passes."""
        for _ in range(self.passes):
            self.session.run(None, {self.name: self.image})

    def answer(self) -> dict[str, Any]:
        """Nothing that could be compared."""
        return {}


def make(request: dict[str, Any]) -> Runner:
    """A runner for `onnx`, `image` (.npz), `steps`, `kind` and `threads`."""
    batch = request["kind"] == "batch"
    made = Pass(request["onnx"], request["image"], request["steps"], batch, request["scratch"])
    made.open(request["threads"])
    return made


if __name__ == "__main__":
    serve(make)
