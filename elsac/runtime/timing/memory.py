"""The memory of the compiled timing models: one flat array of 64-bit integers, as in a machine.

It begins with heads: scalars, then the address of every table. `m[m[at.WAIT] + row]` is an entry.
Compiled code takes one array gladly and fifty badly.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.activity import Activity
from elsac.runtime.timing.counts import KINDS
from elsac.runtime.timing.net import Ints, TimedNet

# Scalars: sizes and options.
STEPS, THREADS, GROUPS, LEAVES, SLOTS, RING_WIDTH, LISTS, KIND_COUNT = range(8)
(PRODUCT, PATTERN, QUEUES, BATCH, ADDER_INPUTS, PORTS, FIRE, SKIP, CREDITS, HOP) = range(8, 18)
LINK, WIDTH, CLOSES, CIRCUITS, TICKET, ANSWERED, WHOLE, HEAD_COUNT, SERVERS = range(18, 27)

# Tables of the net (`TimedNet`).
(ROW_AT, HEADS, CORE_OF, LAYER_OF, GROUPS_AT, READERS_AT, CHANNELS_AT, SENDERS_AT, SENDERS) = range(
    27, 36
)
(PE_COLUMNS, GROUP_THREAD, GROUP_ROW, GROUP_ROWS, GROUP_ACTORS_AT, GROUP_ACTORS) = range(36, 42)
(SOURCE, TURNS, INNER, WORDS, ORDER, WAITS, ROW_GROUP, ACTOR_GROUP, ACTOR_SERVER) = range(42, 51)
(VISITS, SERVER_AT, SERVER_ACTORS, READER_ACTOR, READER_CHANNEL, READER_FIRST) = range(51, 57)
(READER_STOP, READER_KIND, READER_SHARE, READER_TAPS, CHANNEL_CORE) = range(57, 62)
(CHANNEL_HOPS, CHANNEL_LOCAL, TAP_AT, TAP_ROW, UNIT, UNIT_CYCLES, UNIT_PARTS) = range(62, 69)
(UNIT_KIND, BATCH_TURNS, BATCH_PES, READER_PES, READER_WAYS, READER_HEADS) = range(69, 75)
READER_BITS = 75

# State of rows: dependencies to come; spikes in its queue, the queue's ticket (0: none), whether a
# spike came; the next row in a list of rows, and the step that it is of there; whether it goes
# through a unit of the router.
WAIT, PENDING, BOUND, DIRTY, AFTER, ROW_STEP, DUE = range(76, 83)
# Of groups: the step that is worked on, rows that have not fired in it; (row, ticket) of the queues
# in use, oldest first; how many; step of which the rows without inputs have fired.
STEP, LEFT, RING, RING_FIRST, RING_SIZE, LIVE, POSITION = range(83, 90)
# Of actors: the step whose visits are served, those served, those that came [actors, slots], and
# the queue of visits: reader << 32 | row, cycle, record.
SEGMENT, HEAD, ARRIVED, QUEUE_AT, QUEUE_WHAT, QUEUE_TIME, QUEUE_RECORD = range(90, 97)
# Of servers: a tournament of the cycles of their next events, whether they are busy until then, the
# rows that leave then as a list, and the record of what the visit took up, or -1. A unit of a
# router, behind the PEs, has the rows that wait for it in its list; the first one leaves.
KEY, RUNNING, OUT_FIRST, OUT_LAST, OUT_RECORD = range(97, 102)
# Of threads: steps completed, rows sent in the step, the last step that readers let it send, the
# rows that wait for that as a list; cycles of the first and last row [steps, threads]; busy cycles;
# counts [threads, kinds].
DONE, SENT, CREDIT, HELD_FIRST, HELD_LAST, FIRST, LAST, BUSY, COUNTS = range(102, 111)
# Rows on their way out, as lists: of each core, or one for all. Rows to come of layers
# [layers, steps], and the steps that they completed. Synaptic operations [steps, threads].
FIFO_FIRST, FIFO_LAST, LAYER_LEFT, LAYER_DONE, SOPS = range(111, 116)
# Cycle at which the heads have the answer of a step, and the counts then [steps, threads, kinds].
ANSWERS, SNAPSHOTS = range(116, 118)
HEADERS = 118

NEVER = 1 << 60


class Costs(NamedTuple):
    """What the target and the options say; the scalars `PRODUCT` to `CIRCUITS`."""

    product: int
    """GUSTAVSON, INNER, OUTER of `kernel.py`."""
    pattern: int
    """SPINE, LAYER, LBL, NONE."""
    queues: int
    """Input queues of a PE, each for one row."""
    batch: int
    """Spikes of a queue: one mini-batch."""
    adder_inputs: int
    ports: int
    """Macros of weights that a PE can read at once."""
    fire: int
    """Cycles of a row's firing, for each turn of the circuits."""
    skip: int
    """1: rows are passed over that cannot fire."""
    credits: int
    """Steps that a sender may be ahead of its readers."""
    hop: int
    """Cycles of a hop."""
    link: int
    """Cycles that a flit takes on a link."""
    width: int
    """Flits that cross a link at once; 1 if `link` is more."""
    closes: int
    """1: silent spines are told with the next flit, or by one that closes the step."""
    circuits: int
    """Circuits of a PE."""


