"""From an `elsa` module to a program: symbols become numbers, blobs become segments. No decision is
made here.
"""

from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, ModuleOp, StringAttr, SymbolRefAttr
from xdsl.ir import Attribute, Region

from elsac import __version__
from elsac.context import Blobs, CompilerContext
from elsac.dialects import elsa, token
from elsac.dialects.qann import parse_scale
from elsac.dialects.spiking import channel_axis
from elsac.emit_tables import Tables
from elsac.runtime import program as p
from elsac.runtime.isa import encode
from elsac.runtime.program import Program


def emit_program(
    module: ModuleOp,
    context: CompilerContext,
    header: dict[str, Any],
    host: dict[str, Any],
    arrays: dict[str, NDArray[Any]],
) -> Program:
    """The program of an `elsa` module; `host` and `arrays` are what the frontend kept for head and
    tail.
    """
    return _Emitter(module, context, header, host, arrays).program()


class _Emitter:
    def __init__(
        self,
        module: ModuleOp,
        context: CompilerContext,
        header: dict[str, Any],
        host: dict[str, Any],
        arrays: dict[str, NDArray[Any]],
    ) -> None:
        self.module, self.blobs = module, Blobs(module, context.store)
        self.context, self.header, self.host = context, header, host
        self.arrays = dict(arrays)
        self.tables = Tables(module, self.blobs)
        self.numbers = self.tables.numbers
        self.code: list[int] = []
        self.cores: list[tuple[int, ...]] = []
        self.threads: list[tuple[int, ...]] = []
        self.ports: list[tuple[int, ...]] = []
        self.routes: list[tuple[int, ...]] = []
        self.links: list[tuple[int, int]] = []
        self.layers: dict[str, int] = {}
        self.core_at: dict[tuple[int, ...], int] = {}

    def program(self) -> Program:
        made = self.tables
        tables = made.rows()
        self.place_cores()
        # These rows name threads, which have numbers by now.
        decisions = [(*row[:1], self.numbers[row[1]], *row[2:]) for row in tables["decisions"]]
        products = [(self.numbers[row[0]], *row[1:]) for row in tables["products"]]
        return Program(
            header=self.full_header(),
            bindings=self.bindings(),
            layers=list(self.layers),
            code=np.array(self.code, dtype=np.uint64),
            cores=np.array(self.cores, dtype=p.CORE),
            threads=np.array(self.threads, dtype=p.THREAD),
            ports=np.array(self.ports, dtype=p.PORT),
            windows=np.array(tables["windows"], dtype=p.WINDOW),
            weight_segments=np.array(tables["weights"], dtype=p.WEIGHTS),
            constant_segments=np.array(tables["constants"], dtype=p.CONSTANTS),
            stairs=np.array(tables["stairs"], dtype=p.STAIRS),
            maps=np.array(tables["maps"], dtype=p.MAP),
            products=np.array(products, dtype=p.PRODUCT),
            softmaxes=np.array(tables["softmaxes"], dtype=p.SOFTMAX),
            norms=np.array(tables["norms"], dtype=p.NORM),
            curves=np.array(tables["curves"], dtype=p.CURVE),
            routes=np.array(self.routes, dtype=p.ROUTE),
            logits=np.array(tables["logits"], dtype=p.LOGITS),
            decisions=np.array(decisions, dtype=p.DECISION),
            weights=made.weights.array(),
            thresholds=made.thresholds.array(),
            row_classes=made.row_classes.array(),
            depends=made.depends.array(),
            row_orders=made.row_orders.array(),
            map_indptr=made.map_starts.array(),
            map_targets=made.map_targets.array(2),
            exponentials=made.exponentials.array(),
            absent=made.absent.array(),
            levels=made.levels.array(),
            links=np.array(self.links, dtype=np.int32).reshape(-1, 2),
            scales=made.scales.array(2),
            exps=made.exps.array(),
            arrays=self.arrays,
        )

    def full_header(self) -> dict[str, Any]:
        packet = next(o for o in self.module.body.ops if isinstance(o, token.PacketFormatOp))
        fields = {k: _value(v) for k, v in packet.fields.data.items()}
        target = self.context.target
        return {
            "format": p.FORMAT_VERSION,
            "elsac": __version__,
            **self.header,
            "target": target.to_dict(),
            "target_sha256": target.sha256,
            "mapping": self.claims(),
            "packet": {
                "kind": packet.kind.data,
                "flit_bits": packet.flit.value.data,
                "fields": fields,
                "capacity": packet.capacity.value.data,
            },
        }

    def claims(self) -> dict[str, dict[str, Any]]:
        """What the passes claim of the mapping, verified, but for the proof itself."""
        return {
            op.subject.data: {k: _value(v) for k, v in op.figures.data.items() if k != "order"}
            for op in self.module.body.ops
            if isinstance(op, token.ClaimOp)
        }

    def handler(self, region: Region) -> int:
        """Encode a handler; return the index of its first word."""
        start = len(self.code)
        for op in region.block.ops:
            assert isinstance(op, elsa.InstructionOp)
            operands = {f.name: self.operand(op.properties[f.name]) for f in op.ISA_ROW.fields}
            self.code.append(encode(op.ISA_ROW.mnemonic, **operands))
        return start

    def operand(self, value: Attribute) -> int:
        if isinstance(value, SymbolRefAttr):
            return self.numbers[value.root_reference.data]
        assert isinstance(value, IntegerAttr)
        return int(value.value.data)

    def place_cores(self) -> None:
        """Fill the tables of cores, threads, ports and routes, and the code, core by core."""
        ops = [o for o in self.module.body.ops if isinstance(o, elsa.CoreOp)]
        threads = [[t for t in c.body.block.ops if isinstance(t, elsa.ThreadOp)] for c in ops]
        for number, thread in enumerate(chain.from_iterable(threads)):
            self.numbers[thread.sym_name.data] = number
        names = (t.layer.data for t in chain.from_iterable(threads))
        self.layers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        self.core_at = {tuple(c.place.get_values()): number for number, c in enumerate(ops)}
        for number, (core, members) in enumerate(zip(ops, threads, strict=True)):
            first_thread, first_word = len(self.threads), len(self.code)
            for thread in members:
                self.threads.append(self.thread(thread, number))
            words = len(self.code) - first_word
            x, y = core.place.get_values()
            self.cores.append((x, y, first_thread, len(members), first_word, words))

    def thread(self, op: elsa.ThreadOp, core: int) -> tuple[int, ...]:
        """The row of a thread; its ports, routes and handlers go into their own tables."""
        first_port, first_route = len(self.ports), len(self.routes)
        pe_columns, pe_rows = (1, op.number("rows")) if op.pes is None else op.pes.get_values()
        for port in op.body.block.ops:
            assert isinstance(port, elsa.PortOp)
            self.ports.append(self.port(port))
        for route in op.routes:
            self.route(route, op.number("rows"))
        row = {
            **{name: op.number(name) for name in op.NUMBERS},
            "core": core,
            "layer": self.layers[op.layer.data],
            "first_port": first_port,
            "ports": len(self.ports) - first_port,
            "on_row": self.handler(op.row),
            "on_step": -1 if op.step is None else self.handler(op.step),
            "depends": self.tables.depends.add(self.tables.blob(op.depends)),
            "row_order": (
                -1
                if op.row_order is None
                else self.tables.row_orders.add(self.tables.blob(op.row_order))
            ),
            "input": -1 if op.input is None else op.input.value.data,
            "first_route": first_route,
            "routes": len(self.routes) - first_route,
            "pe_columns": pe_columns,
            "pe_rows": pe_rows,
        }
        assert p.THREAD.names is not None
        return tuple(row[name] for name in p.THREAD.names)

    def port(self, op: elsa.PortOp) -> tuple[int, ...]:
        """The row of a port; its handlers go into the code."""
        return (
            self.numbers[op.source.root_reference.data],
            op.column_base.value.data,
            op.spines.value.data,
            op.first.value.data,
            op.stop.value.data,
            self.handler(op.spikes),
            self.handler(op.end),
        )

    def route(self, route: token.RouteAttr, rows: int) -> None:
        """Append a route and its links, mesh places numbered row by row."""
        width = self.context.target.mesh_width
        links = list(pairwise(y * width + x for x, y in route.path))
        tree = (route.tree.data, route.weight.data, route.channel.data)
        reach = (*route.reach(rows), route.credits.data)
        self.routes.append(
            (self.core_at[route.path[-1]], len(self.links), len(links), *tree, *reach)
        )
        self.links.extend(links)

    def bindings(self) -> dict[str, Any]:
        """Inputs, readings, values and host nodes, in JSON types."""
        inputs = [self.input(o) for o in self.module.body.ops if isinstance(o, elsa.InputOp)]
        readings: list[dict[str, Any]] = []
        probes: list[int] = []
        values: list[dict[str, Any]] = []
        for op in self.module.body.ops:
            if not isinstance(op, elsa.ReadingOp):
                continue
            if op.use.data == "probe":
                probes.append(len(readings))
            else:
                values.append(self.value(op, len(readings)))
            readings.append(self.reading(op))
        return {
            "inputs": inputs,
            "readings": readings,
            "probes": probes,
            "values": values,
            "host": {k: self.host[k] for k in ("nodes", "outputs")},
        }

    def input(self, op: elsa.InputOp) -> dict[str, Any]:
        values = {k: _value(v) for k, v in op.numbers.data.items()}
        name = op.tensor_name.data
        given = next(i for i in self.host["inputs"] if i["tracer"] == name)
        values["scale"] = float(parse_scale(values["scale"])).hex()
        extra = {k: given[k] for k in ("name", "dtype", "head", "quantize") if k in given}
        return {"tracer": name, **values, **extra, "tensor_shape": given["shape"]}

    def reading(self, op: elsa.ReadingOp) -> dict[str, Any]:
        shape = [int(d) for d in op.shape.get_values()]
        index = None
        if op.index is not None:
            index = f"index:{op.index.root_reference.data}"
            self.arrays[index] = self.blobs.get(op.index).ravel()
        return {
            "name": op.tensor_name.data,
            "kind": op.kind.data,
            "threads": [self.numbers[t.root_reference.data] for t in op.threads],
            "shape": shape,
            "channel_axis": 0 if len(shape) == 3 and channel_axis(shape) == 0 else -1,
            "index": index,
            "final_shape": self.final_shape(op),
            "zero": 0 if op.zero is None else op.zero.value.data,
            "element_type": None if op.element_type is None else op.element_type.data,
        }

    def final_shape(self, op: elsa.ReadingOp) -> list[int]:
        """The shape of what is read: an index map's blob has it."""
        shape = op.shape.get_values() if op.index is None else self.blobs.get(op.index).shape
        return [int(d) for d in shape]

    def value(self, op: elsa.ReadingOp, number: int) -> dict[str, Any]:
        value: dict[str, Any] = {
            "name": op.tensor_name.data,
            "reading": number,
            "factor": None,
            "offset": None,
            "element_type": None if op.element_type is None else op.element_type.data,
        }
        if op.factor is not None and op.offset is not None:
            rank = len(op.shape.get_values())
            for key, symbol in (("factor", op.factor), ("offset", op.offset)):
                name = f"{key}:{op.tensor_name.data}"
                array = self.blobs.get(symbol).astype(np.float64)
                array = array.reshape((1,) * (rank - array.ndim) + array.shape)
                self.arrays[name] = array
                value[key] = name
        return value


def _value(attribute: Attribute) -> Any:
    if isinstance(attribute, IntegerAttr):
        return int(attribute.value.data)
    if isinstance(attribute, StringAttr):
        return attribute.data
    assert isinstance(attribute, DenseArrayBase)
    return [int(v) for v in attribute.get_values()]
