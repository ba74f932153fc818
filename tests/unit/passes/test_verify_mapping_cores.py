"""Planted faults in tiles, memories and places, each refused for what is wrong."""

from typing import Any

import pytest
from xdsl.dialects.builtin import DictionaryAttr, SymbolRefAttr
from xdsl.rewriter import Rewriter

from elsac.dialects import token
from elsac.dialects.net import WindowAttr, int_attr
from tests.unit.passes.test_verify_mapping import Faults, Mapped, Spoil, check_fault

fault = Faults()

CUT = "'partition' (or 'tile-columns')"
ASSIGN = "'partition' (or 'assign-cores')"
MEMORY = "'allocate-memory'"
PLACE = "'place-cores'"

A = "node 'conv1' columns 0 to 1 lines 0 to 2"
B = "node 'conv1' columns 1 to 2 lines 0 to 2"
C = "node 'conv1' columns 0 to 1 lines 2 to 4"
D = "node 'conv1' columns 1 to 2 lines 2 to 4"
E = "node 'conv2' lines 0 to 2"
F = "node 'conv2' lines 2 to 4"
G = "node 'pool' columns 0 to 1"
H = "node 'pool' columns 1 to 2"
FLIP = "node 'flip'"
"""Tiles as refusals name them."""


def step(tile: token.ActorOp, number: int) -> Any:
    return list(tile.body.block.ops)[number]


def drop(tile: token.ActorOp, number: int) -> None:
    """Read one stream less."""
    Rewriter.erase_op(step(tile, number))
    tile.body.block.erase_arg(tile.body.block.args[number])
    tile.operands = [v for n, v in enumerate(tile.operands) if n != number]


def twice(tile: token.ActorOp, number: int) -> None:
    """Read one stream once more."""
    old, block = step(tile, number), tile.body.block
    again = old.clone()
    again.operands[0] = block.insert_arg(old.operands[0].type, len(block.args))
    assert block.last_op is not None
    block.insert_op_before(again, block.last_op)
    tile.operands = [*tile.operands, tile.operands[number]]


def allocate(tile: token.ActorOp, **entries: int) -> None:
    assert tile.memory is not None
    changed = {key: int_attr(value) for key, value in entries.items()}
    tile.memory = DictionaryAttr({**tile.memory.data, **changed})


# Tiles.


@fault("node 'fc': it reads what no layer and no input sends", "'partition'")
def a_stream_from_nowhere(m: Mapped) -> None:
    m["j"].operands = [m["i"].body.block.args[0]]


@fault("node 'conv1': column 1 of line 1 is held by 2 tiles, not by one", CUT)
def lines_of_a_tile_shift(m: Mapped) -> None:
    m["d"].first_line, m["d"].last_line = int_attr(1), int_attr(3)


@fault("node 'conv1': column 0 of line 0 is held by 2 tiles, not by one", CUT)
def columns_of_a_tile_shift(m: Mapped) -> None:
    m["b"].first, m["b"].last = int_attr(0), int_attr(1)


@fault(f"{B}: its columns in all differ from those of {A}: 3, 2", CUT)
def a_layer_of_two_widths(m: Mapped) -> None:
    m["b"].total = int_attr(3)


@fault(f"{F}: its bounds differ from those of {E}: (0, 7), (0, 3)", CUT)
def a_layer_of_two_bounds(m: Mapped) -> None:
    Rewriter.replace_value_with_new_type(m["f"].output, token.StreamType(4, 2, 0, 7))


@fault(f"{F}: its rates differ from those of {E}: (0.5, 0.0), (1.0, 0.0)", CUT)
def a_layer_of_two_rates(m: Mapped) -> None:
    m["f"].rates = token.rates_attr([0.5, 0.0])


@fault(
    f"{F}: its ways to fire differ from those of {E}: "
    "token.fire stairs @stairs alphabet ternary bits 6, "
    "token.fire stairs @stairs alphabet ternary bits 7",
    CUT,
)
def a_layer_of_two_membranes(m: Mapped) -> None:
    step(m["f"], -1).bits = int_attr(6)


@fault(f"{F}: its parts for PEs differ from those of {E}: (2, 2), None", CUT)
def a_layer_of_two_layouts(m: Mapped) -> None:
    m["f"].pes = token.int_array([2, 2])


