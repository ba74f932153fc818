"""The timing models: cycles and counts by hand, and what must hold for any program."""

import dataclasses
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

from elsac.runtime.emulator import Image, Outcome, load_image, run_sample
from elsac.runtime.timing.counts import KINDS
from elsac.runtime.timing.fabric import Fabric
from elsac.runtime.timing.mesh_state import STALLED
from elsac.runtime.timing.models import MODELS, PATTERNS, Model, Timer, TimingError
from elsac.runtime.timing.result import Timing
from tests.programs import Builder, random_program
from tests.unit.runtime.timed import PLAIN, WIDE, Placed, activity, counted

BATCHES, ADDS, READ, TAPS = (KINDS.index(k) for k in ("batches", "adds", "batch_spikes", "taps"))
FIRES, FLITS, HOPS, SOPS = (KINDS.index(k) for k in ("fires", "flits", "flit_hops", "sops"))


def chain(target: Any = PLAIN) -> Image:
    """A source on place 0, and on place 1 two layers that map 4 rows to 4 rows."""
    builder = Placed(seed=1)
    source = builder.source((1, 4), 40, 0, 1, "spikes")
    first = builder.conv(source, 8, kernel=1, pad=0)
    builder.read(builder.conv(first, 8, kernel=1, pad=0), "tracer")
    return builder.image(target, [0, 1], [0, 1, 1], {0: [0, 1]})


