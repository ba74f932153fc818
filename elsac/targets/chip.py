"""The keys of a target that say what the chip consists of, and how its flits look."""

from dataclasses import dataclass

from elsac.targets.keys import choice, integer, number, text


@dataclass(frozen=True)
class ChipKeys:
    """Cores, memories, spikes, chips, flits."""

    name: str = text()
    description: str = text()

    mesh_width: int = integer(1, 256)
    """Cores in a row (x)."""
    mesh_height: int = integer(1, 256)
    """Cores in a column (y)."""
    pes_per_core: int = integer(1, 1024)
    circuits_per_pe: int = integer(1, 65536)
    """ST-BIF circuits: neurons of a row that a PE serves at once."""
    adder_inputs: int = integer(2, 1024)
    """Inputs of each circuit's adder tree: spikes that one pass adds up."""
    circuit_sharing: str = choice("time", "space")
    """How layers of one core share its circuits: in turns, or each with circuits of its own."""
    memory: str = choice("split", "pooled")
    """Whether a PE has one memory each for weights, membranes and tracers, or one for all."""
    weight_sram_bytes_per_pe: int = integer(0, 1 << 40)
    membrane_sram_bytes_per_pe: int = integer(0, 1 << 40)
    """Membranes, and the threshold staircases, which are charged to this memory."""
    tracer_sram_bytes_per_pe: int = integer(0, 1 << 40)
    pool_sram_bytes_per_pe: int = integer(0, 1 << 40)
    """The one memory of a PE where memory is "pooled", else 0."""
    clock_hz: int = integer(1, 100_000_000_000)
    supply_volts: float = number(0.1, 10.0)
    process_nm: int = integer(1, 10_000)
    membrane_bits_max: int = integer(2, 48)
    """Widest membrane that the circuits accept. Engines compute in 64 bits, hence the limit of 48:
    sixteen bits remain for the spikes of one packet and their shifts."""

    membrane_bits_min: int = integer(0, 48)
    """Least width that a membrane is charged, whatever was proved; 0: the proved width."""

    alphabet: str = choice("ternary", "shift")
    """Values of a spike: -1 and +1, or signed powers of two."""
    shift_rule: str = choice("none", "nearest", "floor")
    """How far a neuron of the shift alphabet moves in one step; "none" for ternary spikes."""

    chip_width: int = integer(1, 256)
    """Columns of the mesh on one chip; the links between columns of two chips are the slow ones."""
    chip_height: int = integer(1, 256)
    chip_link_hops: int = integer(1, 1000)
    """What a link between two chips costs, in hops of a link on chip."""
    virtual_channels: int = integer(1, 64)
    """Virtual channels of a link."""
    ejection_fifo_bytes_per_core: int = integer(1, 1 << 30)
    """Room for flits that have arrived at a core and are not taken up yet."""

    packet: str = choice("baer", "bundle", "aer-truenorth", "aer-morphic")
    flit_bits: int = integer(8, 65536)
    flit_destination_bits: int = integer(1, 32)
    flit_type_bits: int = integer(2, 8)
    flit_spine_bits: int = integer(1, 32)
    flit_position_bits: int = integer(1, 32)
    flit_sign_bits: int = integer(1, 1)
    flit_check_bits: int = integer(15, 15)
    flit_exponent_bits: int = integer(0, 6)
    """Width of a spike's exponent; 0 says that every spike is -1 or +1."""
