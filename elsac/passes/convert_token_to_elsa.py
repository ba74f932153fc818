"""Generate code: every actor becomes a thread with handlers, every table that they index a symbol.

Windows lead from the lines of a stream to the lines of
the tile, both counted from 0. The dependency count of a row is the number of spine ends that it
waits for.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    DictionaryAttr,
    ModuleOp,
    StringAttr,
    SymbolRefAttr,
    i64,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from elsac.context import Blobs, CompileError, compiler_context, like
from elsac.dialects import elsa, token
from elsac.dialects.elsa import instruction
from elsac.dialects.net import BlobOp, int_attr
from elsac.passes.bands import lines_of, local, reading, touched
from elsac.passes.capacity import Estimator
from elsac.passes.code_tables import Tables
from elsac.passes.exits import exit_handlers
from elsac.passes.function_tables import factor, row_function
from elsac.passes.tiles import check_senders
from elsac.targets import Target

Node = token.ActorOp | token.SourceOp


@dataclass(frozen=True)
class ConvertTokenToElsa(ModulePass):
    """Cores, threads, handlers and tables for actors.

    `exit` is the rule by which an answer may end a sample, one of elsac.passes.exits.RULES;
    `channels` are those of objectness.
    """

    name = "convert-token-to-elsa"
    exit: str | None = None
    channels: str | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """One thread an actor, gathered by core."""
        about = compiler_context(ctx)
        check_senders(op, self.name)
        generator = _Generator(op, Blobs(op, about.store), about.target)
        kept = BlobOp | token.PacketFormatOp | token.ClaimOp
        old = [o for o in op.body.ops if not isinstance(o, kept)]
        nodes = [o for o in old if isinstance(o, token.ActorOp | token.SourceOp)]
        for number, node in enumerate(nodes):
            generator.threads[node.output] = f"t{number}"
        if any(n.core is None or n.place is None or n.routes is None for n in nodes):
            raise CompileError("convert-token-to-elsa: assign, place and route before")
        generator.steps = exit_handlers(
            old, generator.threads, generator.tables, generator.blobs, self.exit, self.channels
        )
        threads = [generator.thread(node, number) for number, node in enumerate(nodes)]
        cores: dict[int, list[tuple[Node, elsa.ThreadOp]]] = {}
        for node, thread in zip(nodes, threads, strict=True):
            assert node.core is not None
            cores.setdefault(node.core.value.data, []).append((node, thread))
        for number, members in sorted(cores.items()):
            assert members[0][0].place is not None
            properties = {
                "sym_name": StringAttr(f"core{number}"),
                "place": members[0][0].place,
            }
            body = Region(Block([thread for _, thread in members]))
            generator.insert(elsa.CoreOp.build(properties=properties, regions=[body]))
        for o in old:
            if isinstance(o, token.ProbeOp | token.ReadoutOp):
                generator.reading(o)
        for o in reversed(old):
            Rewriter.erase_op(o)
        generator.blobs.prune()


class _Generator:
    def __init__(self, module: ModuleOp, blobs: Blobs, target: Target) -> None:
        self.module, self.blobs = module, blobs
        self.estimator = Estimator(blobs, target)
        self.tables = Tables(module, blobs)
        self.threads: dict[SSAValue, str] = {}
        self.steps: dict[SSAValue, list[Operation]] = {}  # handlers on step
        self.inputs: dict[str, int] = {}

    def insert(self, op: Operation) -> None:
        Rewriter.insert_op(op, InsertPoint.at_end(self.module.body.block))

    def thread(self, node: Node, order: int) -> elsa.ThreadOp:
        """The thread of a source or an actor."""
        stream = token.stream(node.output)
        rows, columns = stream.spines.data, stream.columns.data
        numbers = dict.fromkeys(elsa.ThreadOp.NUMBERS, 0)
        numbers.update(
            order=order, rows=rows, columns=columns, lo=stream.lo.data, hi=stream.hi.data
        )
        ports: list[Operation] = []
        depends = np.zeros(rows, dtype=np.int32)
        binding = None
        row_order = None
        if isinstance(node, token.SourceOp):
            row_order = self.tables.row_order(node)
            layer, binding = node.tensor_name, int_attr(self.source(node))
            numbers.update(row_base=node.row_base)
            row: list[Operation] = [instruction("inject"), instruction("send")]
        else:
            layer = node.layer
            numbers.update(column_base=node.columns[0], row_base=node.row_base)
            block = node.body.block
            for value, step in zip(node.inputs, list(block.ops)[:-1], strict=True):
                port, waits = self.port(node, value, step)
                if node.padded is not None:
                    waits = waits + self.defer(node, step, port)
                ports.append(like(step, port))
                depends += waits
                if isinstance(step, token.TraceOp):
                    first, stop = traced(node, step.map)
                    wide = step.map.sizes[0][1]
                    numbers.update(trace_spines=(stop - first) * wide, trace_columns=columns)
            row, bits = self.firing(node, block.last_op)
            numbers["membrane_bits"] = bits
        row.append(instruction("end"))
        late = [Region(Block(words))] if (words := self.steps.get(node.output)) else []
        assert node.routes is not None
        thread = elsa.ThreadOp.build(
            properties={
                "sym_name": StringAttr(self.threads[node.output]),
                "layer": layer,
                "numbers": DictionaryAttr({k: int_attr(v) for k, v in numbers.items()}),
                "depends": SymbolRefAttr(self.blobs.put(depends, "depends")),
                "row_order": row_order,
                "pes": self.pes(node),
                "input": binding,
                "routes": node.routes,
                "memory": node.memory,
            },
            regions=[Region(Block(ports)), Region(Block(row)), late],
        )
        return like(node, thread)

    def pes(self, node: Node) -> DenseArrayBase | None:
        """The PEs that share the columns of a tile, and the rows of each."""
        if isinstance(node, token.SourceOp):
            return None
        part = self.estimator.part(node)
        rows = token.stream(node.output).spines.data // part.lines * -(-part.lines // part.pe_lines)
        return DenseArrayBase.from_list(i64, [part.pe_columns, rows])

    def source(self, node: token.SourceOp) -> int:
        """The number of a source's input, which its first tile binds."""
        name = node.tensor_name.data
        if name in self.inputs:
            return self.inputs[name]
        stream = token.stream(node.output)
        numbers: dict[str, Attribute] = {
            "shape": node.shape,
            "scale": node.scale,
            "zero": node.zero,
            "element_type": node.element_type,
            "coding": StringAttr(str(node.coding.data)),
            "lo": int_attr(stream.lo.data),
            "hi": int_attr(stream.hi.data),
        }
        properties: dict[str, Attribute] = {
            "tensor_name": node.tensor_name,
            "numbers": DictionaryAttr(numbers),
        }
        self.insert(like(node, elsa.InputOp.create(properties=properties)))
        return self.inputs.setdefault(name, len(self.inputs))

    def port(
        self, node: token.ActorOp, value: SSAValue, step: Operation
    ) -> tuple[elsa.PortOp, NDArray[np.int32]]:
        """The port of one stream, and how often each row waits for it."""
        stream = token.stream(value)
        match step:
            case token.AccumulateOp():
                shift = step.shift.value.data
                work = [instruction("acc", weights=self.tables.weights(node, step), shift=shift)]
                spikes, end, waits = self.looped(band(node, stream, step), work)
            case token.AddOp():
                work = [instruction("add", constants=self.tables.constants(node, step))]
                spikes, end, waits = self.looped(band(node, stream, step), work)
            case token.TraceOp():
                _, end, waits = self.looped(band(node, stream, step), [])
                skipped = traced(node, step.map)[0] * step.map.sizes[0][1]
                spikes = [instruction("trace", base=step.spine.value.data - skipped)]
            case token.ScatterOp():
                name, waits = self.tables.scatter(node, value, step)
                spikes = [instruction("scat", map=name)]
                end = [instruction("scount", map=name)]
            case token.FactorOp():
                part = reading(node, step, stream, self.blobs)
                thread = self.threads[node.output]
                spikes, end, waits = factor(self.tables, node, thread, step, part)
            case _:
                raise AssertionError(f"{step} reads no stream")
        for handler in (spikes, end):
            handler.append(instruction("end"))
        part = reading(node, step, stream, self.blobs)
        base = step.base
        port = elsa.PortOp.build(
            properties={
                "source": SymbolRefAttr(self.threads[value]),
                "column_base": base,
                "spines": int_attr(stream.spines.data),
                "first": int_attr(part.first),
                "stop": int_attr(part.stop),
            },
            regions=[Region(Block(spikes)), Region(Block(end))],
        )
        return port, waits

    def defer(self, node: token.ActorOp, step: Operation, port: elsa.PortOp) -> NDArray[np.int32]:
        """Let the rows at the bottom and right padding wait for the last spine of a step as well.

        The end of that spine counts them down once more. Returns how often each row waits for it.
        """
        if not isinstance(step, token.AccumulateOp | token.AddOp | token.TraceOp):
            return np.zeros(node.layer_rows, dtype=np.int32)
        height = step.map.sizes[1][0]
        if lines_of(node) != (0, height, height):
            raise CompileError(
                f"node '{node.layer.data}': the schedule 'shells-padded' needs whole maps; use "
                "--tiling columns"
            )
        name, waits = self.tables.deferral(step.map, port.spines.value.data)
        end = port.end.block
        assert end.last_op is not None
        end.insert_op_before(instruction("scount", map=name), end.last_op)
        return waits

    def looped(
        self, map: token.MapAttr, work: list[elsa.InstructionOp]
    ) -> tuple[list[Operation], list[Operation], NDArray[np.int32]]:
        """Handlers that go over the rows which a spine feeds, and the dependency counts."""
        window = self.tables.window(map)
        spikes: list[Operation] = [
            instruction("taps", window=window),
            *work,
            instruction("next"),
        ]
        end: list[Operation] = [
            instruction("taps", window=window),
            instruction("count"),
            instruction("next"),
        ]
        return spikes, end, taps_per_row(map)

    def firing(self, node: token.ActorOp, end: Operation | None) -> tuple[list[Operation], int]:
        """The handler of a ready row, without its end, and the membrane width."""
        send = instruction("send")
        match end:
            case token.FireOp():
                stairs = self.tables.stairs(node, end)
                return [instruction("fire", stairs=stairs), send], end.bits.value.data
            case token.MaximumOp():
                lines = lines_of(node)
                assert lines is not None  # the op has a map
                window = local(end.map, traced(node, end.map), lines[:2])
                return [instruction("max", window=self.tables.window(window)), send], 0
            case token.SoftmaxOp() | token.NormOp() | token.CurveOp():
                return [row_function(self.tables, node, end), send], end.bits.value.data
            case token.FlowOp():
                return [instruction("flow"), send], end.bits.value.data
            case token.HoldOp():
                return [], end.bits.value.data
            case _:
                raise AssertionError(f"{end} is no end of an actor")

    def reading(self, op: token.ProbeOp | token.ReadoutOp) -> None:
        """The binding of a probe or a readout."""
        charge = isinstance(op, token.ReadoutOp) and op.factor is not None
        properties = {
            "tensor_name": op.tensor_name,
            "kind": StringAttr("charge" if charge else "tracer"),
            "threads": ArrayAttr([SymbolRefAttr(self.threads[v]) for v in op.inputs]),
            "shape": op.shape,
            "use": StringAttr("probe" if isinstance(op, token.ProbeOp) else "value"),
            "zero": op.zero,
            "element_type": op.element_type,
            "factor": op.factor if isinstance(op, token.ReadoutOp) else None,
            "offset": op.offset if isinstance(op, token.ReadoutOp) else None,
            "index": op.index,
        }
        self.insert(like(op, elsa.ReadingOp.build(properties=properties)))


