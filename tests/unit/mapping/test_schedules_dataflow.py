"""The simulation against a naive one, against closed forms, and against what no order can beat."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsac.mapping.schedules import (
    ORDERS,
    RULES,
    Layer,
    Port,
    Rule,
    ScheduleError,
    Window,
    chain,
    cone,
    order,
    simulate,
)

kinds, rules = st.sampled_from(ORDERS), st.sampled_from(RULES)


@st.composite
def windows(draw: st.DrawFn, height: int, width: int) -> Window:
    """A window over a map, now and then with rows that see padding only or inputs unseen."""
    kernel, stride, dilation = (
        (draw(st.integers(1, most)), draw(st.integers(1, most))) for most in (3, 2, 2)
    )
    pads = draw(st.tuples(*[st.integers(0, 3)] * 4))
    out = [
        (size + pads[i] + pads[i + 2] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1
        for i, size in enumerate((height, width))
    ]
    if min(out) < 1 or max(out) > 9:
        return Window(height, width, height, width)
    return Window(height, width, *out, kernel, stride, pads, dilation)


@st.composite
def graphs(draw: st.DrawFn) -> list[Layer]:
    """A few layers, some of which also read an earlier map of the same size, one to one."""
    shapes = [(draw(st.integers(1, 7)), draw(st.integers(1, 7)))]
    layers: list[Layer] = []
    for _ in range(draw(st.integers(1, 4))):
        window = draw(windows(*shapes[-1]))
        ports = [Port(len(shapes) - 2, window, draw(st.integers(0, 3)))]
        shapes.append((window.out_height, window.out_width))
        twins = [i for i, shape in enumerate(shapes[:-1]) if shape == shapes[-1]]
        if twins and draw(st.booleans()):
            source = draw(st.sampled_from(twins)) - 1
            same = Window(*shapes[-1], *shapes[-1])
            ports.append(Port(source, same, draw(st.integers(0, 3))))
        layers.append(Layer(tuple(ports)))
    return layers


def inputs_of(window: Window, row: int) -> set[int]:
    """The real input spines of a row, by walking its taps."""
    oy, ox = divmod(row, window.out_width)
    found = set()
    for ky in range(window.kernel[0]):
        for kx in range(window.kernel[1]):
            y = oy * window.stride[0] - window.pads[0] + ky * window.dilation[0]
            x = ox * window.stride[1] - window.pads[1] + kx * window.dilation[1]
            if 0 <= y < window.height and 0 <= x < window.width:
                found.add(y * window.width + x)
    return found


def naive(
    layers: Sequence[Layer], kind: str, rule: Rule, interval: int, band: int
) -> tuple[list[list[int]], list[int]]:
    """Firing times and live peaks with sets and lists: gather form, where the other scatters."""
    first = layers[0].ports[0].window
    streams = {
        -1: [
            (n * interval, int(spine))
            for n, spine in enumerate(order(kind, first.height, first.width, band), 1)
        ]
    }
    fired, live = [], []
    for number, layer in enumerate(layers):
        events = sorted(
            (time, port, place, spine)
            for port, read in enumerate(layer.ports)
            for place, (time, spine) in enumerate(streams[read.source])
        )
        rows = layer.ports[0].window.rows
        needs = [
            {(p, s) for p, read in enumerate(layer.ports) for s in inputs_of(read.window, row)}
            for row in range(rows)
        ]
        everything = {(port, spine) for _, port, _, spine in events}
        waits = [
            set(everything) if any(r.window.waits(rule)[row] for r in layer.ports) else needs[row]
            for row in range(rows)
        ]
        out = [(0, row) for row in range(rows) if not waits[row]]
        left, clock, served = {row for row in range(rows) if waits[row]}, 0, {}
        for time, port, _, spine in events:
            clock = max(clock, time) + layer.ports[port].cycles
            served[port, spine] = clock
            ready = sorted(row for row in left if waits[row] <= served.keys())
            out += [(clock, row) for row in ready]
            left -= set(ready)
        assert not left
        streams[number] = out
        when = {row: time for time, row in out}
        fired.append([when[row] for row in range(rows)])
        spans = [
            (
                time,
                max(
                    [served[port, spine]]
                    + [when[row] for row in range(rows) if (port, spine) in needs[row]]
                ),
            )
            for time, port, _, spine in events
        ]
        live.append(max(sum(a <= t <= b for a, b in spans) for t, _ in spans))
    return fired, live


@settings(max_examples=150)
@given(graphs(), kinds, rules, st.integers(0, 3), st.integers(1, 5))
def test_simulation_equals_a_naive_one(
    layers: list[Layer], kind: str, rule: Rule, interval: int, band: int
) -> None:
    timing = simulate(layers, kind, rule, interval, band)
    fired, live = naive(layers, kind, rule, interval, band)
    assert [f.tolist() for f in timing.fired] == fired
    assert timing.live.tolist() == live
    assert timing.first.tolist() == [min(f) for f in fired]
    assert timing.last.tolist() == [max(f) for f in fired]


@given(graphs(), kinds, rules, st.integers(1, 5))
def test_no_row_is_later_than_behind_layer_barriers(
    layers: list[Layer], kind: str, rule: Rule, band: int
) -> None:
    timing = simulate(layers, kind, rule, band=band)
    barrier = simulate(layers, kind, "barrier", band=band)
    for late, row in zip(barrier.fired, timing.fired, strict=True):
        assert (row <= late).all()


@given(graphs(), kinds, rules)
def test_deferral_delays_every_row_of_the_first_layer(
    layers: list[Layer], kind: str, rule: Rule
) -> None:
    """Later layers may gain now and then: a queue in another order serves another spine first."""
    first = layers[:1]
    assert (simulate(first, kind, rule).fired[0] >= simulate(first, kind).fired[0]).all()


def convolutions(height: int, width: int, count: int) -> list[Layer]:
    return chain([Window.square(height, width, 3, 1, 1)] * count)


def figures(kind: str, count: int, rule: Rule = "eager", band: int = 4) -> tuple[int, int, int]:
    timing = simulate(convolutions(56, 56, count), kind, rule, band=band)
    return int(timing.first[-1]), int(timing.last[-1]), int(timing.live.max())


def test_deferral_delays_the_chain() -> None:
    for count in (2, 5, 9):
        layers = convolutions(24, 24, count)
        eager = simulate(layers, "shells")
        some, most = (simulate(layers, "shells", rule) for rule in ("bottom-right", "padding"))
        assert eager.last[-1] < some.last[-1] < most.last[-1]
        assert eager.first[-1] == some.first[-1] < most.first[-1]


@pytest.mark.parametrize(
    ("kind", "rule", "expected"),
    [
        ("raster", "barrier", ((12545, 12545, 3136), (25089, 25089, 3136), (50177, 50177, 3136))),
        ("raster", "eager", ((233, 3314, 127), (465, 3564, 133), (929, 4112, 149))),
        ("shells", "eager", ((32, 3467, 225), (96, 3893, 225), (320, 4697, 225))),
        ("shells", "padding", ((85, 3800, 638), (297, 4684, 638), (1105, 6452, 638))),
        ("serpentine", "eager", ((248, 3327, 132), (493, 3589, 139), (981, 4161, 155))),
    ],
)
def test_figures_of_an_independent_study(
    kind: str, rule: Rule, expected: tuple[tuple[int, int, int], ...]
) -> None:
    """First, last, live for 4, 8 and 16 layers, from a prototype that shares no code with this."""
    assert tuple(figures(kind, count, rule) for count in (4, 8, 16)) == expected


@given(st.integers(2, 14), st.integers(2, 14), st.integers(1, 12))
def test_first_spine_of_raster_and_of_columns(height: int, width: int, count: int) -> None:
    """Each layer waits for a line and two spines more, until the cone meets the far edge."""
    layers = convolutions(height, width, count)
    if count <= height - 2:
        assert simulate(layers, "raster").first[-1] == count * (width + 2) + 1
    if count <= width - 2:
        assert simulate(layers, "columns").first[-1] == count * (height + 2) + 1


@given(st.integers(4, 14), st.integers(4, 14), st.integers(1, 8), kinds, st.integers(1, 9))
def test_bands_as_high_as_the_cone_give_the_earliest_first_spine(
    height: int, width: int, count: int, kind: str, band: int
) -> None:
    """Every spine of the cone enters before, one in a cycle; then each layer serves one more."""
    layers = convolutions(height, width, count)
    lines, columns = cone(layers)
    assert (lines, columns) == (min(count + 1, height), min(count + 1, width))
    bound = lines * columns + count
    assert simulate(layers, kind, band=band).first[-1] >= bound
    if count <= min(height, width) - 2:
        assert simulate(layers, "bands", band=lines).first[-1] == bound


def test_cone_follows_strides_dilation_pads_and_all_branches() -> None:
    tall = Window(20, 20, 9, 10, (3, 1), (2, 2), (0, 0, 0, 0), (1, 1))
    wide = Window(9, 10, 9, 10, (1, 3), (1, 1), (0, 2, 0, 2), (1, 2))
    assert cone(chain([tall, wide])) == (3, 5)
    side = Port(-1, Window(20, 20, 9, 10, (5, 1), (2, 2)))
    assert cone([Layer((Port(-1, tall),)), Layer((Port(0, wide), side))]) == (5, 5)


def test_trunk_of_resnet18() -> None:
    """First and last spine where every layer needs 5000 cycles; the figures are of that study."""
    shapes = [(7, 2, 3), (3, 2, 1)] + [(3, 1, 1)] * 4 + ([(3, 2, 1)] + [(3, 1, 1)] * 3) * 3
    stack, side = [], 224
    for shape in shapes:
        stack.append(Window.square(side, side, *shape))
        side = stack[-1].out_height
    layers = chain(stack, [50176 // window.spines for window in stack])
    schedules: tuple[tuple[str, Rule], ...] = (
        ("raster", "eager"),
        ("shells", "eager"),
        ("shells", "padding"),
    )
    found = []
    for kind, rule in schedules:
        timing = simulate(layers, kind, rule)
        found.append([round(t[-1] * 5000 / 50176) for t in (timing.first, timing.last)])
    assert found == [[5728, 10346], [6013, 11855], [16868, 21255]]


def test_a_join_holds_what_the_shortcut_brings_early() -> None:
    """A shortcut past two convolutions is some 2 (W + 2) spines ahead."""
    window, same = Window.square(32, 32, 3, 1, 1), Window.square(32, 32)
    straight = convolutions(32, 32, 3)
    joined = [*straight[:2], Layer((*straight[2].ports, Port(0, same, 0)))]
    plain, both = simulate(straight, "raster"), simulate(joined, "raster")
    assert both.last[-1] == plain.last[-1]
    assert 2 * (window.width + 2) <= both.live[-1] - plain.live[-1] <= 2 * (window.width + 2) + 32


def test_refusals() -> None:
    window = Window.square(4, 4, 3, 1, 1)
    with pytest.raises(ScheduleError, match="unknown rule 'lazy'; expected one of eager, "):
        simulate(chain([window]), "raster", "lazy")  # type: ignore[arg-type]
    with pytest.raises(ScheduleError, match="unknown order 'spiral'"):
        simulate(chain([window]), "spiral")
    with pytest.raises(ScheduleError, match="at least one layer"):
        simulate([], "raster")
    with pytest.raises(ScheduleError, match="layer 0 reads layer 0; expected -1 to -1"):
        simulate([Layer((Port(0, window),))], "raster")
    with pytest.raises(ScheduleError, match=r"layer 1 reads a map of 5x5 from layer 0, .* 4x4"):
        simulate(chain([window, Window.square(5, 5)]), "raster")
    with pytest.raises(ScheduleError, match=r"maps of sizes \[\(2, 2\), \(4, 4\)\]"):
        simulate([Layer((Port(-1, window), Port(-1, Window.square(4, 4, 3))))], "raster")
    with pytest.raises(ScheduleError, match="-1 cycles per spine"):
        simulate(chain([window], -1), "raster")
    with pytest.raises(ScheduleError, match="interval -1 is negative"):
        simulate(chain([window]), "raster", interval=-1)
    with pytest.raises(ScheduleError, match="leave 62 bits"):
        simulate(chain([window], 1 << 60), "raster")
    with pytest.raises(ScheduleError, match="at least 1"):
        Window.square(2, 2, 3)


def test_times_near_the_limit_are_exact() -> None:
    window = Window.square(2, 2)
    assert simulate(chain([window], 1 << 59), "raster").last[-1] == 4 * (1 << 59) + 1


def test_the_schedules_are_deterministic() -> None:
    a, b = (simulate(convolutions(9, 7, 3), "shells") for _ in range(2))
    assert all(np.array_equal(x, y) for x, y in zip(a.fired, b.fired, strict=True))
