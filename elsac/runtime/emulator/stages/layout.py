"""The memory of the stages: what a program is in the form that the kernels read.

All tables lie in one array of 64-bit integers, as kernels take few arrays gladly. Weights, stairs
and all state have arrays of their own kinds; `Plan` says how large they are.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator.image import Image
from elsac.runtime.emulator.stages import fields as at
from elsac.runtime.emulator.stages.forms import Forms
from elsac.runtime.emulator.stages.functions import Exact, Functions, exact_of
from elsac.runtime.emulator.stages.groups import Group, groups_of
from elsac.runtime.emulator.stages.heap import Heap
from elsac.runtime.emulator.stages.hearing import LINK_KINDS, Heaps, Hearing
from elsac.runtime.emulator.stages.links import axis_of, links_of
from elsac.runtime.emulator.stages.order import send_orders
from elsac.runtime.emulator.stages.proofs import Bounds, bounds_of
from elsac.runtime.emulator.stages.shape import (
    FACTORS,
    FUNCTIONS,
    MOVES,
    NoStages,
    Port,
    Stage,
    stages_of,
)
from elsac.runtime.emulator.stages.shifts import shift_of
from elsac.runtime.emulator.stages.vectors import LANES, SLACK
from elsac.runtime.emulator.verify import ALPHABETS, CODINGS
from elsac.runtime.isa import BY_MNEMONIC, ISA

Ints = NDArray[np.int64]

KINDS = ("", *MOVES)
STATE = ("short", "wide", "copies", "wishes", "aims", "numbers", "masks", "sizes")
VECTORS = ("short", "wide", "copies", "wishes", "aims")
STATE_BYTES = 1 << 28
"""What the masks and sizes of a block of steps may take, unless one step takes more."""
FOLD_BYTES = 1 << 20
"""What the dense sums of some steps of a stage may take, unless one step takes more."""
MOST_STEPS = 16
"""Steps of a block."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A program that the stages run; serves any number of machines."""

    stages: list[Stage]
    bounds: list[Bounds]
    """Of each stage's charges."""
    groups: list[Group]
    tables: Ints
    weights: NDArray[np.int8]
    packed: NDArray[np.int8]
    """Weights for dense steps, and the sums to start from."""
    starts: NDArray[np.int32]
    stairs: NDArray[np.int32]
    ints: NDArray[np.int32]  # numbers of functions
    floats: NDArray[np.float32]
    exact: Exact
    """Exponentials, absent elements, thresholds and weights of the program."""
    factors: NDArray[np.uint8]
    """What has been delivered of factors of products before the first step."""
    steps: int
    """Most steps of a block."""
    sizes: dict[str, int]
    """Elements of the state's arrays."""
    line_of: Ints
    """[threads] address of the thread's line."""
    place_of: Ints
    """[threads] the group in which it runs."""


