"""Times a recorded run: options in, cycles and counts out."""

from collections.abc import Sequence
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np

from elsac.runtime.activity import Activity
from elsac.runtime.emulator.image import Image
from elsac.runtime.program import Program
from elsac.runtime.timing import memory as at
from elsac.runtime.timing.counts import KINDS
from elsac.runtime.timing.links import Links
from elsac.runtime.timing.net import Ints, TimedNet, build
from elsac.runtime.timing.result import Timing, TimingError
from elsac.targets import Target

__all__ = [
    "MODELS",
    "PATTERNS",
    "PRODUCTS",
    "Model",
    "Pattern",
    "Product",
    "Timer",
    "TimingError",
    "check_options",
]

Model = Literal["pipeline", "network"]
Pattern = Literal["spine", "layer", "lbl", "none"]
Product = Literal["gustavson", "inner", "outer"]
MODELS: Sequence[Model] = ("pipeline", "network")
PATTERNS: Sequence[Pattern] = ("spine", "layer", "lbl", "none")
PRODUCTS: Sequence[Product] = ("gustavson", "inner", "outer")

MACRO_BYTES = 512
"""A macro of 64 words of 16 lanes of 4 bits."""


def check_options(program: Program, target: Target, model: Model, pattern: Pattern) -> None:
    """Refuse, before anything is run, what cannot be timed; raise :class:`TimingError`."""
    if model == "network" and pattern != "spine":
        raise TimingError(
            f"the model 'network' has no pattern '{pattern}': barriers send nothing spine by "
            "spine; use the model 'pipeline'"
        )
    channels = 1 + int(program.routes["channel"].max(initial=0))
    if model == "network" and channels > target.virtual_channels:
        raise TimingError(
            f"target '{target.name}': virtual_channels = {target.virtual_channels}, but the "
            f"routes of the program take {channels}; compile it for this target"
        )