def band(
    node: token.ActorOp,
    stream: token.StreamType,
    step: token.AccumulateOp | token.AddOp | token.TraceOp,
) -> token.MapAttr:
    """The window from the lines that a stream holds to the lines of a tile."""
    lines, width = lines_of(node), step.map.sizes[0][1]
    assert lines is not None  # the step has a map
    first = step.spine.value.data // width
    return local(step.map, (first, first + stream.spines.data // width), lines[:2])


def traced(node: token.ActorOp, map: token.MapAttr) -> tuple[int, int]:
    """The input lines of which a pool keeps the tracers."""
    lines = lines_of(node)
    assert lines is not None  # a pool has a map
    return touched(map, lines[:2])


def taps_per_row(map: token.MapAttr) -> NDArray[np.int32]:
    """How many (spine, tap) pairs inside of the map feed each row."""
    (height, wide), (out_height, out_width) = map.sizes
    (kh, kw), (sh, sw), (top, left, _, _), (dh, dw) = map.window.values

    def along(size: int, out: int, kernel: int, stride: int, pad: int, dilation: int) -> Any:
        at = (np.arange(out) * stride - pad)[:, None] + np.arange(kernel) * dilation
        return ((at >= 0) & (at < size)).sum(axis=1)

    vertical = along(height, out_height, kh, sh, top, dh)
    horizontal = along(wide, out_width, kw, sw, left, dw)
    return np.outer(vertical, horizontal).ravel().astype(np.int32)
