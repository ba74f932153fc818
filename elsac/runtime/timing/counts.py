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
    "column_words",
    "column_adds",
    "column_reads",
    "delivered",
    "softmaxes",
    "norms",
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

Of products of activations, whose spikes of the left factor count as those behind an im2col unit, as
rows of delivered tracers are to them what rows of weights are to others; spikes of the right factor
go down the columns of sums, over all PEs:

- `column_words`: words of 16 membranes read and written back along a column,
- `column_adds`: circuits that such passes of the adder trees switch,
- `column_reads`: words of delivered tracers of the left factor read along a column,
- `delivered`: delivered tracers written, of both factors.

Of functions of rows, once for all PEs of the thread:

- `softmaxes`, `norms`: activations of the unit in the router, each for as many elements of a row as
  it takes at once.
"""

BATCHES, ADDS, BATCH_SPIKES, INPUT_SPIKES, TAPS, FIRES, SPINES, FLITS, FLIT_HOPS = range(9)
LOCAL_FLITS, SOPS, PARKED, COLUMN_WORDS, COLUMN_ADDS, COLUMN_READS = range(9, 15)
DELIVERED, SOFTMAXES, NORMS = range(15, 18)
assert len(KINDS) == NORMS + 1