class Timer:
    """A program on a chip, ready to be timed for any number of samples.

    `pattern` says what may overlap: "spine" (a spine goes on as soon as it is complete), "layer"
    (a layer hands on a step when it has completed it), "lbl" (when it has completed all steps),
    "none" (as "layer", and a step enters when the one before has left). `product` is the order of
    the loops: "gustavson" (mini-batches of spikes of one row), "outer" (each spike on its own),
    "inner" (all weights of a row, once it is complete). Raises :class:`TimingError`.
    """

    def __init__(
        self,
        image: Image,
        target: Target,
        model: Model = "pipeline",
        pattern: Pattern = "spine",
        product: Product = "gustavson",
    ) -> None:
        check_options(image.program, target, model, pattern)
        self.image, self.target = image, target
        self.model, self.pattern, self.product = model, pattern, product
        self.net = _net(image, target)
        self.links = Links(image)

    def costs(self, steps: int) -> at.Costs:
        """Return the scalars of the kernels."""
        target, flit_bits = self.target, self.image.packets.flit_bits
        # The same room for all patterns, but where layers keep all steps for the next ones.
        credits = max(steps, 1) if self.pattern == "lbl" else 1
        return at.Costs(
            product=PRODUCTS.index(self.product),
            pattern=PATTERNS.index(self.pattern),
            queues=target.input_queues,
            batch=target.input_queue_spikes,
            adder_inputs=target.adder_inputs,
            ports=max(1, _weight_bytes(target) // MACRO_BYTES),
            fire=target.fire_cycles,
            skip=target.skip_quiet_rows,
            credits=credits,
            hop=target.router_cycles,
            link=-(-flit_bits // target.link_bits),
            width=max(1, target.link_bits // flit_bits),
            closes=int(self.image.packets.closes),
            circuits=target.circuits_per_pe,
        )

    def time(self, activity: Activity, stop: int | None = None) -> Timing:
        """Time one sample; `stop` is the step, from 0 on, after whose answer the chip is stopped.

        A chip that is stopped works on until the kill token has come to its farthest core, if it
        has not ended before. Raises :class:`TimingError` if something stands still.
        """
        costs = self.costs(activity.steps)
        lists = 1 if self.model == "pipeline" else len(self.image.program.cores)
        m = at.memory(self.net, activity, costs, lists)
        halt = -1 if stop is None else stop
        grace = self._way_of_kill() * costs.hop
        if self.model == "pipeline":
            cycles, stalled = self._pipeline(m, activity, halt, grace), None
        else:
            cycles, stalled = self._network(m, activity, halt, grace)
        steps, threads = activity.steps, len(self.net.core_of)
        answers = at.table(m, at.ANSWERS, steps)
        last = steps if stop is None else min(steps, stop + 1)
        done = at.table(m, at.DONE, threads)[self.net.heads if last < steps else slice(None)]
        if done.min(initial=last) < last:
            raise TimingError(
                f"a tile waits in step {int(done.min()) + 1} for spines that never come: the "
                "program is not sound; compile the network again"
            )
        answers[last:] = -1
        at.table(m, at.SNAPSHOTS, steps, threads, len(KINDS))[last:] = 0
        first = at.table(m, at.FIRST, steps, threads)
        snapshots = at.table(m, at.SNAPSHOTS, steps, threads, len(KINDS))
        return Timing(
            model=self.model,
            pattern=self.pattern,
            product=self.product,
            cycles=cycles,
            step_cycles=answers.copy(),
            first=np.where(first >= at.NEVER, -1, first),
            last=np.where(first >= at.NEVER, -1, at.table(m, at.LAST, steps, threads)),
            busy=at.table(m, at.BUSY, threads).copy(),
            counts=at.table(m, at.COUNTS, threads, len(KINDS)).copy(),
            counts_at_step=snapshots.copy(),
            links=self.links.flits(activity, last),
            stalled=stalled,
        )

    def _pipeline(self, m: Ints, activity: Activity, stop: int, grace: int) -> int:
        from elsac.runtime.timing.pipeline import run_pipeline

        return int(
            run_pipeline(
                *(m, activity.spikes, activity.flits, self.image.trees.row_links),
                *(activity.closing, activity.closing_hops, len(self.image.program.cores)),
                *(stop, grace),
            )
        )

    def _network(self, m: Ints, activity: Activity, stop: int, grace: int) -> tuple[int, float]:
        from elsac.runtime.timing.fabric import Fabric
        from elsac.runtime.timing.network import STUCK, run_network

        fabric = Fabric.of(self.image, self.target, self.net)
        mesh = fabric.mesh(int(activity.flits.max(initial=1)))
        cycles = int(
            run_network(
                *(m, activity.spikes, activity.flits, mesh, self.image.trees.row_links),
                *(activity.closing, activity.closing_hops, fabric.tree_of_row),
                *(fabric.closing_tree, fabric.lane, fabric.places, fabric.channel_at),
                *(fabric.ejection, fabric.buffer, stop, grace),
            )
        )
        if cycles == STUCK:
            raise TimingError(
                "nothing moves on the mesh any more: its routes are not free of deadlock; "
                "compile the network again"
            )
        return cycles, fabric.stalled(mesh)

    def _way_of_kill(self) -> int:
        """Return the hops from the heads to the farthest core."""
        cores = self.image.program.cores
        x, y = cores["x"].astype(np.int64), cores["y"].astype(np.int64)
        ways = [0]
        for head in self.net.heads:
            core = self.net.core_of[head]
            ways.append(int((np.abs(x - x[core]) + np.abs(y - y[core])).max()))
        return max(ways)


_NETS: WeakKeyDictionary[Image, dict[str, TimedNet]] = WeakKeyDictionary()


def _net(image: Image, target: Target) -> TimedNet:
    known = _NETS.setdefault(image, {})
    if target.sha256 not in known:
        known[target.sha256] = build(image, target)
    return known[target.sha256]


def _weight_bytes(target: Target) -> int:
    if target.memory == "pooled":
        return target.pool_sram_bytes_per_pe
    return target.weight_sram_bytes_per_pe
