"""What tiles have to do and what they send, by figures worked out by hand; profiles of it."""

import dataclasses
import json
from pathlib import Path

import pytest
from xdsl.parser import Parser

from elsac.compiler import new_context
from elsac.context import Blobs, CompileError
from elsac.dialects import token
from elsac.passes.bands import cuts, lines_of
from elsac.passes.capacity import Part
from elsac.passes.estimate_load import Profile, read_profile
from elsac.passes.load import Load, rows_per_line
from elsac.passes.tiles import Tiling, retile
from elsac.runtime.packets import Baer
from elsac.store import WeightStore
from elsac.targets import load_target

# Layers named after what they do with an input of 8 columns, of which half spike in the first step,
# a quarter in the second and none in the third.
NETWORK = """
!in = !token.stream<12x8 in 0 to 7>
!one = !token.stream<12x1 in 0 to 3>
!two = !token.stream<180x2 in 0 to 1>
!many = !token.stream<12x300 in 0 to 1>
!some = !token.stream<12x14 in 0 to 1>
!same = !token.stream<12x8 in 0 to 1>
!half = !token.stream<2x8 in 0 to 7>
!charge = !token.stream<12x8 in 0 to 0>
net.blob @conv : tensor<300x8x3x3xi8> from "sha256:01"
net.blob @grouped : tensor<8x4x3x3xi8> from "sha256:02"
net.blob @patch : tensor<8x8x2x3xi8> from "sha256:06"
net.blob @narrow : tensor<14x8x1x1xi8> from "sha256:03"
net.blob @joined : tensor<8x14x1x1xi8> from "sha256:04"
net.blob @ones : tensor<8xi8> ints [1, 1, 1, 1, 1, 1, 1, 1]
net.blob @stairs : tensor<1x1x300xi64> from "sha256:05"
net.blob @places : tensor<12x8xi32> ints [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23
]
%x = token.source "x" shape [8, 4, 3] scale "1" zero 0 as "UINT4" coding bitplane
  rates [0.5, 0.25, 0.0] : !in
%y = token.source "y" shape [1, 4, 3] scale "1" zero 0 as "UINT4" coding bitplane
  rates [0.5, 0.25] : !one
%z = token.source "z" shape [2, 10, 18] scale "1" zero 0 as "UINT4" coding bitplane
  rates [0.5] : !two
%conv = token.actor "conv" columns 0 to 300 of 300 reads %x rates [1.0, 1.0] : !in -> !many {
^bb0(%0: !in):
  token.accumulate %0 weight @conv
    map <4x3 to 4x3 window <kernel [3, 3], pads [1, 1, 1, 1]>> groups 1 : !in
  token.fire stairs @stairs alphabet ternary bits 9
}
%grouped = token.actor "grouped" columns 0 to 8 of 8 reads %x rates [0.4] : !in -> !same {
^bb0(%1: !in):
  token.accumulate %1 weight @grouped
    map <4x3 to 4x3 window <kernel [3, 3], pads [1, 1, 1, 1]>> groups 2 : !in
  token.fire stairs @stairs alphabet ternary bits 9
}
%pool = token.actor "pool" columns 0 to 8 of 8 reads %x : !in -> !half {
^bb0(%2: !in):
  token.trace %2 map <4x3 to 2x1 window <kernel [2, 3], stride [2, 3]>> : !in
  token.maximum map <4x3 to 2x1 window <kernel [2, 3], stride [2, 3]>> alphabet ternary
}
%patches = token.actor "patches" columns 0 to 8 of 8 reads %x : !in -> !half {
^bb0(%7: !in):
  token.accumulate %7 weight @patch
    map <4x3 to 2x1 window <kernel [2, 3], stride [2, 3]>> groups 1 : !in
  token.fire stairs @stairs alphabet ternary bits 9
}
%moved = token.actor "moved" columns 0 to 8 of 8 reads %x : !in -> !same {
^bb0(%3: !in):
  token.scatter %3 of 8 at @places : !in
  token.flow alphabet ternary bits 9
}
%narrow = token.actor "narrow" columns 0 to 14 of 14 reads %x rates [0.4, 0.1] : !in -> !some {
^bb0(%4: !in):
  token.accumulate %4 weight @narrow map <4x3 to 4x3 window <kernel [1, 1]>> groups 1 : !in
  token.fire stairs @stairs alphabet ternary bits 9
}
%join = token.actor "join" columns 0 to 8 of 8 reads %grouped, %narrow
    rates [1.0] : !same, !some -> !charge {
^bb0(%5: !same, %6: !some):
  token.add %5 by @ones map <4x3 to 4x3 window <kernel [1, 1]>> : !same
  token.accumulate %6 weight @joined map <4x3 to 4x3 window <kernel [1, 1]>> groups 1 : !some
  token.hold bits 9
}
"""