class _Builder:
    def __init__(self, image: Image) -> None:
        self.image, self.program = image, image.program
        self.stages = stages_of(image)
        orders = send_orders(image, self.stages)
        self.orders = {s.thread: order for s, order in zip(self.stages, orders, strict=True)}
        self.groups = groups_of(self.program, self.stages)
        self.tables, self.stairs = Heap(np.int64, at.HEADS), Heap(np.int32)
        self.state = {n: Heap(np.int8, unit=LANES if n in VECTORS else 1) for n in STATE}
        numbers = self.state["numbers"]
        bytes = Heap(np.int8, unit=LANES), Heap(np.int8, unit=LANES)
        self.heaps = Heaps(self.tables, *bytes, Heap(np.int32, unit=LANES), numbers)
        quick = Heap(np.int32, unit=LANES), Heap(np.float32, unit=LANES)
        self.functions = Functions(self.program, self.tables, self.stairs, *quick)
        threads = self.program.threads
        words = -(-threads["columns"].astype(np.int64) // 64)
        self.words = 2 * words * threads["rows"]
        self.neurons = threads["rows"].astype(np.int64) * threads["columns"]
        self.sized = image.alphabet != "ternary"
        each = int(self.words.sum()) * 8 + (int(self.neurons.sum()) if self.sized else 0)
        self.steps = int(np.clip(STATE_BYTES // max(each, 1), 1, MOST_STEPS))
        self.bounds: list[tuple[Stage, Bounds]] = []

    def plan(self) -> Plan:
        format = self.tables.place(np.array(self.image.packets.parameters))
        # Lines of groups, then those of stages, group after group.
        lines = np.zeros((len(self.groups) + len(self.stages), at.STAGE_WIDTH), np.int64)
        where = self.tables.place(lines)
        self.line_of, place_of = np.zeros((2, len(self.stages)), np.int64)
        number = len(self.groups)
        self.forms = Forms(self.program, self.tables, self.state["numbers"], self.line_of)
        for place, group in enumerate(self.groups):
            lines[place, at.MEMBER] = where + number * at.STAGE_WIDTH
            lines[place, at.MEMBERS] = len(group.stages)
            for stage in group.stages:
                self.line_of[stage.thread] = where + number * at.STAGE_WIDTH
                place_of[stage.thread] = place
                number += 1
        for place, group in enumerate(self.groups):
            first = (int(lines[place, at.MEMBER]) - where) // at.STAGE_WIDTH
            self._group(group, lines[place], lines[first : first + len(group.stages)])
        tables = np.asarray(self.tables.array(), np.int64)
        tables[where : where + lines.size] = lines.ravel()
        tables[at.ALL_ROWS] = int(self.image.counter_offset[-1])
        tables[at.GROUP_COUNT], tables[at.GROUPS] = len(self.groups), where
        tables[at.ALPHABET] = ALPHABETS.index(self.image.alphabet)
        tables[at.FORMAT] = format
        tables[at.CLOSES], tables[at.HALF] = int(self.image.packets.closes), self.heaps.half
        sizes = {name: heap.size for name, heap in self.state.items()}
        sizes |= {"maps": self.heaps.maps, "sums": self.heaps.sums}
        sizes |= {"packs": self.forms.packs.size, "bases": self.forms.bases.size}
        ends = {"tracers": self.image.tracer_offset[-1], "rows": self.image.counter_offset[-1]}
        sizes |= {name: int(end) for name, end in ends.items()}
        sizes |= {"columns": int(self.program.threads["columns"].max(initial=1))}
        by_thread = {s.thread: b for s, b in self.bounds}
        return Plan(
            stages=self.stages,
            bounds=[by_thread[stage.thread] for stage in self.stages],
            groups=self.groups,
            tables=tables,
            weights=np.asarray(self.heaps.weights.array(SLACK), np.int8),
            packed=np.asarray(self.heaps.packed.array(SLACK), np.int8),
            starts=np.asarray(self.heaps.starts.array(SLACK), np.int32),
            stairs=np.asarray(self.stairs.array(SLACK), np.int32),
            ints=np.asarray(self.functions.ints.array(), np.int32),
            floats=np.asarray(self.functions.floats.array(SLACK), np.float32),
            exact=exact_of(self.program),
            factors=np.asarray(self.forms.factors.array(SLACK), np.uint8),
            steps=self.steps,
            sizes=sizes,
            line_of=self.line_of,
            place_of=place_of,
        )

    def _group(self, group: Group, line: Ints, members: Ints) -> None:
        """Write the line of a group and those of its stages."""
        thread = self.program.threads[group.stages[0].thread]
        rows = int(thread["rows"]) if group.product is None else group.product.shape[0]
        columns, multiplies = group.columns, group.product is not None
        wide = any([self._wide(stage) for stage in group.stages]) or multiplies
        line[at.ROWS], line[at.COLUMNS], line[at.WIDE] = rows, columns, wide
        line[at.KIND] = KINDS.index(group.stages[0].kind)
        line[at.STRIDE] = columns
        line[at.FIRST_ROW] = self.image.counter_offset[group.stages[0].thread]
        line[at.AWAKE] = self.state["numbers"].room(1)
        if any(self.program.threads["membrane_bits"][s.thread] for s in group.stages):
            heap = self.state["wide" if wide else "short"]
            for name in (at.MEMBRANES, at.UP, at.DOWN):
                line[name] = heap.room(rows * columns)
        ports: dict[int, int] = {}
        for stage, offset, member in zip(group.stages, group.offsets, members, strict=True):
            for name in (at.MEMBRANES, at.UP, at.DOWN):
                member[name] = line[name] + offset
            member[at.STRIDE], member[at.WIDE] = columns, wide
            ports |= self._stage(stage, member)
            if stage.kind in FUNCTIONS:
                bounds = dict(self.bounds)[stage]
                member[at.FUNCTION] = self.functions.place(stage, bounds, bool(wide))
        for name in (at.COPY, at.COPY_LINES, at.COPY_COLUMNS, at.COLUMN_BASE):
            line[name] = members[0, name]
        if group.product is not None:
            line[at.PRODUCT] = self.forms.place(group.product, members)
        fold = int(np.clip(FOLD_BYTES // max(4 * rows * columns, 1), 1, self.steps))
        hearing = Hearing(self.program, self.heaps, group, ports, fold, self.sized)
        line[at.FOLD] = fold
        line[at.FIRST_LINK], line[at.LINK_COUNT] = hearing.place()

    def _wide(self, stage: Stage) -> bool:
        """Return whether a stage needs 32 bits; raise `NoStages` if these are not enough."""
        links = links_of(self.program, stage)
        bounds = bounds_of(self.image, stage, links)
        self.bounds.append((stage, bounds))
        bits = int(self.program.threads["membrane_bits"][stage.thread])
        if bits and bounds.bits > bits:
            raise NoStages(f"thread {stage.thread}: charges are not proved to fit {bits} bits")
        if bounds.bits_with_one_more > 32:
            raise NoStages(f"thread {stage.thread}: charges of {bounds.bits} bits")
        shift = max((shift_of(self.program, link) for link in links), default=0)
        if shift > 31:
            raise NoStages(f"thread {stage.thread}: spikes are shifted by {shift} bits")
        return bounds.bits_with_one_more > 16 or shift > 15

    def _stage(self, stage: Stage, line: Ints) -> dict[int, int]:
        """Write the line of a stage; return the addresses of its ports by their numbers."""
        image, thread = self.image, self.program.threads[stage.thread]
        rows, columns = int(thread["rows"]), int(thread["columns"])
        if max(int(thread["hi"]), -int(thread["lo"])) >= 1 << 15:
            raise NoStages(f"thread {stage.thread}: tracers of more than 16 bits")
        line[at.THREAD], line[at.KIND] = stage.thread, KINDS.index(stage.kind)
        line[at.ROWS], line[at.COLUMNS], line[at.WORDS] = rows, columns, -(-columns // 64)
        line[at.SENDS], line[at.COLUMN_BASE] = stage.sends, int(thread["column_base"])
        line[at.TRACERS] = image.tracer_offset[stage.thread]
        line[at.LO], line[at.HI] = int(thread["lo"]), int(thread["hi"])
        line[at.FIRST_ROW] = image.counter_offset[stage.thread]
        numbers = self.state["numbers"]
        line[at.SHIFTS], line[at.ACTIVE] = numbers.room(self.steps), numbers.room(self.steps)
        line[at.PLANES], line[at.CLASSES] = numbers.room(1), -1
        line[at.MASKS] = self.state["masks"].room(self.steps * int(self.words[stage.thread]))
        line[at.SIZES] = -1
        if self.sized and stage.kind not in ("inject", ""):
            room = self.steps * int(self.neurons[stage.thread])
            line[at.SIZES] = self.state["sizes"].room(room)
        if stage.kind == "fire":
            self._stairs(stage, rows, line)
        copied = int(thread["trace_spines"]) * int(thread["trace_columns"])
        line[at.COPY] = self.state["copies"].room(copied)
        line[at.COPY_LINES] = int(thread["trace_spines"])
        line[at.COPY_COLUMNS] = int(thread["trace_columns"])
        if stage.kind == "max":
            self._check_copies(stage)
            window = self.program.windows[stage.operand]
            sizes = [int(window[n]) for n in window.dtype.names or ()]
            line[at.WINDOW] = self.tables.once(("window", stage.operand), sizes)
        if stage.kind == "inject":
            line[at.INPUT] = self.state["wishes"].room(rows * columns)
            coding = self.program.bindings["inputs"][int(thread["input"])]["coding"]
            line[at.CODING] = CODINGS.index(coding)
        if stage.kind in FUNCTIONS:
            # Whole vectors, since those are written.
            line[at.AIMS] = self.state["aims"].room(rows * 64 * int(line[at.WORDS]))
            line[at.DOUBTS] = numbers.room(1)
        self._sending(stage, self.orders[stage.thread], line)
        return self._ports(stage, line)

    def _check_copies(self, stage: Stage) -> None:
        """Copies of tracers fit 16 bits, even if all ports wrote to one of them."""
        threads = self.program.threads[[p.source for p in stage.ports if p.kind == "trace"]]
        if int(np.maximum(threads["hi"], -threads["lo"]).sum()) >= 1 << 15:
            raise NoStages(f"thread {stage.thread}: copies of tracers of more than 16 bits")

    def _stairs(self, stage: Stage, rows: int, line: Ints) -> None:
        entry = self.program.stairs[stage.operand]
        first, levels = int(entry["offset"]), int(entry["levels"])
        many = int(entry["classes"]) * int(entry["columns"])
        # The ends of the membranes' width, which no charge reaches, stand for never and always.
        ends = np.iinfo(np.int32 if line[at.WIDE] else np.int16)
        stairs = np.empty((many, levels + 2), np.int64)
        stairs[:, 0], stairs[:, -1] = ends.min, ends.max
        stairs[:, 1:-1] = self.program.thresholds[first : first + many * levels].reshape(many, -1)
        stairs = np.clip(stairs, ends.min, ends.max)
        line[at.STAIRS] = self.stairs.once((stage.operand, bool(line[at.WIDE])), stairs)
        if entry["row_class"] >= 0:
            first = int(entry["row_class"])
            line[at.CLASSES] = self.tables.once(
                ("classes", first, rows), self.program.row_classes[first : first + rows]
            )

    def _ports(self, stage: Stage, line: Ints) -> dict[int, int]:
        """Place the lines of the ports that bring spines; return their addresses."""
        sends = np.diff(self.image.send_offset) > 0
        ports = [p for p in stage.ports if sends[p.source] and p.first < p.stop]
        opcodes = np.zeros(len(ISA), np.int64)
        lines = np.zeros((len(ports), at.PORT_FIELDS), np.int64)
        events = 0
        for number, port in enumerate(ports):
            lines[number] = self._port(port)
            spines = port.stop - port.first
            events += spines
            self._count(opcodes, "end", spines)
            if port.end in ("scount", *FACTORS.values()):
                self._count(opcodes, port.end, spines)
            elif port.end == "count":
                self._count(opcodes, "taps", spines)
                first = int(self.image.taps.first[port.end_table])
                ends = self.image.taps.indptr[[first + port.first, first + port.stop]]
                self._count(opcodes, "count", int(ends[1] - ends[0]))
                self._count(opcodes, "next", int(ends[1] - ends[0]))
        rows = int(self.program.threads["rows"][stage.thread])
        for name in (stage.kind, "send" if stage.sends else "", "end"):
            self._count(opcodes, name, rows)
        line[at.EVERY_STEP], line[at.EVENTS] = self.tables.place(opcodes), events
        line[at.FIRST_PORT], line[at.PORT_COUNT] = self.tables.place(lines), len(ports)
        return {
            port.number: int(line[at.FIRST_PORT]) + number * at.PORT_FIELDS
            for number, port in enumerate(ports)
        }

    @staticmethod
    def _count(opcodes: Ints, name: str, times: int) -> None:
        if name:
            opcodes[BY_MNEMONIC[name].opcode] += times

    def _port(self, port: Port) -> Ints:
        line = np.zeros(at.PORT_FIELDS, np.int64)
        line[at.SOURCE] = self.line_of[port.source]
        line[at.FIRST], line[at.STOP], line[at.PORT_BASE] = port.first, port.stop, port.column_base
        line[at.PORT_KIND] = LINK_KINDS.index(port.kind) if port.kind else -1
        if port.kind in ("acc", "add"):
            window = self.program.windows[port.window]
            line[at.LINES], line[at.PLACES] = (
                self._fans(port.window, of) for of in ("height", "width")
            )
            line[at.PORT_LINE] = int(window["in_width"])
            table = "weight_segments" if port.kind == "acc" else "constant_segments"
            entry = getattr(self.program, table)[port.operand]
            line[at.PORT_WIDTH] = int(entry["outputs_per_group"]) if port.kind == "acc" else 1
            line[at.PORT_LOW], line[at.PORT_INPUTS] = (
                int(entry["first_input"]),
                int(entry["inputs"]),
            )
        return line

    def _fans(self, window: int, of: str) -> int:
        """Place how many outputs each input place of one axis feeds."""
        entry = self.program.windows[window]
        size, pad = int(entry[f"in_{of}"]), entry["pad_top" if of == "height" else "pad_left"]
        axis = axis_of(self.program, window, of, size, int(pad))
        return self.tables.once(("fans", axis), [len(axis.feeds(place)) for place in range(size)])

    def _sending(self, stage: Stage, order: Ints, line: Ints) -> None:
        image, thread = self.image, self.program.threads[stage.thread]
        first_row, rows = int(line[at.FIRST_ROW]), int(line[at.ROWS])
        line[at.HOPS] = self.tables.place(image.trees.row_links[first_row : first_row + rows])
        trees: dict[int, list[int]] = {}
        links: dict[int, int] = {}
        if stage.sends and image.packets.closes:
            of_row = image.trees.of_row[first_row : first_row + rows][order]
            first = int(thread["first_route"])
            for number in range(first, first + int(thread["routes"])):
                route = self.program.routes[number]
                takes = (of_row == route["tree"]) & (order >= route["first_spine"])
                takes = np.flatnonzero(takes & (order < route["stop_spine"]))
                links[int(route["tree"])] = int(image.trees.route_links[number])
                if len(takes):
                    trees.setdefault(int(route["tree"]), []).append(int(order[takes[-1]]))
        lines = [(links[t], self.tables.place(last), len(last)) for t, last in trees.items()]
        line[at.FIRST_TREE], line[at.TREE_COUNT] = self.tables.place(np.array(lines)), len(lines)


def plan(image: Image) -> Plan:
    """Lay out a program; raise `NoStages` for one that the stages cannot run."""
    return _Builder(image).plan()
