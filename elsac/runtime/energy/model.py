"""Picojoules by component and thread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from elsac.runtime.energy.costs import (
    FLIT_BITS,
    MEMBRANE_LANE_BITS,
    Floats,
    Rows,
    Widths,
    filled,
    free_adds,
    macro,
    macros,
    receive_macros,
    turns,
)
from elsac.runtime.energy.factors import WORD_BITS
from elsac.runtime.energy.shapes import COMPONENTS, GROUPS, EnergyError, Shapes
from elsac.runtime.timing.counts import KINDS
from elsac.targets import Target

_C = {name: number for number, name in enumerate(COMPONENTS)}
_K = {name: number for number, name in enumerate(KINDS)}


@dataclass(frozen=True, eq=False)
class Energy:
    """Energy of one sample in pJ, by thread and component, [threads, COMPONENTS]."""

    dynamic: Floats
    leakage: Floats
    layer: NDArray[np.int64]
    """[threads]."""
    core: NDArray[np.int64]
    """[threads]."""
    offset: float = 0.0
    """pJ that belong to no thread; see `offset_uj` of the target."""

    @property
    def picojoules(self) -> Floats:
        """Both parts together, [threads, COMPONENTS]."""
        return self.dynamic + self.leakage

    @property
    def total(self) -> float:
        """pJ of the whole sample."""
        return float(self.picojoules.sum()) + self.offset

    def by_component(self) -> dict[str, float]:
        """pJ of each component, in their order."""
        return dict(zip(COMPONENTS, self.picojoules.sum(0).tolist(), strict=True))

    def by_group(self) -> dict[str, float]:
        """pJ of computation, scheduling and communication."""
        items = self.by_component()
        return {group: sum(items[name] for name in names) for group, names in GROUPS.items()}

    def by_layer(self) -> Floats:
        """pJ [layers, COMPONENTS]."""
        return _gather(self.picojoules, self.layer)

    def by_core(self) -> Floats:
        """pJ [cores, COMPONENTS]."""
        return _gather(self.picojoules, self.core)


def energy(
    target: Target,
    shapes: Shapes,
    counts: ArrayLike | Mapping[str, ArrayLike],
    cycles: ArrayLike,
    loaded: bool = True,
    offset: bool = False,
) -> Energy:
    """Return the energy of a sample.

    `counts` is [threads, KINDS], or arrays [threads] by the names in `KINDS` (absent ones are 0),
    over all PEs of each thread. Spikes in queues are those behind the im2col unit, `taps`;
    the im2col unit and the order controller serve all PEs that share columns at once.
    `cycles` is how long each thread's hardware leaks: [threads], or one number for all. `loaded`
    charges the loading of weights and the setting of membranes and tracers; `offset` adds the
    `offset_uj` of the target. Raises :class:`EnergyError` for arrays of other shapes and negative
    counts.
    """
    n = _counts(counts, len(shapes))
    seconds = np.broadcast_to(np.asarray(cycles, np.float64), len(shapes)) / target.clock_hz
    dynamic = np.zeros((len(shapes), len(COMPONENTS)))
    dynamic[:, : _C["im2col"]] = _computation(target, shapes, n, loaded)
    dynamic[:, _C["im2col"] :] = _rest(target, shapes, n)
    return Energy(
        dynamic=dynamic,
        # nW times s is nJ.
        leakage=_leakage(target, shapes) * seconds[:, None] * 1e3,
        layer=shapes.layer,
        core=shapes.core,
        offset=target.offset_uj * 1e6 if offset else 0.0,
    )


def _counts(counts: ArrayLike | Mapping[str, ArrayLike], threads: int) -> Floats:
    if isinstance(counts, Mapping):
        unknown = set(counts) - set(KINDS)
        if unknown:
            raise EnergyError(f"unknown kind '{min(unknown)}'; expected {', '.join(KINDS)}")
        columns = [np.asarray(counts.get(kind, 0), np.float64) for kind in KINDS]
        array = np.stack([np.broadcast_to(c, threads) for c in columns], 1)
    else:
        array = np.asarray(counts, np.float64)
    if array.shape != (threads, len(KINDS)):
        raise EnergyError(f"counts of shape {array.shape}; expected {(threads, len(KINDS))}")
    if array.size and not array.min() >= 0:
        raise EnergyError(f"a count is {array.min()}; expected 0 or more")
    return array


def _computation(target: Target, shapes: Shapes, n: Floats, loaded: bool) -> Floats:
    words, rows = Widths.of(shapes), Rows.of(shapes)
    weight, membrane, tracer, queue = (
        macro(target, kind) for kind in ("weight", "membrane", "tracer", "queue")
    )
    batches, passes, fires, spikes, queued = (
        n[:, _K[k]] for k in ("batches", "adds", "fires", "batch_spikes", "taps")
    )
    softmaxes, norms, written = (n[:, _K[k]] for k in ("softmaxes", "norms", "delivered"))
    column_words, column_adds, column_reads = (
        n[:, _K[k]] for k in ("column_words", "column_adds", "column_reads")
    )
    tree = target.adder_tree_pj * (1 + target.shift_adder_energy_percent / 100)
    adds = np.where(free_adds(target, shapes), 0.0, passes * filled(target, shapes) * tree)
    adds += column_adds / target.circuits_per_pe * tree
    held = shapes.parts * (
        rows.weight * words.weight * weight.write_pj
        + rows.membrane * words.membrane * membrane.write_pj
        + rows.tracer * words.tracer * tracer.write_pj
    )
    # Batches of threads without membranes go to the tracers that these keep copies of.
    traced = np.where(shapes.membrane_bits == 0, batches, 0.0)
    columns = column_words * shapes.membrane_bits / MEMBRANE_LANE_BITS
    both = membrane.read_pj + membrane.write_pj
    rows_of = (
        (batches + fires) * words.membrane * both
        - batches * (words.membrane - words.batch) * both
        - np.where(shapes.tracks, fires * words.membrane * membrane.write_pj, 0.0)
    )
    items = (
        adds,
        fires * turns(target, shapes) * target.fire_pj,
        softmaxes * target.softmax_pj,
        norms * target.norm_pj,
        (spikes * words.weight + batches * words.constant + column_reads) * weight.read_pj
        + written * weight.write_pj,
        rows_of + columns * target.membrane_column_accesses * both,
        (fires + traced) * words.tracer * (tracer.read_pj + tracer.write_pj),
        queued * (queue.read_pj + queue.write_pj),
        held * loaded,
    )
    return np.stack(items, 1)


def _rest(target: Target, shapes: Shapes, n: Floats) -> Floats:
    fires, spines, flits, hops, local, parked = (
        n[:, _K[k]] for k in ("fires", "spines", "flits", "flit_hops", "local_flits", "parked")
    )
    words, buffer = -(-target.flit_bits // WORD_BITS), macro(target, "weight")
    parts = np.maximum(shapes.column_parts, 1)
    noc = target.noc_energy_percent / 100 * (target.flit_bits / FLIT_BITS)
    switch = target.combiner_pj + target.crossbar_pj + target.routing_engine_pj
    items = (
        n[:, _K["input_spikes"]] / parts * target.im2col_pj,
        fires / parts * target.order_controller_pj,
        fires * target.update_arbiter_pj,
        spines * parts * target.flit_generator_pj,
        flits * (switch if target.switch_activity == "charged" else 0.0),
        hops * target.flit_hop_pj * noc,
        local * target.local_flit_pj * noc,
        parked * words * (buffer.read_pj + buffer.write_pj),
    )
    return np.stack(items, 1)


def _leakage(target: Target, shapes: Shapes) -> Floats:
    """nW by thread and component."""
    here = macros(target, shapes, leaking=True)
    pes, core = shapes.parts * shapes.pe_share, shapes.share
    trees = np.where(
        free_adds(target, shapes), target.accumulator_leak_nw, target.adder_tree_leak_nw
    )
    switch = target.combiner_leak_nw + target.crossbar_leak_nw + target.routing_engine_leak_nw
    powers: Sequence[Floats | float] = (
        pes * trees,
        pes * target.fire_leak_nw,
        shapes.softmax_share * target.softmax_leak_nw,
        shapes.norm_share * target.norm_leak_nw,
        here.weight * macro(target, "weight").leak_nw,
        here.membrane * macro(target, "membrane").leak_nw,
        here.tracer * macro(target, "tracer").leak_nw,
        here.queue * macro(target, "queue").leak_nw,
        0.0,
        core * target.im2col_leak_nw,
        core * target.order_controller_leak_nw,
        core * target.update_arbiter_leak_nw,
        pes * target.flit_generator_leak_nw,
        core * switch,
        0.0,
        0.0,
        core * receive_macros(target) * macro(target, "weight").leak_nw,
    )
    return np.stack([np.broadcast_to(p, len(shapes)) for p in powers], 1)


def _gather(items: Floats, key: NDArray[np.int64]) -> Floats:
    sums = np.zeros((int(key.max(initial=-1)) + 1, items.shape[1]))
    np.add.at(sums, key, items)
    return sums
