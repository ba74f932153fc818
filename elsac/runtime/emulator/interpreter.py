"""The reference engine: one instruction at a time.

What the machine does is what this file and `instructions*.py` do. Other engines must give the same
outcome, count and fault.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from elsac.runtime.emulator.checks import fields
from elsac.runtime.emulator.common import (
    NEVER_READY,
    TRACER,
    Fault,
    Ints,
    Statistics,
    Stepwise,
    first_state,
    planes_for,
    planes_of,
    shuffle,
)
from elsac.runtime.emulator.execute import EXECUTE
from elsac.runtime.emulator.image import Image
from elsac.runtime.emulator.instructions import Frame, Spikes, Thread, fed
from elsac.runtime.emulator.instructions_attention import Factors
from elsac.runtime.isa import PACKET_SPIKES, Instruction, decode


class Interpreter(Stepwise):
    """One run of one sample; an :class:`elsac.runtime.emulator.common.Engine`."""

    def __init__(self, image: Image, inputs: Sequence[Ints], jitter: int | None) -> None:
        self.image = image
        self.program = image.program
        self.jitter = jitter
        self.now = 0  # the step
        self.threads = [Thread(image, number) for number in range(len(image.program.threads))]
        bindings = image.program.bindings.get("inputs", [])
        self.planes = [planes_of(binding["lo"], binding["hi"]) for binding in bindings]
        self._wish(inputs)
        self.counts = Statistics.zeros(len(self.threads))
        self.spikes = np.zeros(len(self.threads), np.int64)  # of this step
        rows = int(image.counter_offset[-1])
        self.row_spikes, self.row_flits = np.zeros((2, rows), np.int64)  # sent in this step
        self.decoded: dict[int, tuple[Instruction, dict[str, int]]] = {}
        self._factors: dict[int, Factors] = {}

    def step(self, step: int) -> Ints:
        """Run one step: every thread once, in order. See `common.Engine`."""
        self.now = step
        self.spikes[:] = self.row_spikes[:] = self.row_flits[:] = 0
        for number in self.image.order:
            self._turn(self.threads[number])
        return self.spikes.copy()

    def resume(self, wishes: Sequence[Ints], jitter: int | None) -> None:
        """Stay as it is, count anew, and send `wishes` from step 0 on. See `common.Engine`."""
        self.jitter = jitter
        self.planes = planes_for(wishes)
        self._wish(wishes)
        self.counts = Statistics.zeros(len(self.threads))

    def _wish(self, wishes: Sequence[Ints]) -> None:
        """Give every source thread its tile of what is to be sent."""
        for thread in self.threads:
            if thread.entry["input"] >= 0:
                row, column = thread.entry["row_base"], thread.entry["column_base"]
                whole = wishes[thread.entry["input"]]
                thread.input = whole[row : row + thread.rows, column : column + thread.columns]

    def read(self, kind: str, thread: int) -> Ints:
        """Return a copy of a thread's tracers or membranes (kind `charge`), [rows, columns]."""
        state = self.threads[thread]
        return (state.membrane if kind == "charge" else state.tracer).copy()

    def sent(self) -> tuple[Ints, Ints]:
        """Return the spikes and flits that every row sent in the last step; flat copies."""
        return self.row_spikes.copy(), self.row_flits.copy()

    def tracers(self) -> Ints:
        """Return a copy of the tracers of all threads, flat."""
        return np.concatenate([np.zeros(0, np.int64), *(t.tracer.ravel() for t in self.threads)])

    def membranes(self) -> Ints:
        """Return a copy of the membranes of all threads, flat."""
        return np.concatenate([np.zeros(0, np.int64), *(t.membrane.ravel() for t in self.threads)])

    def statistics(self) -> Statistics:
        """Return the counts so far."""
        return self.counts.copy()

    # The turn of a thread: its events of one step.

    def _turn(self, thread: Thread) -> None:
        """Reset the counters, fire rows that wait for nothing, and serve all that has arrived."""
        thread.sent = []
        first = thread.entry["depends"]
        thread.waiting[:] = self.program.depends[first : first + thread.rows]
        for row in [row for row in self._row_order(thread) if thread.waiting[row] == 0]:
            self._row(thread, row)
        for port, spine, packet in self._arrivals(thread):
            self.counts.events[thread.number] += 1
            frame = Frame(thread, spine=spine, packet=packet)
            self.serve(frame, int(port["on_spikes" if packet else "on_end"]))
        for row in np.flatnonzero(thread.waiting > 0).tolist():
            raise Fault(NEVER_READY, thread.number, row, -1)
        self._close(thread)

    def _close(self, thread: Thread) -> None:
        """Send the flits that close the step, one on each tree with a reader that waits for it."""
        trees = self.image.trees.route_links[thread.entry["first_route"] :]
        ends = {
            int(route["tree"]): int(links)
            for route, links, is_open in zip(thread.routes, trees, thread.open, strict=False)
            if is_open
        }
        self.counts.packets[thread.number] += len(ends)
        self.counts.flit_hops[thread.number] += sum(ends.values())
        thread.open = [False] * len(thread.routes)

    def _row_order(self, thread: Thread) -> list[int]:
        first = thread.entry["row_order"]
        if first < 0:
            return list(range(thread.rows))
        order: list[int] = self.program.row_orders[first : first + thread.rows].tolist()
        return order

    def _arrivals(self, thread: Thread) -> Iterator[tuple[np.void, int, Spikes]]:
        """Yield (port, spine, packet) of every event; an empty packet is the spine's end."""
        spines: list[tuple[np.void, int, Spikes]] = []
        first = thread.entry["first_port"]
        for port in self.program.ports[first : first + thread.entry["ports"]]:
            base = int(port["column_base"])
            for spine, spikes in self.threads[port["source"]].sent:
                if not port["first"] <= spine < port["stop"]:
                    continue
                spines.append((port, spine, [(base + column, value) for column, value in spikes]))
        if self.jitter is not None:
            yield from self._jittered(thread, spines, self.jitter)
            return
        for port, spine, spikes in spines:
            for start in range(0, len(spikes), PACKET_SPIKES):
                yield port, spine, spikes[start : start + PACKET_SPIKES]
            yield port, spine, []

    def _jittered(
        self, thread: Thread, spines: list[tuple[np.void, int, Spikes]], seed: int
    ) -> Iterator[tuple[np.void, int, Spikes]]:
        """Yield the events with the spikes of each spine permuted and the spines interleaved."""
        state = first_state(seed, self.now, thread.number)
        events: list[Iterator[tuple[np.void, int, Spikes]]] = []
        turns: list[int] = []
        for index, (port, spine, spikes) in enumerate(spines):
            places = np.arange(len(spikes))
            state = shuffle(places, len(spikes), state)
            mixed = [spikes[place] for place in places]
            starts = range(0, len(spikes), PACKET_SPIKES)
            packets = [mixed[start : start + PACKET_SPIKES] for start in starts]
            events.append(iter([(port, spine, packet) for packet in [*packets, []]]))
            turns += [index] * (len(packets) + 1)
        order = np.array(turns, np.int64)
        shuffle(order, len(order), state)
        for index in order:
            yield next(events[index])

    def _row(self, thread: Thread, row: int) -> None:
        """Run the on-row handler. Spikes that it does not send are lost."""
        thread.register = []
        self.serve(Frame(thread, row=row), thread.entry["on_row"])

    def serve(self, frame: Frame, word: int) -> int:
        """Execute words up to the handler's `end` or the loop's `next`; return its index."""
        while True:
            instruction, operands = self._decode(word)
            self.counts.instructions[instruction.opcode] += 1
            if instruction.mnemonic in ("end", "next"):
                return word
            if instruction.mnemonic == "taps":
                word = self._loop(frame, word, **operands)
            else:
                EXECUTE[instruction.mnemonic](self, frame, **operands)
            word += 1

    def _loop(self, frame: Frame, word: int, window: int) -> int:
        """Run the body after `taps` for each pair that the spine feeds; return its `next`."""
        for pair in fed(self.program.windows[window], frame.spine):
            frame.row, frame.tap = pair
            self.serve(frame, word + 1)
        while self._decode(word)[0].mnemonic != "next":
            word += 1
        return word

    def _decode(self, word: int) -> tuple[Instruction, dict[str, int]]:
        if word not in self.decoded:
            self.decoded[word] = decode(int(self.program.code[word]))
        return self.decoded[word]

    def factors(self, product: int) -> Factors:
        """Return the delivered tracers of a product."""
        if product not in self._factors:
            entry = fields(self.program.products[product])
            self._factors[product] = Factors(entry, self.threads[entry["thread"]].entry)
        return self._factors[product]

    def spike(self, frame: Frame, column: int, value: int) -> None:
        """Move a tracer by a spike's value and keep the spike for `send`; a value of 0 is none."""
        if not value:
            return
        thread = frame.thread
        thread.tracer[frame.row, column] += value
        if not thread.lo <= thread.tracer[frame.row, column] <= thread.hi:
            raise Fault(TRACER, thread.number, frame.row, column)
        thread.register.append((column, value))
        self.spikes[thread.number] += 1
        counts = self.counts.spikes_positive if value > 0 else self.counts.spikes_negative
        counts[thread.number] += 1
