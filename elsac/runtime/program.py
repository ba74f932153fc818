"""A compiled program in memory: code words, tables, bindings. `container.py` writes it to and reads
it from a file.

Every table is a numpy structured array, so that the binary holds exactly what the engines use.
Index columns hold -1 for "none". Shapes of tensors are per sample (no batch dimension).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT_VERSION = 4

CORE = np.dtype(
    [
        ("x", "<i4"),
        ("y", "<i4"),
        ("first_thread", "<i4"),
        ("threads", "<i4"),
        ("first_word", "<i4"),
        ("words", "<i4"),
    ]
)
"""One core: place on the mesh, its contiguous range of threads and of code words."""

THREAD = np.dtype(
    [
        ("core", "<i4"),
        ("layer", "<i4"),  # index into Program.layers
        ("order", "<i4"),  # position in a topological order of the threads, unique
        ("rows", "<i4"),  # output spines
        ("columns", "<i4"),  # neurons of a row that this tile holds
        ("column_base", "<i4"),  # the layer's column that is column 0 here
        ("row_base", "<i4"),  # the layer's row that is row 0 here
        ("lo", "<i4"),  # least tracer value that a spike may reach
        ("hi", "<i4"),  # greatest
        ("membrane_bits", "<i4"),  # two's complement width of the membranes; 0: no membranes
        ("trace_spines", "<i4"),  # size of the copy of the input tracers (max-pool); 0: none
        ("trace_columns", "<i4"),
        ("first_port", "<i4"),
        ("ports", "<i4"),
        ("on_row", "<i4"),  # index of the handler's first word
        ("on_step", "<i4"),  # the same for the end of a step; -1: no such handler
        ("depends", "<i4"),  # index into Program.depends of the first of `rows` counters
        # Index into Program.row_orders of `rows` row numbers: the order in which the rows that wait
        # for nothing run their handler; -1: ascending.
        ("row_order", "<i4"),
        ("input", "<i4"),  # index into bindings["inputs"] for a source thread, else -1
        ("first_route", "<i4"),
        ("routes", "<i4"),
        ("pe_columns", "<i4"),  # PEs of the core that share the columns; timing alone asks
        ("pe_rows", "<i4"),  # rows that one PE holds
    ]
)

PORT = np.dtype(
    [
        ("source", "<i4"),  # thread that sends
        (
            "column_base",
            "<i4",
        ),  # added to the packet's columns to give the channel that handlers see
        ("spines", "<i4"),  # spines of the stream, = rows of the source
        ("first", "<i4"),  # the spines first..stop-1 are delivered to this port, others not
        ("stop", "<i4"),
        ("on_spikes", "<i4"),
        ("on_end", "<i4"),
    ]
)

WINDOW = np.dtype(
    [
        (name, "<i4")
        for name in (
            "in_height",
            "in_width",
            "out_height",
            "out_width",
            "kernel_height",
            "kernel_width",
            "stride_height",
            "stride_width",
            "pad_top",
            "pad_left",
            "dilation_height",
            "dilation_width",
        )
    ]
)
"""Geometry of the im2col unit. Output (oy, ox) at tap (ky, kx) reads input (oy*stride_height -
pad_top + ky*dilation_height, ox*stride_width - pad_left + kx*dilation_width), if inside the map.
Spine and row numbers are raster (y * width + x), the tap number is ky * kernel_width + kx.
"""

WEIGHTS = np.dtype(
    [
        ("offset", "<i8"),  # first element in Program.weights
        ("taps", "<i4"),
        ("first_input", "<i4"),  # channels outside [first_input, first_input + inputs) are ignored
        ("inputs", "<i4"),
        ("inputs_per_group", "<i4"),
        ("outputs_per_group", "<i4"),
        ("bits", "<i4"),  # width in which the elements are packed, two's complement
    ]
)
"""A weight segment, laid out [taps][inputs][outputs_per_group]. Input channel c, i = c -
first_input, adds its row to the columns from (i // inputs_per_group) * outputs_per_group on.
"""

CONSTANTS = np.dtype(
    [("offset", "<i8"), ("first_input", "<i4"), ("inputs", "<i4"), ("bits", "<i4")]
)
"""A constant segment in Program.weights: one constant per channel; channel c adds to column c -
first_input.
"""

STAIRS = np.dtype(
    [
        ("offset", "<i8"),  # first element in Program.thresholds
        ("classes", "<i4"),
        ("columns", "<i4"),
        ("lo", "<i4"),  # the tracer value below the first threshold
        ("levels", "<i4"),  # thresholds per neuron: T[lo+1] .. T[lo+levels]
        (
            "row_class",
            "<i8",
        ),  # index into Program.row_classes of `rows` class numbers, or -1 for class 0 everywhere
    ]
)
"""A threshold staircase, laid out [classes][columns][levels]; NEVER and ALWAYS stand for plus and
minus infinity.
"""

MAP = np.dtype(
    [
        (
            "indptr",
            "<i8",
        ),  # index into Program.map_indptr of spines * channels + 1 entries, relative to `target`
        ("spines", "<i4"),
        ("channels", "<i4"),
        ("target", "<i8"),  # first of the pairs in Program.map_targets
        ("targets", "<i8"),
    ]
)
"""An index map: (spine, channel) -> the (row, column) pairs that it feeds, in compressed rows."""

PRODUCT = np.dtype(
    [
        ("thread", "<i4"),  # that forms it and keeps the delivered tracers of both factors
        ("elementwise", "<i4"),  # 0: matrices for each head; 1: element by element
        ("heads", "<i4"),
        ("m", "<i4"),
        ("k", "<i4"),
        ("n", "<i4"),
        ("left_columns", "<i4"),  # 1: the heads lie side by side, 0: one below the other
        ("left_transposed", "<i4"),
        ("right_columns", "<i4"),
        ("right_transposed", "<i4"),
        ("out_columns", "<i4"),
        ("left_bits", "<i4"),  # two's complement width of the delivered tracers
        ("right_bits", "<i4"),
    ]
)
"""A product of two activations. For each head g, C[g] = A[g] B[g], A[g] m x k and B[g] k x n.

Where A[g, i, l] lies in the left factor (spine, column): heads one below the other (g * m + i, l),
side by side (i, g * k + l); transposed, the same of matrices k x m: (g * k + l, i), (l, g * m + i).
So for B[g, l, j], and for C[g, i, j] in the layer's (row, column), never transposed. A thread holds
the rows from its row_base and the columns from its column_base on; sums outside are not its own.

Element by element, heads is 1, C is m x n (m rows, n columns), and k is 0. `left_columns` is then 1
if the left factor has one column for all, `left_transposed` 1 if it has one row for all; so for the
right one.
"""

SOFTMAX = np.dtype(
    [
        ("exps", "<i8"),  # first of the exponentials in Program.exponentials
        ("entries", "<i4"),
        ("shift", "<i4"),
        ("multiplier", "<i8"),  # the quantizer's scale is multiplier / 2**shift
        ("absent", "<i8"),  # index into Program.absent of [classes][n], or -1: all take part
        ("classes", "<i4"),
        ("row_class", "<i8"),  # index into Program.row_classes of `rows` class numbers, or -1
    ]
)
"""A quantized softmax. With d the distance of a charge to the greatest of its row, e =
exponentials[exps + d] (0 for d >= entries, and where absent is 1) and E the sum of the row's e, the
level is e * 2**shift / (E * multiplier), rounded half to even, then within the thread's lo..hi.
"""

NORM = np.dtype(
    [
        ("offset", "<i8"),  # into Program.thresholds, [columns][levels]
        ("signs", "<i8"),  # into Program.weights, [columns]: the sign of gamma
        ("columns", "<i4"),
        ("lo", "<i4"),  # the level below the first threshold
        ("levels", "<i4"),
        ("fraction", "<i4"),  # fractional bits of the thresholds
        ("epsilon", "<i8"),  # in 2**-epsilon_bits
        ("epsilon_bits", "<i4"),
        ("rms", "<i4"),  # 1: neither mean nor variance, but the mean of squares
    ]
)
"""A quantized normalization. With d charges A of a row: N = d * A - sum(A), W = d * sum(A * A) -
sum(A)**2; for rms both without sum(A). A column's level is lo plus the number of thresholds T with
sign * N * 2**fraction >= T * sqrt(W + epsilon / 2**epsilon_bits), a root of 0 counting as 1; NEVER
and ALWAYS stand for plus and minus infinity.
"""

CURVE = np.dtype(
    [
        ("offset", "<i8"),  # into Program.thresholds, [classes][columns][pieces]
        ("classes", "<i4"),
        ("columns", "<i4"),
        ("pieces", "<i4"),
        ("row_class", "<i8"),  # index into Program.row_classes of `rows` class numbers, or -1
        ("levels", "<i8"),  # index into Program.levels of pieces + 1 levels
    ]
)
"""An element-wise function: the level of a charge is levels[i], i the number of its breakpoints
that are not above it. Breakpoints do not decrease.
"""

LOGITS = np.dtype(
    [
        ("decision", "<i4"),  # to which they are reported
        ("kind", "<i4"),  # index into isa.LOGIT_KINDS
        ("first", "<i4"),  # of every row the columns first, first + stride, ..., `count` of them
        ("stride", "<i4"),
        ("count", "<i4"),
        ("base", "<i4"),  # the k-th of row r is value base + r * count + k of the decision
        ("scales", "<i8"),  # index into Program.scales of `count` pairs
        ("shift", "<i4"),
    ]
)
"""What one thread reports of a running answer. A number n of column k becomes the logit
(n * multiplier + bias) >> shift, in units of 2**-LOGIT_FRACTION and to the base 2 (`isa.py`).
"""

DECISION = np.dtype(
    [
        ("rule", "<i4"),  # index into isa.EXIT_RULES
        ("thread", "<i4"),  # that decides
        ("values", "<i4"),  # logits that it is told
        ("exps", "<i4"),  # index into Program.exps of isa.EXPS entries
    ]
)
"""A decision whether the answer so far is good enough to end the sample (`exit`)."""

ROUTE = np.dtype(
    [
        ("destination", "<i4"),  # core
        ("first_link", "<i4"),
        ("links", "<i4"),
        ("tree", "<i4"),  # number of the multicast tree that the path belongs to, from 0
        ("weight", "<i4"),  # of that tree: its share of the spines
        ("channel", "<i4"),  # virtual channel of that tree
        ("first_spine", "<i4"),  # the spines first_spine..stop_spine-1 take this path, if any
        ("stop_spine", "<i4"),
        ("credits", "<i4"),  # steps that the sender may be ahead of the readers there
    ]
)
"""The path of one thread's packets to one core: a run of (from, to) pairs in Program.links, mesh
places numbered y * mesh_width + x. Paths of one thread with the same tree number form a multicast
tree: a flit passes each of its links once. Every spine takes one tree (:func:`tree_of_spines`)."""

NEVER = (1 << 62) - 1
ALWAYS = -NEVER


def tree_of_spines(weights: Sequence[int], spines: int) -> NDArray[np.int32]:
    """Return the tree that each spine takes: a smooth weighted round robin, [spines].

    `weights` has the weight of each tree. Over any run of sum(weights) spines, tree i is taken
    weights[i] times, as evenly spread as can be, so that all flits of a spine stay in order.
    """
    total = sum(weights)
    lead = np.zeros(len(weights), np.int64)
    period = np.zeros(total, np.int32)
    for slot in range(total):
        lead += weights
        period[slot] = chosen = int(np.argmax(lead))
        lead[chosen] -= total
    return np.resize(period, spines)


def _empty(dtype: Any, *shape: int) -> NDArray[Any]:
    return np.zeros(shape or (0,), dtype=dtype)


@dataclass
class Program:
    """Everything that `elsac run` needs.

    `header` holds `format`, `elsac` (version), `network`, `target` (the whole target as a table),
    `target_sha256`, `pipeline` (reproduces the program with elsac-opt), `alphabet` (ternary, floor,
    nearest) and `coding`.

    `bindings` holds, in JSON types only:

    - `inputs`: `{name, dtype, shape, element_type, scale, zero, lo, hi, coding, quantize, head}`:
      `name`, `dtype` and `shape` as ONNX has them (shape without batch); `scale` a hexadecimal
      float or null; the tracer is clip(rhe(x / scale) + zero, lo + zero, hi + zero) - zero when
      `quantize`, else x - zero; `head` a list of host nodes to run before.
    - `readings`: `{name, kind, threads, shape, channel_axis, index, final_shape, zero,
      element_type}`: an on-chip tensor; kind `tracer` or `charge`; the tiles in `threads` cover
      [rows, columns], each from its row_base and column_base on, exactly once; channel_axis 0 means
      shape is (columns, *spatial), -1 means (*spatial, columns); `index`, if not null, is the name
      of an array in `arrays` that gathers the flattened tensor (-1 gives 0) into `final_shape`.
    - `probes`: indices of the readings that are quantized tensors of the ONNX file, keyed by their
      name there.
    - `values`: `{name, reading, factor, offset, element_type, dtype}`: float tensors that leave the
      chip: charge * factor + offset (arrays of float64 broadcastable to the reading's shape) in
      float32, or (factor null) the integers q = tracer + zero as they are.
    - `host`: `{nodes, outputs}`: the float tail: nodes `{op, name, inputs, outputs, attributes}`
      over named arrays and `values`; outputs `{name, integers}` with `integers` the reading behind
      it, or null.
    """

    header: dict[str, Any]
    bindings: dict[str, Any]
    layers: list[str]
    code: NDArray[np.uint64]
    cores: NDArray[Any] = field(default_factory=lambda: _empty(CORE))
    threads: NDArray[Any] = field(default_factory=lambda: _empty(THREAD))
    ports: NDArray[Any] = field(default_factory=lambda: _empty(PORT))
    windows: NDArray[Any] = field(default_factory=lambda: _empty(WINDOW))
    weight_segments: NDArray[Any] = field(default_factory=lambda: _empty(WEIGHTS))
    constant_segments: NDArray[Any] = field(default_factory=lambda: _empty(CONSTANTS))
    stairs: NDArray[Any] = field(default_factory=lambda: _empty(STAIRS))
    maps: NDArray[Any] = field(default_factory=lambda: _empty(MAP))
    products: NDArray[Any] = field(default_factory=lambda: _empty(PRODUCT))
    softmaxes: NDArray[Any] = field(default_factory=lambda: _empty(SOFTMAX))
    norms: NDArray[Any] = field(default_factory=lambda: _empty(NORM))
    curves: NDArray[Any] = field(default_factory=lambda: _empty(CURVE))
    routes: NDArray[Any] = field(default_factory=lambda: _empty(ROUTE))
    logits: NDArray[Any] = field(default_factory=lambda: _empty(LOGITS))
    decisions: NDArray[Any] = field(default_factory=lambda: _empty(DECISION))
    weights: NDArray[np.int32] = field(default_factory=lambda: _empty(np.int32))
    thresholds: NDArray[np.int64] = field(default_factory=lambda: _empty(np.int64))
    row_classes: NDArray[np.int32] = field(default_factory=lambda: _empty(np.int32))
    depends: NDArray[np.int32] = field(default_factory=lambda: _empty(np.int32))
    row_orders: NDArray[np.int32] = field(default_factory=lambda: _empty(np.int32))
    map_indptr: NDArray[np.int64] = field(default_factory=lambda: _empty(np.int64))
    map_targets: NDArray[np.int32] = field(default_factory=lambda: _empty(np.int32, 0, 2))
    exponentials: NDArray[np.int64] = field(default_factory=lambda: _empty(np.int64))
    absent: NDArray[np.int8] = field(default_factory=lambda: _empty(np.int8))
    levels: NDArray[np.int32] = field(default_factory=lambda: _empty(np.int32))
    scales: NDArray[np.int64] = field(default_factory=lambda: _empty(np.int64, 0, 2))
    exps: NDArray[np.int32] = field(default_factory=lambda: _empty(np.int32))
    links: NDArray[np.int32] = field(default_factory=lambda: _empty(np.int32, 0, 2))
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