@fault(f"{G}: it sends 2 spines for 2 of 2 lines, its windows lead to 1 lines of 2", CUT)
def a_window_to_another_map(m: Mapped) -> None:
    end = step(m["g"], -1)
    end.map = token.MapAttr((4, 2), (1, 2), end.map.window)


@fault(f"{G}: it takes the maximum over other windows than it traces", CUT)
def a_maximum_of_something_else(m: Mapped) -> None:
    window = WindowAttr((1, 2), (2, 2))
    step(m["g"], -1).map = token.MapAttr((4, 2), (2, 1), window)


@fault(
    f"{E}: its rows follow spines 4 to 8, columns 1 to 2 of {D}, a stream that it reads 0 "
    "times, not 1",
    CUT,
)
def a_halo_is_not_read(m: Mapped) -> None:
    drop(m["e"], 3)


@fault(
    f"{F}: its rows follow spines 4 to 8, columns 0 to 1 of {C}, a stream that it reads 0 "
    "times, not 1",
    CUT,
)
def a_residual_is_not_read(m: Mapped) -> None:
    drop(m["f"], 4)


@fault(
    f"{F}: its rows follow spines 4 to 8, columns 1 to 2 of {D}, a stream that it reads 2 "
    "times, not 1",
    CUT,
)
def a_residual_is_added_twice(m: Mapped) -> None:
    twice(m["f"], 5)


@fault(
    f"{H}: its rows follow spines 4 to 8, columns 0 to 2 of {F}, a stream that it reads 0 "
    "times, not 1",
    CUT,
)
def a_pool_does_not_trace(m: Mapped) -> None:
    drop(m["h"], 1)


@fault(
    f"{FLIP}: its rows follow spines 0 to 2, columns 0 to 1 of {G}, a stream that it reads 0 "
    "times, not 1",
    CUT,
)
def an_index_map_misses_a_stream(m: Mapped) -> None:
    drop(m["i"], 0)


@fault(
    f"{E}: it takes the stream of {B} for one from column 0 and spine 0 on, which is from "
    "column 1 and spine 0 on",
    CUT,
)
def a_stream_of_another_column(m: Mapped) -> None:
    step(m["e"], 1).base = int_attr(0)


@fault(
    f"{G}: it takes the stream of {F} for one from column 0 and spine 0 on, which is from "
    "column 0 and spine 4 on",
    CUT,
)
def a_stream_of_another_line(m: Mapped) -> None:
    step(m["g"], 1).spine = int_attr(0)


@fault(f"{E}: it follows 1 columns of the layer of {A}, which has 2", CUT)
def weights_of_another_layer(m: Mapped) -> None:
    step(m["e"], 0).weight = SymbolRefAttr("w1")


@fault(f"{E}: its weights are for 1 columns, its layer has 2", CUT)
def weights_to_another_layer(m: Mapped) -> None:
    step(m["e"], 0).weight = SymbolRefAttr("w3")


@fault(f"{A}: it follows 12 spines of the layer of node 'x', which has 8", CUT)
def a_window_from_another_map(m: Mapped) -> None:
    window = step(m["a"], 0)
    window.map = token.MapAttr((6, 2), (4, 2), window.map.window)


@fault(f"{E}: spines 0 to 4 of {A} are no whole lines of its map, whose lines have 8", CUT)
def a_band_of_half_lines(m: Mapped) -> None:
    window = step(m["e"], 0)
    window.map = token.MapAttr((1, 8), (4, 2), window.map.window)


@fault(f"{FLIP}: its index map is of shape [2], its layer has 2 spines of 2 columns", CUT)
def an_index_map_of_another_layer(m: Mapped) -> None:
    step(m["i"], 0).index = SymbolRefAttr("ones")


@fault(f"{FLIP}: it follows 3 columns of the layer of {G}, which has 2", CUT)
def an_index_map_from_another_layer(m: Mapped) -> None:
    step(m["i"], 0).channels = int_attr(3)


@fault("probe 'conv1': it reads 3 streams, its layer has 4 tiles and each is to be read once", CUT)
def a_probe_misses_a_tile(m: Mapped) -> None:
    probe = next(o for o in m.module.body.ops if isinstance(o, token.ProbeOp))
    probe.operands = probe.operands[:3]