class Network:
    """The network, its nodes by name, and what they cost on a target."""

    def __init__(self, **keys: int) -> None:
        target = dataclasses.replace(load_target("elsa-6x6"), **keys)  # type: ignore[arg-type]
        self.module = Parser(new_context(target), NETWORK).parse_module()
        self.module.verify()
        blobs = Blobs(self.module, WeightStore())
        self.load = Load(blobs, target, Baer())  # 17 spikes a flit
        self.sources = {
            o.tensor_name.data: o for o in self.module.body.ops if isinstance(o, token.SourceOp)
        }
        self.actors = {
            o.layer.data: o for o in self.module.body.ops if isinstance(o, token.ActorOp)
        }


@pytest.mark.parametrize(
    ("layer", "cycles"),
    [
        # A neuron follows 8 x 9 inputs: 36 spikes are 3 batches of 16, 18 are 2, and each step ends
        # with a cycle in which the row fires.
        ("conv", (3 + 1) + (2 + 1) + (0 + 1)),
        # Two groups of 4 inputs: 18 and 9 spikes.
        ("grouped", (2 + 1) + (1 + 1) + (0 + 1)),
        # A window of 2 x 3 in one column: 3 and 1.5 spikes.
        ("pool", (1 + 1) + (1 + 1) + (0 + 1)),
        # An index map moves one input to one place.
        ("moved", (1 + 1) + (1 + 1) + (0 + 1)),
        # 8 inputs of one spine: 4 and 2 spikes.
        ("narrow", (1 + 1) + (1 + 1) + (0 + 1)),
        # 0.4 + 14 x 0.4 spikes of both branches in the first step, 14 x 0.1 of one in the second.
        ("join", (1 + 1) + (1 + 1)),
    ],
)
def test_cycles_of_a_row(layer: str, cycles: int) -> None:
    network = Network()
    assert network.load.row_cycles(network.actors[layer]) == cycles


def test_batches_are_as_wide_as_the_adder_trees() -> None:
    network = Network(adder_inputs=36)
    assert network.load.row_cycles(network.actors["conv"]) == (1 + 1) + (1 + 1) + 1


def test_lines_of_wide_maps_make_batches_of_their_own() -> None:
    """Three lines of a map of width 3 are more rows than 8 queues."""
    network = Network(input_queues=8)
    assert network.load.row_cycles(network.actors["conv"]) == (3 * 1 + 1) + (3 * 1 + 1) + 1


def test_rounding_opens_no_batch() -> None:
    """0.4 + 14 x 0.4 is 6, three batches of 2, though a little more in floating point."""
    assert 0.4 + 14 * 0.4 > 6
    network = Network(adder_inputs=2)
    assert network.load.row_cycles(network.actors["join"]) == (3 + 1) + (1 + 1)


@pytest.mark.parametrize(
    ("part", "cycles"),
    [
        # 4 lines of 3 rows; 75 columns in each of 4 PEs, which have 128 circuits: 12 x 1 x 8.
        (Part(300, 4, 4, 1), 96),
        # 150 columns take two turns on the circuits.
        (Part(300, 4, 2, 1), 192),
        # With PEs on the lines, each has half of the rows and all columns: three turns.
        (Part(300, 4, 1, 2), 6 * 3 * 8),
        (Part(300, 4, 2, 2), 6 * 2 * 8),
        # The largest part counts: 2 of 3 lines, 38 of 75 columns.
        (Part(75, 3, 2, 2), 6 * 1 * 8),
        (Part(128, 1, 1, 1), 3 * 1 * 8),
        (Part(129, 1, 1, 1), 3 * 2 * 8),
    ],
)
def test_cycles_of_a_tile(part: Part, cycles: int) -> None:
    network = Network()
    conv = network.actors["conv"]
    assert rows_per_line(conv, 4) == 3
    assert network.load.cycles(conv, part, 3) == cycles


