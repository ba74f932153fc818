"""The network itself in onnxruntime, with 8-bit kernels: one pass, or as many as there are steps.

Tensors of 4 bits become tensors of 8, for which onnxruntime has fast kernels; scales and zero
points stay. Activations keep their sign or are moved by 128, whichever is faster, and possible:
onnxruntime refuses some graphs with signed ones. What has no 8-bit kernel (softmax, normalization,
gelu) runs in float32; `kernels` names all that run. The answers differ (what 4 bits would clip is
not clipped), the work is the same: this peer is a clock for a dense simulator in 8-bit integers,
which needs a pass for each step. `single` passes the image as often as there are steps, `batch`
passes a batch of so many images once.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.capi.onnxruntime_pybind11_state import Fail
from speed_worker import Missing, Runner, serve, timed

WIDER = {TensorProto.UINT4: TensorProto.UINT8, TensorProto.INT4: TensorProto.INT8}


def eight_bits(model: onnx.ModelProto, signed: bool = True) -> onnx.ModelProto:
    """The same graph with 8-bit tensors in place of 4-bit ones; all activations unsigned if not
    `signed`.
    """
    names = {tensor.name for tensor in model.graph.initializer}
    pairs = [n for n in model.graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    zeros = {n.input[2] for n in pairs if n.input[0] not in names and len(n.input) > 2}
    for tensor in model.graph.initializer:
        if tensor.data_type in WIDER:
            kind = helper.tensor_dtype_to_np_dtype(WIDER[tensor.data_type])
            wide = numpy_helper.to_array(tensor).astype(kind)
            if tensor.name in zeros and kind == np.int8 and not signed:
                wide = (wide.astype(np.int16) + 128).astype(np.uint8)
            tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))
    for value in model.graph.value_info:
        kind = value.type.tensor_type.elem_type
        value.type.tensor_type.elem_type = WIDER.get(kind, kind)
    return model


class Pass:
    """A session and an image."""

    def __init__(self, network: str, image: str, steps: int, batch: bool, scratch: str) -> None:
        self.network, self.threads = network, 1
        self.optimized = Path(scratch) / "onnxruntime.onnx"
        with np.load(image) as arrays:
            image = arrays["image"][:1]
            self.image = image if image.dtype.kind == "i" else image.astype(np.float32)
        self.passes = 1 if batch else steps
        if batch:
            self.image = np.repeat(self.image, steps, 0)

    def open(self, threads: int) -> None:
        """Make the session; look at what it makes of the graph."""
        self.threads = threads
        best, refused = float("inf"), ""
        for signed in (True, False):
            try:
                session, kernels = self.session_of(signed)
            except Fail as error:
                refused = str(error)
                continue
            self.name = session.get_inputs()[0].name
            took = min(timed(lambda: self.once(session))["wall"] for _ in range(3))  # noqa: B023
            if took < best:
                best, self.session, self.kernels, self.signed = took, session, kernels, signed
        if best == float("inf"):
            raise Missing(f"onnxruntime refuses the network: {refused[:200]}")

    def session_of(self, signed: bool) -> tuple[onnxruntime.InferenceSession, dict[str, int]]:
        """A session, and how many nodes of each kind it runs."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.optimized_model_filepath = str(self.optimized)
        options.log_severity_level = 3
        model = eight_bits(onnx.load(self.network), signed).SerializeToString()
        session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
        ops = [node.op_type for node in onnx.load(self.optimized).graph.node]
        self.optimized.unlink()
        return session, {op: ops.count(op) for op in sorted(set(ops))}

    def once(self, session: onnxruntime.InferenceSession) -> None:
        """One pass."""
        session.run(None, {self.name: self.image})

    def facts(self) -> dict[str, Any]:
        """Versions, and the kernels of the optimized graph."""
        return {
            "onnxruntime": onnxruntime.__version__,
            "threads": self.threads,
            "kernels": self.kernels,
            "passes": self.passes,
            "activations": "signed" if self.signed else "unsigned",
        }

    def run(self) -> None:
        """All passes."""
        for _ in range(self.passes):
            self.once(self.session)

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