@fault("probe 'conv1': it reads 4 streams, its layer has 4 tiles and each is to be read once", CUT)
def a_probe_reads_a_tile_twice(m: Mapped) -> None:
    probe = next(o for o in m.module.body.ops if isinstance(o, token.ProbeOp))
    probe.operands = [*probe.operands[:3], probe.operands[0]]


@fault("readout 'fc': it reads 2 streams, its layer has 1 tiles and each is to be read once", CUT)
def a_readout_of_two_layers(m: Mapped) -> None:
    readout = next(o for o in m.module.body.ops if isinstance(o, token.ReadoutOp))
    readout.operands = [*readout.operands, m["i"].output]


# Memories and circuits.


@fault(f"{A}: it is divided among 4 x 2 PEs, a core has 4", "'partition'")
def more_parts_than_pes(m: Mapped) -> None:
    for name in "abcd":
        m[name].pes = token.int_array([4, 2])


@fault(
    "core 6: its tiles use 2 circuits of each PE, which has 1",
    ASSIGN,
    circuit_sharing="space",
    circuits_per_pe=1,
)
def too_few_circuits(m: Mapped) -> None:
    pass


@fault(
    "core 4: its tiles need 6 bytes of membranes memory in each PE, which has 5",
    ASSIGN,
    membrane_sram_bytes_per_pe=5,
)
def too_little_memory(m: Mapped) -> None:
    pass


@fault(
    "core 4: its tiles need 10 bytes of pooled memory in each PE, which has 9",
    ASSIGN,
    memory="pooled",
    pool_sram_bytes_per_pe=9,
)
def too_little_memory_for_all(m: Mapped) -> None:
    pass


@fault(f"{E}: it has 2 bytes for weights, and needs 3", MEMORY)
def too_little_is_allocated(m: Mapped) -> None:
    allocate(m["e"], weights_bytes=2)


@fault(f"{E}: its membranes have 7 bits, at most 6", "'prove-ranges'", membrane_bits_max=6)
def membranes_are_too_wide(m: Mapped) -> None:
    pass


@fault(f"{A}: it has 4 bytes for membranes, and needs 6", MEMORY, membrane_bits_min=16)
def membranes_have_a_least_width(m: Mapped) -> None:
    pass


@fault(
    f"core 6: the tracers of {G} and the tracers of {H} both lie at byte 2 of tracers memory",
    MEMORY,
)
def two_tiles_in_one_place(m: Mapped) -> None:
    allocate(m["h"], tracers_at=2)


@fault(
    f"core 0: the tracers of {A} and the weights of {A} both lie at byte 0 of pooled memory",
    MEMORY,
    memory="pooled",
    pool_sram_bytes_per_pe=20,
)
def two_kinds_in_one_place(m: Mapped) -> None:
    pass


@fault(
    f"core 6: the tracers of {H} lie at bytes 102398 to 102401 of tracers memory, which has "
    "102400 in a PE",
    MEMORY,
)
def beyond_the_memory(m: Mapped) -> None:
    allocate(m["h"], tracers_at=102398)


@fault(f"{C}: its weights have no place in memory", MEMORY)
def nothing_is_allocated(m: Mapped) -> None:
    m["c"].memory = None


# Places.


@fault(f"{FLIP}: it has no core", ASSIGN)
def a_tile_has_no_core(m: Mapped) -> None:
    m["i"].core = None


@fault(f"{FLIP}: it has no place", PLACE)
def a_tile_has_no_place(m: Mapped) -> None:
    m["i"].place = None


@fault(f"{C}: cores 1 and 2 are both at (1, 0)", PLACE)
def a_core_on_another(m: Mapped) -> None:
    m["c"].place = token.int_array([1, 0])


@fault("node 'fc': its core 7 is at (4, 1) and at (3, 1)", PLACE)
def a_core_in_two_places(m: Mapped) -> None:
    m["j"].place = token.int_array([4, 1])


@fault(f"{E}: its place (2, 6) is not on the mesh of 6 x 6", PLACE)
def a_core_beside_the_mesh(m: Mapped) -> None:
    m["e"].place = token.int_array([2, 6])


@pytest.mark.parametrize(("spoil", "target", "refusal"), fault.all)
def test_a_fault_is_refused(spoil: Spoil, target: dict[str, int | str], refusal: str) -> None:
    check_fault(spoil, target, refusal)