def memory(net: TimedNet, activity: Activity, costs: Costs, lists: int) -> Ints:
    """Return the memory before cycle 0; `lists` are those of rows on their way out."""
    threads, groups, actors = len(net.core_of), len(net.group_thread), len(net.actor_group)
    pes, rows, steps = len(net.server_at) - 1, int(net.row_at[-1]), activity.steps
    servers = max(pes, int(net.unit.max(initial=-1)) + 1)
    slots, leaves, ring = 2, 1, 4
    while slots <= costs.credits:
        slots *= 2
    while ring < 4 * costs.queues:
        ring *= 2
    while leaves < max(servers, 2):
        leaves *= 2
    queue_at = np.concatenate([[0], np.cumsum(net.visits * slots)]).astype(np.int64)
    entries = int(queue_at[-1])
    layers = int(net.layer_of.max(initial=-1)) + 1
    per_layer = np.zeros(layers, np.int64)
    np.add.at(per_layer, net.layer_of, np.diff(net.row_at))

    def full(size: int, value: int = 0) -> Ints:
        return np.full(size, value, np.int64)

    scalars = {STEPS: steps, THREADS: threads, GROUPS: groups, LEAVES: leaves, SLOTS: slots}
    scalars |= {RING_WIDTH: ring, LISTS: lists, KIND_COUNT: len(KINDS), HEAD_COUNT: len(net.heads)}
    scalars[SERVERS] = pes
    scalars |= {PRODUCT + number: int(value) for number, value in enumerate(costs)}
    tables: dict[int, Ints] = {
        globals()[name.upper()]: getattr(net, name) for name in TimedNet._fields
    }
    tables |= {
        WAIT: net.waits,
        **dict.fromkeys((PENDING, BOUND, DIRTY, ROW_STEP, DUE), full(rows)),
        AFTER: full(rows, -1),
        STEP: full(groups, -1),
        RING: full(groups * ring),
        **dict.fromkeys((LEFT, RING_FIRST, RING_SIZE, LIVE, POSITION), full(groups)),
        SEGMENT: full(actors),
        HEAD: full(actors),
        ARRIVED: full(actors * slots),
        QUEUE_AT: queue_at,
        **dict.fromkeys((QUEUE_WHAT, QUEUE_TIME, QUEUE_RECORD), full(entries)),
        KEY: full(2 * leaves, NEVER),
        RUNNING: full(servers),
        **dict.fromkeys((OUT_FIRST, OUT_LAST, OUT_RECORD), full(servers, -1)),
        **dict.fromkeys((DONE, SENT, BUSY), full(threads)),
        CREDIT: np.where(np.diff(net.channels_at) > 0, costs.credits - 1, NEVER),
        **dict.fromkeys((HELD_FIRST, HELD_LAST), full(threads, -1)),
        FIRST: full(steps * threads, NEVER),
        LAST: full(steps * threads),
        COUNTS: full(threads * len(KINDS)),
        **dict.fromkeys((FIFO_FIRST, FIFO_LAST), full(lists, -1)),
        LAYER_LEFT: np.repeat(per_layer, steps),
        LAYER_DONE: full(layers),
        SOPS: activity.sops.ravel(),
        ANSWERS: full(steps, -1),
        SNAPSHOTS: full(steps * threads * len(KINDS)),
    }
    sizes = {slot: len(table) for slot, table in tables.items()}
    m = np.zeros(HEADERS + sum(sizes.values()), np.int64)
    address = HEADERS
    for slot, table in tables.items():
        m[slot] = address
        m[address : address + len(table)] = table
        address += len(table)
    for slot, value in scalars.items():
        m[slot] = value
    return m


def table(m: Ints, slot: int, *shape: int) -> NDArray[Any]:
    """Return a table of the memory as an array, a view."""
    address = int(m[slot])
    return m[address : address + int(np.prod(shape))].reshape(shape)
