"""Generate code: every actor becomes a thread with handlers, every table that they index a symbol.

Weights and staircases are cut to the tile's columns and laid out as the hardware reads them: one
spike's weights for one tap lie together. The dependency count of a row is the number of spine ends
that it waits for.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    ModuleOp,
    StringAttr,
    SymbolRefAttr,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from elsac.context import Blobs, CompileError, compiler_context, like
from elsac.dialects import elsa, token
from elsac.dialects.elsa import instruction
from elsac.dialects.net import BlobOp, int_attr
from elsac.passes.ranges import width

Node = token.ActorOp | token.SourceOp


class ConvertTokenToElsa(ModulePass):
    """Cores, threads, handlers and tables for actors."""

    name = "convert-token-to-elsa"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """One thread an actor, gathered by core."""
        generator = _Generator(op, Blobs(op, compiler_context(ctx).store))
        old = [o for o in op.body.ops if not isinstance(o, BlobOp | token.PacketFormatOp)]
        nodes = [o for o in old if isinstance(o, token.ActorOp | token.SourceOp)]
        for number, node in enumerate(nodes):
            generator.threads[node.output] = f"t{number}"
        if any(n.core is None or n.place is None or n.routes is None for n in nodes):
            raise CompileError("convert-token-to-elsa: assign, place and route before")
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
    def __init__(self, module: ModuleOp, blobs: Blobs) -> None:
        self.module, self.blobs = module, blobs
        self.threads: dict[SSAValue, str] = {}
        self.tables: dict[Any, str] = {}
        self.inputs = 0

    def insert(self, op: Operation) -> None:
        Rewriter.insert_op(op, InsertPoint.at_end(self.module.body.block))

    def table(self, prefix: str, cls: type[Any], **properties: Any) -> str:
        """The symbol of a table row, equal rows once."""
        key = (cls, *properties.items())
        if key not in self.tables:
            name = f"{prefix}{sum(k[0] is cls for k in self.tables)}"
            self.insert(cls.create(properties={"sym_name": StringAttr(name), **properties}))
            self.tables[key] = name
        return self.tables[key]

    def window(self, map: token.MapAttr) -> str:
        return self.table("window", elsa.WindowOp, map=map)

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
        if isinstance(node, token.SourceOp):
            layer, binding = node.tensor_name, int_attr(self.inputs)
            self.source(node)
            row: list[Operation] = [instruction("inject"), instruction("send")]
        else:
            layer = node.layer
            numbers["column_base"] = node.columns[0]
            block = node.body.block
            for value, step in zip(node.inputs, list(block.ops)[:-1], strict=True):
                port, waits = self.port(node, value, step)
                ports.append(like(step, port))
                depends += waits
                if isinstance(step, token.TraceOp):
                    (height, wide), _ = step.map.sizes
                    numbers.update(trace_spines=height * wide, trace_columns=columns)
            row, bits = self.firing(node, block.last_op)
            numbers["membrane_bits"] = bits
        row.append(instruction("end"))
        assert node.routes is not None
        thread = elsa.ThreadOp.build(
            properties={
                "sym_name": StringAttr(self.threads[node.output]),
                "layer": layer,
                "numbers": DictionaryAttr({k: int_attr(v) for k, v in numbers.items()}),
                "depends": SymbolRefAttr(self.blobs.put(depends, "depends")),
                "input": binding,
                "routes": node.routes,
                "memory": node.memory,
            },
            regions=[Region(Block(ports)), Region(Block(row))],
        )
        return like(node, thread)

    def source(self, node: token.SourceOp) -> None:
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
        self.inputs += 1

    def port(
        self, node: token.ActorOp, value: SSAValue, step: Operation
    ) -> tuple[Operation, NDArray[np.int32]]:
        """The port of one stream, and how often each row waits for it."""
        stream = token.stream(value)
        match step:
            case token.AccumulateOp():
                shift = step.shift.value.data
                work = [instruction("acc", weights=self.weights(node, step), shift=shift)]
                spikes, end, waits = self.looped(step.map, work)
            case token.AddOp():
                work = [instruction("add", constants=self.constants(node, step))]
                spikes, end, waits = self.looped(step.map, work)
            case token.TraceOp():
                _, end, waits = self.looped(step.map, [])
                spikes = [instruction("trace")]
            case token.ScatterOp():
                name, waits = self.scatter(node, value, step)
                spikes = [instruction("scat", map=name)]
                end = [instruction("scount", map=name)]
            case _:
                raise AssertionError(f"{step} reads no stream")
        for handler in (spikes, end):
            handler.append(instruction("end"))
        base = step.base
        port = elsa.PortOp.build(
            properties={
                "source": SymbolRefAttr(self.threads[value]),
                "column_base": base,
                "spines": int_attr(stream.spines.data),
            },
            regions=[Region(Block(spikes)), Region(Block(end))],
        )
        return port, waits

    def looped(
        self, map: token.MapAttr, work: list[elsa.InstructionOp]
    ) -> tuple[list[Operation], list[Operation], NDArray[np.int32]]:
        """Handlers that go over the rows which a spine feeds, and the dependency counts."""
        window = self.window(map)
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

    def weights(self, node: token.ActorOp, step: token.AccumulateOp) -> str:
        """The tile's weight segment, [taps, inputs, outputs of a group]."""
        weight = self.blobs.get(step.weight)
        first, last = node.columns
        groups = step.groups.value.data
        outs, ins = weight.shape[0] // groups, weight.shape[1]
        cut = np.moveaxis(weight[first:last], (2, 3), (0, 1))  # [kh, kw, columns, ins]
        taps = cut.shape[0] * cut.shape[1]
        if groups == 1:
            segment, first_input = cut.reshape(taps, last - first, ins).transpose(0, 2, 1), 0
        else:
            held = (last - first) // outs
            grouped = cut.reshape(taps, held, outs, ins).transpose(0, 1, 3, 2)
            segment, first_input = grouped.reshape(taps, held * ins, outs), first // outs * ins
        segment = np.ascontiguousarray(segment)
        return self.table(
            "weights",
            elsa.WeightsOp,
            blob=SymbolRefAttr(self.blobs.put(segment, f"{step.weight.root_reference.data}_rows")),
            first_input=int_attr(first_input),
            inputs_per_group=int_attr(ins),
            bits=int_attr(width(int(weight.min(initial=0)), int(weight.max(initial=0)))),
        )

    def constants(self, node: token.ActorOp, step: token.AddOp) -> str:
        """The tile's constants."""
        values = self.blobs.get(step.constants)
        first, last = node.columns
        cut = np.ascontiguousarray(values[first:last])
        return self.table(
            "constants",
            elsa.ConstantsOp,
            blob=SymbolRefAttr(self.blobs.put(cut, f"{step.constants.root_reference.data}_part")),
            first_input=int_attr(first),
            bits=int_attr(width(int(values.min(initial=0)), int(values.max(initial=0)))),
        )

    def scatter(
        self, node: token.ActorOp, value: SSAValue, step: token.ScatterOp
    ) -> tuple[str, NDArray[np.int32]]:
        """The index map of one stream into the tile: (spine, channel) -> (row, column)."""
        stream = token.stream(value)
        first, last = node.columns
        follows = self.blobs.get(step.index)[:, first:last].astype(np.int64)
        spines, channels = stream.spines.data, step.channels.value.data
        base, held = step.base.value.data, stream.columns.data
        spine, channel = np.divmod(follows, channels)
        # Another tile of the layer serves the other channels.
        ours = (follows >= 0) & (channel >= base) & (channel < base + held)
        rows, columns = np.nonzero(ours)
        source = follows[rows, columns]
        order = np.argsort(source, kind="stable")
        starts = np.searchsorted(source[order], np.arange(spines * channels + 1))
        targets = np.stack([rows[order], columns[order]], axis=1).astype(np.int32)
        waits = np.zeros(follows.shape[0], dtype=np.int32)
        pairs = np.unique(rows * spines + spine[rows, columns])
        np.add.at(waits, pairs // spines, 1)
        hint = step.index.root_reference.data
        name = self.table(
            "map",
            elsa.MapOp,
            starts=SymbolRefAttr(self.blobs.put(starts.astype(np.int32), f"{hint}_starts")),
            targets=SymbolRefAttr(self.blobs.put(targets, f"{hint}_targets")),
            spines=int_attr(spines),
            channels=int_attr(channels),
        )
        return name, waits

    def firing(self, node: token.ActorOp, end: Operation | None) -> tuple[list[Operation], int]:
        """The handler of a ready row, without its end, and the membrane width."""
        send = instruction("send")
        match end:
            case token.FireOp():
                first, last = node.columns
                table = self.blobs.get(end.stairs)[:, :, first:last]  # [levels, classes, columns]
                segment = np.ascontiguousarray(table.transpose(1, 2, 0))
                hint = end.stairs.root_reference.data
                stairs = self.table(
                    "stairs",
                    elsa.StairsOp,
                    blob=SymbolRefAttr(self.blobs.put(segment, f"{hint}_part")),
                    lo=int_attr(token.stream(node.output).lo.data),
                    **({} if end.classes is None else {"classes": end.classes}),
                )
                return [instruction("fire", stairs=stairs), send], end.bits.value.data
            case token.MaximumOp():
                return [instruction("max", window=self.window(end.map)), send], 0
            case token.FlowOp():
                return [instruction("flow"), send], end.bits.value.data
            case token.HoldOp():
                return [], end.bits.value.data
            case _:
                raise AssertionError("an actor ends in fire, maximum, flow or hold")

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
