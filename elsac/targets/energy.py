"""The keys of a target that say what an event costs, what leaks, and how large things are.

A macro is 64 words of 16 lanes; a lane has 4 bits in weight and tracer macros, 16 bits in membrane
macros. A macro of an input queue is 16 words of 4 bits.
"""

from dataclasses import dataclass

from elsac.targets.keys import area, choice, integer, nanowatts, number, picojoules


@dataclass(frozen=True)
class MacroKeys:
    """Memory macros in two technologies; energies are those of one access to one word."""

    memory_technology: str = choice("sram", "edram")
    """Which of the two sets of constants below counts."""

    membrane_column_accesses: int = integer(1, 1024)
    """Accesses to membrane memory for 16 membranes along a column, which products need."""

    sram_weight_read_pj: float = picojoules()
    sram_weight_write_pj: float = picojoules()
    sram_weight_leak_nw: float = nanowatts()
    sram_weight_mm2: float = area()
    sram_membrane_read_pj: float = picojoules()
    sram_membrane_write_pj: float = picojoules()
    sram_membrane_leak_nw: float = nanowatts()
    sram_membrane_mm2: float = area()
    sram_tracer_read_pj: float = picojoules()
    sram_tracer_write_pj: float = picojoules()
    sram_tracer_leak_nw: float = nanowatts()
    sram_tracer_mm2: float = area()
    sram_queue_read_pj: float = picojoules()
    sram_queue_write_pj: float = picojoules()
    sram_queue_leak_nw: float = nanowatts()
    sram_queue_mm2: float = area()

    edram_weight_read_pj: float = picojoules()
    edram_weight_write_pj: float = picojoules()
    edram_weight_leak_nw: float = nanowatts()
    edram_weight_mm2: float = area()
    edram_membrane_read_pj: float = picojoules()
    edram_membrane_write_pj: float = picojoules()
    edram_membrane_leak_nw: float = nanowatts()
    edram_membrane_mm2: float = area()
    edram_tracer_read_pj: float = picojoules()
    edram_tracer_write_pj: float = picojoules()
    edram_tracer_leak_nw: float = nanowatts()
    edram_tracer_mm2: float = area()
    edram_queue_read_pj: float = picojoules()
    edram_queue_write_pj: float = picojoules()
    edram_queue_leak_nw: float = nanowatts()
    edram_queue_mm2: float = area()


@dataclass(frozen=True)
class BlockKeys:
    """Logic; energies are those of one activation."""

    adder_tree_pj: float = picojoules()
    """The adder trees of all circuits of a PE, once; fewer columns cost their share."""
    adder_tree_leak_nw: float = nanowatts()
    adder_tree_mm2: float = area()
    accumulator_pj: float = picojoules()
    """The accumulators of all circuits of a PE, once: what adds graded inputs one by one. Charged
    nowhere: adds are free where the artifact has accumulators."""
    accumulator_leak_nw: float = nanowatts()
    accumulator_mm2: float = area()
    """In no sum: a PE has adder trees, whatever its threads read."""
    fire_pj: float = picojoules()
    """The fire units of all circuits of a PE, once."""
    fire_leak_nw: float = nanowatts()
    fire_mm2: float = area()
    softmax_pj: float = picojoules()
    """The softmax unit of a router for `row_unit_elements` elements of a row."""
    softmax_leak_nw: float = nanowatts()
    softmax_mm2: float = area()
    norm_pj: float = picojoules()
    """Its normalization unit for as many."""
    norm_leak_nw: float = nanowatts()
    norm_mm2: float = area()
    im2col_pj: float = picojoules()
    """One spike in the im2col unit."""
    im2col_leak_nw: float = nanowatts()
    im2col_mm2: float = area()
    order_controller_pj: float = picojoules()
    """One row that is handed on in order."""
    order_controller_leak_nw: float = nanowatts()
    order_controller_mm2: float = area()
    update_arbiter_pj: float = picojoules()
    """One row that is told to fire."""
    update_arbiter_leak_nw: float = nanowatts()
    update_arbiter_mm2: float = area()
    flit_generator_pj: float = picojoules()
    """One spine of one PE made into flits."""
    flit_generator_leak_nw: float = nanowatts()
    flit_generator_mm2: float = area()
    combiner_pj: float = picojoules()
    """One flit joined from the parts of several PEs."""
    combiner_leak_nw: float = nanowatts()
    combiner_mm2: float = area()
    crossbar_pj: float = picojoules()
    """One flit through the crossbar of the core that sends it."""
    crossbar_leak_nw: float = nanowatts()
    crossbar_mm2: float = area()
    routing_engine_pj: float = picojoules()
    """One flit for which a route is chosen."""
    routing_engine_leak_nw: float = nanowatts()
    routing_engine_mm2: float = area()
    flit_hop_pj: float = picojoules()
    """One flit of 256 bits over one link, its routers included; others by their size."""
    local_flit_pj: float = picojoules()
    """One flit of 256 bits that stays on its core; others by their size."""


@dataclass(frozen=True)
class AccountingKeys:
    """What is counted. Only the target of the published artifact deviates, to repeat its totals."""

    shift_adder_energy_percent: float = number(0.0, 1000.0)
    """What shifters add to the energy of the adder trees; 0 for ternary spikes."""
    first_layer_adds: str = choice("charged", "free")
    """Whether the adds of layers that read the input of the network cost energy."""
    switch_activity: str = choice("charged", "free")
    """Whether flits cost energy in combiner, crossbar and routing engine of the core that sends."""
    leaking_macros: str = choice("all", "rows")
    """Macros of a layer that leak: all, or as many as its rows need, however wide they are."""
    noc_energy_percent: float = number(0.0, 100.0)
    """The share of the network's energy that is counted."""
    offset_uj: float = number(0.0, 1e6)
    """Added to the energy of a run of ResNet-50, where published totals are replayed."""


@dataclass(frozen=True)
class EnergyKeys(AccountingKeys, BlockKeys, MacroKeys):
    """All keys of the energy model."""
