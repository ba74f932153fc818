"""The keys of a target that say how long things take."""

from dataclasses import dataclass

from elsac.targets.keys import integer


@dataclass(frozen=True)
class TimingKeys:
    """Queues, cycles and buffers; a cycle is that of `clock_hz`."""

    input_queues: int = integer(1, 4096)
    """Queues of a PE, each bound to one output row while it holds spikes of it."""
    input_queue_spikes: int = integer(1, 4096)
    """Room of a queue, in spikes."""
    fire_cycles: int = integer(0, 1000)
    """Cycles that a PE takes to fire one row of up to `circuits_per_pe` columns."""
    skip_quiet_rows: int = integer(0, 1)
    """1: a row that sent nothing when it fired last and got no spike since is not fired again."""
    softmax_cycles: int = integer(0, 1000)
    """Cycles that the softmax unit of a router takes for `row_unit_elements` elements of a row."""
    norm_cycles: int = integer(0, 1000)
    """The same of its normalization unit."""
    row_unit_elements: int = integer(1, 1 << 16)
    """Elements of a row that these units take at once."""
    router_cycles: int = integer(0, 1000)
    """Cycles of a flit in each router that it passes."""
    link_bits: int = integer(1, 1 << 20)
    """Bits that a link moves in a cycle."""
    vc_fifo_flits: int = integer(1, 1 << 20)
    """Room for flits at the input of a router, for each virtual channel."""
    injection_fifo_flits: int = integer(1, 1 << 20)
    """Room for flits that a core has made and its router has not taken yet."""
    receive_buffer_bytes_per_core: int = integer(0, 1 << 30)
    """Room for flits that find the ejection queue of their core full; of weight macros."""
