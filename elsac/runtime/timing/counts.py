"""What timing models count: the events that energy is made of."""

KINDS = (
    "batches",
    "adds",
    "batch_spikes",
    "input_spikes",
    "taps",
    "fires",
    "spines",
    "flits",
    "flit_hops",
    "local_flits",
    "sops",
    "parked",
)
"""Of each thread, over all PEs that share it:

- `batches`: rows of membranes read and written back for arriving spikes (a mini-batch of one row),
- `adds`: passes of the adder trees; one batch is one pass for each turn of the circuits,
- `batch_spikes`: rows of weights that were read: spikes behind the im2col unit,
- `input_spikes`: spikes that the im2col unit gets, before it makes rows of them,
- `taps`: (spike, row) pairs that it makes: each is written to an input queue and read from it,
- `fires`: rows fired, once on each PE that holds columns of them,
- `spines`: spines with a spike that the flit generator got,
- `flits`: flits sent; `flit_hops`: links that they crossed; `local_flits`: those of them that were
  taken up on the sender's core too,
- `sops`: synaptic operations,
- `parked`: flits that came to a core while its ejection queue was full, and went to its receive
  buffer; only the `network` model knows.
"""

BATCHES, ADDS, BATCH_SPIKES, INPUT_SPIKES, TAPS, FIRES, SPINES, FLITS, FLIT_HOPS = range(9)
LOCAL_FLITS, SOPS, PARKED = 9, 10, 11
assert len(KINDS) == PARKED + 1