# Rows of the source, then of the first layer, then of the second one.
SPIKES = [
    [20, 20, 20, 20, 1, 0, 0, 0, 0, 0, 0, 0],
    [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
]


@pytest.mark.parametrize("model", MODELS)
def test_a_chain_by_hand(model: Model) -> None:
    """Step 1. 20 spikes are 4 flits: the source sends a row in every 4 cycles, at 4, 8, 12, 16. The
    flits leave the core one by one, the last one 4 cycles later, and travel 2: at 10, 14, 18, 22
    they are there. A row takes a full batch of 16, the rest, and a cycle to fire: it is out after
    3, at 13, 17, 21, 25. On the same core the next layer has it 2 later; row 0 brings it a spike
    (batch, fire: at 17), the others only fire (at 20, 24, 28).

    Step 2. The source waits for its reader, which is done at 25. At 26 it has sent everything.
    Three silent rows come at 28: row 0 fires (it has sent a spike in step 1): at 29; rows 1, 2 are
    quiet, also out at 29. Row 3 comes at 26 + 1 + 2: batch, fire: at 31. It comes to the next
    layer, all of which is quiet but row 3, at 31 and 33; nothing was sent, so nothing fires.
    """
    image = chain()
    timing = Timer(image, PLAIN, model).time(activity(image, SPIKES))
    assert timing.first.tolist() == [[4, 13, 17], [26, 29, 31]]
    assert timing.last.tolist() == [[16, 25, 28], [26, 31, 33]]
    assert timing.step_cycles.tolist() == [28, 33]
    assert timing.cycles == 33
    assert timing.busy.tolist() == [0, 4 * 3 + 1 + 2, 2 + 3]
    zero = dict.fromkeys(KINDS, 0)
    assert counted(timing, 0) == zero | {"spines": 5, "flits": 17, "flit_hops": 17}
    assert counted(timing, 1) == zero | {
        **{"batches": 9, "adds": 9, "batch_spikes": 81, "input_spikes": 81, "taps": 81},
        **{"fires": 6, "spines": 1, "flits": 1, "local_flits": 1},
    }
    assert counted(timing, 2) == zero | {
        **{"batches": 1, "adds": 1, "batch_spikes": 1, "input_spikes": 1, "taps": 1},
        "fires": 4,
    }
    assert timing.links.tolist() == [[0, 1, 17]]
    # When the first answer stands, at 28, the layer before begins to fire row 0 again.
    assert timing.counts_at_step[0, :, FIRES].tolist() == [0, 5, 4]
    assert timing.counts_at_step[1].tolist() == timing.counts.tolist()


@pytest.mark.parametrize("model", MODELS)
def test_rows_that_are_not_skipped_fire(model: Model) -> None:
    """As above, but rows 1 and 2 fire as well, at 30 and 31, and then row 3, at 33; the next layer
    fires at 32, 33, 34 and 36."""
    target = dataclasses.replace(PLAIN, skip_quiet_rows=0)
    image = chain(target)
    timing = Timer(image, target, model).time(activity(image, SPIKES))
    assert timing.last.tolist()[1] == [26, 33, 36]
    assert timing.counts[:, FIRES].tolist() == [0, 8, 8]


def test_rows_that_send_are_never_quiet() -> None:
    """Three tiles get a third of the source's columns each: of one spike, rounded, none. Yet the
    activity says that rows of the second tile answer it."""
    builder = Builder(seed=1)
    builder.read(builder.total([builder.source((1, 4), 6, 0, 1, "spikes")], tiles=3), "tracer")
    image = load_image(builder.program())
    spikes = np.zeros((3, 16), int)
    spikes[1, 0:4] = 1
    spikes[1, 9:11] = 1
    counts = Timer(image, WIDE).time(activity(image, spikes)).counts
    # All fire in the first step, two in the second and, since they sent, in the third.
    assert counts[:, FIRES].tolist() == [0, 4, 4 + 2 + 2, 4]


def test_barriers_by_hand() -> None:
    """Layer by layer. The source is done at 16; its last flit leaves at 20, and all 16 flits come
    to place 1 from 20 + 2 - 4 on, one in a cycle: rows at 22, 26, 30, 34. Each takes 3: the first
    layer is done at 37. At 39 the second one has all: the spike takes 2, three rows 1 each: 44.
    """
    image = chain()
    timing = Timer(image, PLAIN, "pipeline", "layer").time(activity(image, SPIKES[:1]))
    assert timing.last.tolist() == [[16, 37, 44]]
    with pytest.raises(TimingError, match="no pattern 'layer'"):
        Timer(image, PLAIN, "network", "layer")


def window(parts: tuple[int, int]) -> Image:
    """A 5x5 convolution of 8x8 spines; 25 rows wait for each."""
    builder = Placed(seed=2)
    builder.read(builder.conv(builder.source((8, 8), 40, 0, 1, "spikes"), 8, 5, pad=2), "tracer")
    return builder.image(PLAIN, [0, 1], [0, 1], {0: [0, 1]}, parts)


def fed(spine: int) -> list[int]:
    """The rows that a spine of `window` feeds, in the order of taps."""
    places = [(spine // 8 + 2 - t // 5, spine % 8 + 2 - t % 5) for t in range(25)]
    return [y * 8 + x for y, x in places if 0 <= y < 8 and 0 <= x < 8]


def served(spikes: list[list[int]], queues: int, room: int) -> int:
    """Batches by the rule: a queue belongs to a row until it fires; a queue that is full goes, and
    if another row wants one and all are taken, the oldest gives up its own."""
    batches = 0
    for step in spikes:
        held: OrderedDict[int, int] = OrderedDict()
        waits = np.bincount([row for spine in range(64) for row in fed(spine)])
        for spine, count in enumerate(step):
            for row in fed(spine):
                for _ in range(count):
                    if row not in held:
                        if len(held) == queues:
                            batches += held.popitem(last=False)[1] > 0
                        held[row] = 0
                    held[row] += 1
                    if held[row] == room:
                        batches, held[row] = batches + 1, 0
                waits[row] -= 1
                if waits[row] == 0:
                    batches += held.pop(row, 0) > 0
    return batches


@pytest.mark.parametrize(("queues", "room"), [(32, 16), (4, 16), (1, 3), (64, 1)])
def test_batches_follow_the_queue_rule(queues: int, room: int) -> None:
    draw = np.random.default_rng([queues, room])
    rows = draw.integers(0, 9, (3, 64)) * (draw.random((3, 64)) < 0.5)
    spikes = np.concatenate([rows, np.zeros((3, 64), int)], axis=1)
    target = dataclasses.replace(PLAIN, input_queues=queues, input_queue_spikes=room)
    image = window((1, 64))
    counts = Timer(image, target).time(activity(image, spikes)).counts[1]
    events = sum(int(n) * len(fed(s)) for step in rows for s, n in enumerate(step))
    assert counts[BATCHES] == counts[ADDS] == served(rows.tolist(), queues, room)
    assert counts[READ] == counts[TAPS] == events
    assert counts[KINDS.index("input_spikes")] == rows.sum()


def test_products_by_formula() -> None:
    rows = np.random.default_rng(3).integers(0, 20, (2, 64))
    rows[1, 10:] = 0
    image = window((1, 64))
    spikes = activity(image, np.concatenate([rows, np.zeros((2, 64), int)], axis=1))
    events = sum(int(n) * len(fed(s)) for step in rows for s, n in enumerate(step))
    active = sum(len({r for s in np.flatnonzero(step) for r in fed(int(s))}) for step in rows)
    outer = Timer(image, PLAIN, product="outer").time(spikes).counts[1]
    assert outer[[BATCHES, ADDS, READ]].tolist() == [events] * 3
    inner = Timer(image, PLAIN, product="inner").time(spikes).counts[1]
    whole = 25 * 40  # weight rows behind a row, in passes of 16
    assert inner[[BATCHES, ADDS, READ]].tolist() == [active, active * 63, active * whole]


def test_adder_trees_that_are_smaller_than_a_queue_take_turns() -> None:
    image = chain()
    spikes = activity(image, SPIKES)
    small = dataclasses.replace(PLAIN, adder_inputs=4)
    counts = Timer(image, small).time(spikes).counts[1]
    # 16 spikes are 4 passes, 4 and 1 are one.
    assert counts[ADDS] == 4 * (4 + 1) + 1 and counts[BATCHES] == 9


def test_pes_share_columns_and_rows() -> None:
    """Each PE that holds a part of the columns does all of it; PEs that hold rows share it."""
    rows = np.random.default_rng(4).integers(0, 9, (2, 64))
    spikes = np.concatenate([rows, np.zeros((2, 64), int)], axis=1)
    one, columns, lines = (
        Timer(image, PLAIN).time(activity(image, spikes))
        for image in (window((1, 64)), window((2, 64)), window((1, 16)))
    )
    work = [BATCHES, ADDS, READ, TAPS, FIRES]
    assert columns.counts[1, work].tolist() == (2 * one.counts[1, work]).tolist()
    assert columns.cycles == one.cycles
    assert (
        lines.counts[1, [READ, TAPS, FIRES]].tolist() == one.counts[1, [READ, TAPS, FIRES]].tolist()
    )
    assert lines.cycles < one.cycles


def timed(seed: int) -> tuple[Image, Outcome]:
    builder = random_program(seed, ("ternary", "nearest", "floor")[seed % 3])
    if builder.layers[-1].threads:
        builder.read(builder.layers[-1], "tracer")
    image = load_image(builder.program())
    inputs = builder.samples(np.random.default_rng(seed))
    outcome = run_sample(image, inputs, activity=True)
    return image, run_sample(image, inputs, max_steps=outcome.steps, activity=True)


def ascending(timing: Timing) -> bool:
    cycles = timing.step_cycles
    return bool((np.diff(cycles) >= 0).all() and (cycles >= 0).all())


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("seed", range(8))
def test_counts_are_those_of_the_run(seed: int, model: Model) -> None:
    image, outcome = timed(seed)
    assert outcome.activity is not None
    timing = Timer(image, WIDE, model).time(outcome.activity)
    again = Timer(image, WIDE, model).time(outcome.activity)
    for field in dataclasses.fields(Timing):
        assert np.array_equal(getattr(timing, field.name), getattr(again, field.name))
    assert np.array_equal(timing.counts[:, FLITS], outcome.stats.packets)
    assert np.array_equal(timing.counts[:, HOPS], outcome.stats.flit_hops)
    assert np.array_equal(timing.counts[:, SOPS], outcome.stats.sops)
    assert ascending(timing) and timing.cycles >= timing.step_cycles[-1]
    assert (np.diff(timing.counts_at_step, axis=0) >= 0).all()
    assert (timing.first >= 0).all() and (timing.first <= timing.last).all()
    # No row that sent spikes was passed over.
    sent = np.add.reduceat(outcome.activity.spikes > 0, outcome.activity.offset[:-1], axis=1)
    working = image.program.threads["input"] < 0
    assert (timing.counts[working, FIRES] >= sent.sum(0)[working]).all()
    if not image.packets.closes:
        assert timing.links[:, 2].sum() == outcome.stats.flit_hops.sum()


@pytest.mark.parametrize("seed", [0, 2, 3, 5, 6, 13])
def test_patterns_overlap_less_and_less(seed: int) -> None:
    image, outcome = timed(seed)
    assert outcome.activity is not None
    found = {p: Timer(image, WIDE, "pipeline", p).time(outcome.activity) for p in PATTERNS}
    last = {p: timing.step_cycles[-1] for p, timing in found.items()}
    assert last["spine"] <= last["layer"] <= last["none"]
    whole = found["lbl"]
    for port_thread, entry in enumerate(image.program.threads):
        ports = image.program.ports[entry["first_port"] :][: entry["ports"]]
        for source in ports["source"].tolist():
            # A layer hands on what it has completed: a step; with "lbl", all steps.
            assert (found["layer"].last[:, port_thread] > found["layer"].last[:, source]).all()
            assert whole.last[0, port_thread] > whole.last[-1, source]
    sources = image.program.threads["input"] >= 0
    alone = found["none"]
    assert (alone.first[1:, sources].min(1) >= alone.last[:-1].max(1)).all()
    for timing in found.values():
        assert ascending(timing)
        assert np.array_equal(timing.counts[:, FLITS], outcome.stats.packets)
        assert np.array_equal(timing.counts[:, FIRES], found["spine"].counts[:, FIRES])


@pytest.mark.parametrize("model", MODELS)
def test_exits_stop_the_chip(model: Model) -> None:
    image, outcome = timed(5)
    assert outcome.activity is not None and outcome.steps > 3
    timer = Timer(image, WIDE, model)
    full = timer.time(outcome.activity)
    for stop in (0, 1, outcome.steps - 1, outcome.steps + 5):
        part = timer.time(outcome.activity, stop)
        seen = min(stop + 1, outcome.steps)
        assert part.step_cycles.tolist() == full.step_cycles.tolist()[:seen] + [-1] * (
            outcome.steps - seen
        )
        assert part.step_cycles[seen - 1] <= part.cycles <= full.cycles
        assert (part.counts <= full.counts).all()
        assert np.array_equal(part.counts_at_step[:seen], full.counts_at_step[:seen])


@pytest.mark.parametrize("model", MODELS)
def test_links_of_a_run_that_is_stopped(model: Model) -> None:
    """The source sends four rows of 4 flits in the first step, and one flit in the second."""
    image = chain()
    timer, spikes = Timer(image, PLAIN, model), activity(image, SPIKES)
    crossed = {stop: timer.time(spikes, stop).links.tolist() for stop in (0, 1, None)}
    assert crossed == {0: [[0, 1, 16]], 1: [[0, 1, 17]], None: [[0, 1, 17]]}


@pytest.mark.parametrize(("flits", "cycles"), [(1, 6.0), (2, 3.0), (4, 1.5)])
def test_stalls_are_cycles_of_the_chip(flits: int, cycles: float) -> None:
    """The mesh counts in the time of a flit, of which `flits` fit into a cycle."""
    target = dataclasses.replace(PLAIN, link_bits=80 * flits)
    image = chain(target)
    fabric = Fabric.of(image, target, Timer(image, target).net)
    mesh = fabric.mesh(4)
    mesh.links[:2, STALLED] = 4, 2
    assert fabric.stalled(mesh) == cycles


@pytest.mark.parametrize("model", MODELS)
def test_nothing_takes_no_time(model: Model) -> None:
    image = chain()
    none = Timer(image, PLAIN, model).time(activity(image, np.zeros((0, 12), int)))
    assert none.cycles == 0 and none.step_cycles.shape == (0,) and not none.counts.any()
    assert none.counts_at_step.shape == (0, 3, len(KINDS))


@pytest.mark.parametrize("model", MODELS)
def test_a_source_alone(model: Model) -> None:
    builder = Placed()
    builder.read(builder.source((1, 3), 10, 0, 1, "spikes"), "tracer")
    image = builder.image(PLAIN, [0], [0], {})
    # 1 and 2 flits; a silent row at the end; a silent step.
    timing = Timer(image, PLAIN, model).time(activity(image, [[5, 6, 0], [0, 0, 0]]))
    assert timing.step_cycles.tolist() == [4, 5]
    assert counted(timing, 0)["flits"] == 3


def test_channels_that_a_chip_has_not() -> None:
    image = chain()
    image.program.routes["channel"] = 2
    Timer(image, PLAIN)
    with pytest.raises(TimingError, match=r"virtual_channels = 2, but the routes .* take 3"):
        Timer(image, dataclasses.replace(PLAIN, virtual_channels=2), "network")


def test_unsound_programs_are_told() -> None:
    """A row that waits for a spine that nobody sends."""
    image = chain()
    spikes = activity(image, SPIKES)
    image.program.depends[5] += 1
    for model in MODELS:
        with pytest.raises(TimingError, match="a tile waits in step 1"):
            Timer(image, dataclasses.replace(PLAIN, name="other"), model).time(spikes)


def ring(flits: int) -> tuple[Image, Any]:
    """Eight cores in a ring, by turns a source and a layer; each source sends 3 links on. Each worm
    wants the link that the next one holds first."""
    target = dataclasses.replace(PLAIN, virtual_channels=1, vc_fifo_flits=1)
    circle = [0, 1, 2, 8, 14, 13, 12, 6]  # 3x3 places of 6x6, without the one in the middle
    builder = Placed()
    sources = [builder.source((1, 2), 5 * flits, 0, 1, "spikes") for _ in range(4)]
    for source in sources:
        builder.read(builder.conv(source, 4, kernel=1, pad=0), "tracer")
    places = [circle[2 * i] for i in range(4)] + [circle[(2 * i + 3) % 8] for i in range(4)]
    paths = {i: [circle[(2 * i + k) % 8] for k in range(4)] for i in range(4)}
    image = builder.image(target, places, range(8), paths)
    return image, target


def test_routes_without_certificate_stand_still() -> None:
    image, target = ring(20)
    spikes = activity(image, [[100, 100] * 4 + [0] * 8])
    assert ascending(Timer(image, target).time(spikes))
    with pytest.raises(TimingError, match="nothing moves on the mesh"):
        Timer(image, target, "network").time(spikes)
    roomy = dataclasses.replace(target, vc_fifo_flits=64)
    assert ascending(Timer(image, roomy, "network").time(spikes))