def test_spines_of_patches_take_their_time_to_load() -> None:
    """Six spines to a row, of which each takes a cycle in both steps with spikes: more than the
    3 + 2 + 1 cycles of batches and firing, until those take three turns.
    """
    network = Network(circuits_per_pe=2)
    patches = network.actors["patches"]
    assert network.load.row_cycles(patches) == (2 + 1) + (1 + 1) + (0 + 1)
    assert network.load.cycles(patches, Part(8, 2, 4, 1), 1) == 2 * 6 * 2
    assert network.load.cycles(patches, Part(8, 2, 1, 2), 1) == 4 * 6
    assert network.load.cycles(patches, Part(5, 2, 1, 1), 1) == 2 * 3 * 6


def test_fewer_circuits_take_more_turns() -> None:
    network = Network(circuits_per_pe=32)
    assert network.load.cycles(network.actors["conv"], Part(300, 4, 4, 1), 3) == 12 * 3 * 8


def test_flits() -> None:
    """A spine of one column is a flit if it spikes; of 300 that all spike, ceil(300 / 17) = 18."""
    network = Network()
    assert network.load.flits(network.sources["y"]) == round(12 * (0.5 + 0.25))
    assert network.load.flits(network.actors["conv"]) == 2 * 12 * 18


def test_a_tile_sends_its_own_part() -> None:
    """Tiles of 34 and 266 columns need 2 and 16 flits for each of their 6 spines."""
    network = Network()

    def tiling(actor: token.ActorOp) -> Tiling:
        total, lines = actor.total.value.data, lines_of(actor)
        cut = actor.layer.data == "conv"
        whole = [(0, lines[2] if lines else 1)]
        return Tiling([(0, 34), (34, 300)] if cut else [(0, total)], cuts(4, 2) if cut else whole)

    retile(network.module, network.load.blobs, tiling)
    tiles = [o for o in network.module.body.ops if isinstance(o, token.ActorOp)][:4]
    assert [network.load.flits(tile) for tile in tiles] == [2 * 6 * 2, 2 * 6 * 16] * 2


def test_flits_of_spikes_that_come_together() -> None:
    """Of two columns at a rate of 1/2, beta-binomial with a concentration of 8 (4 and 4): both are
    silent with 4/8 x 5/9, so 13 of 18 spines have a flit.
    """
    network = Network()
    assert network.load.flits(network.sources["z"]) == 130


def test_what_holds_its_charge_sends_nothing() -> None:
    network = Network()
    assert network.load.flits(network.actors["join"]) == 0


def test_a_silent_layer_costs_nothing() -> None:
    """Without a spike in any step there are no packets, and none to serve."""
    network = Network()
    network.sources["x"].rates = token.rates_attr([])
    assert network.load.flits(network.sources["x"]) == 0
    assert network.load.row_cycles(network.actors["conv"]) == 0


def profile(path: Path, **layer: object) -> Path:
    file = path / "profile.json"
    file.write_text(json.dumps({"layers": [{"name": "conv", "neurons": 4, **layer}]}))
    return file


def test_a_profile_is_read_layer_by_layer(tmp_path: Path) -> None:
    found = read_profile(profile(tmp_path, spikes_per_step=[4, 1, 0.5, 0]))
    assert found == Profile({"conv": (1.0, 0.25, 0.125, 0.0)}, {"conv": 4}, complete=True)
    assert read_profile(profile(tmp_path, spikes_per_step=[])).rates == {"conv": ()}


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({}, "no 'spikes_per_step' in it"),
        ({"spikes_per_step": [5]}, "layer 'conv' has more spikes in a step than neurons"),
        ({"spikes_per_step": [float("nan")]}, "layer 'conv' has"),
        ({"spikes_per_step": 3}, "not a profile"),
        ({"spikes_per_step": ["many"]}, "not a profile"),
        ({"spikes_per_step": [0], "neurons": 0}, "not a profile"),
        ({"spikes_per_step": [0], "neurons": float("inf")}, "not a profile"),
        ({"spikes_per_step": [10**400]}, "not a profile"),
        ({"spikes_per_step": [0], "name": []}, "not a profile"),
    ],
)
def test_what_is_no_profile_is_refused(
    tmp_path: Path, layer: dict[str, object], message: str
) -> None:
    file = profile(tmp_path, **layer)
    with pytest.raises(CompileError) as caught:
        read_profile(file)
    assert message in str(caught.value).removeprefix(f"{file}: ")
    assert str(caught.value).endswith("; expected the JSON report of elsac run")


@pytest.mark.parametrize("text", [b"", b"[1]", b"[" * 100_000, b"\xff", b'{"layers": [3]}'])
def test_what_is_no_report_is_refused(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "report.json"
    file.write_bytes(text)
    with pytest.raises(CompileError, match="not a profile"):
        read_profile(file)
