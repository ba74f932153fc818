"""Planted faults in packets, routes, credits and claims, each refused for what is wrong."""

from collections.abc import Callable
from typing import Any

import pytest
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, StringAttr, SymbolRefAttr
from xdsl.rewriter import InsertPoint, Rewriter

from elsac.dialects import spiking, token
from elsac.dialects.net import int_attr
from tests.unit.passes.test_verify_mapping import Faults, Mapped, Spoil, check_fault

fault = Faults()

PACKETS = "'bundle-packets'"
PLACE = "'place-cores'"
ROUTE = "'route-streams'"

A = "node 'conv1' columns 0 to 1 lines 0 to 2"
B = "node 'conv1' columns 1 to 2 lines 0 to 2"
D = "node 'conv1' columns 1 to 2 lines 2 to 4"
E = "node 'conv2' lines 0 to 2"
F = "node 'conv2' lines 2 to 4"
G = "node 'pool' columns 0 to 1"
H = "node 'pool' columns 1 to 2"
FLIP = "node 'flip'"
"""Tiles as refusals name them."""


def step(tile: token.ActorOp, number: int) -> Any:
    return list(tile.body.block.ops)[number]


def packets(m: Mapped) -> token.PacketFormatOp:
    return next(o for o in m.module.body.ops if isinstance(o, token.PacketFormatOp))


def widths(m: Mapped, **changes: int) -> None:
    """Other fields of the packets, and what they leave room for."""
    op = packets(m)
    bits = {key: value.value.data for key, value in op.fields.data.items()} | changes  # type: ignore[attr-defined]
    header = sum(bits[key] for key in ("destination", "type", "spine", "check"))
    spike = sum(bits[key] for key in ("position", "sign", "exponent"))
    new = token.PacketFormatOp("baer", 256, bits, (256 - header) // spike)
    op.properties.update(new.properties)


def reroute(node: token.ActorOp | token.SourceOp, number: int, **changes: Any) -> None:
    """Replace one route of a stream by one that differs."""
    assert node.routes is not None
    routes = list(node.routes)
    old = routes[number]
    same = {
        "places": old.path,
        "tree": old.tree.data,
        "weight": old.weight.data,
        "channel": old.channel.data,
        "spines": [s.data for s in old.spines],
        "credits": old.credits.data,
    }
    routes[number] = token.RouteAttr(**{**same, **changes})
    node.routes = ArrayAttr(routes)


def order(m: Mapped, change: Callable[[list[tuple[int, ...]]], list[tuple[int, ...]]]) -> None:
    """Another order of the channels."""
    claim = m.claim("routing")
    flat = token.ints(claim.figures.data["order"])  # type: ignore[arg-type]
    channels = [flat[i : i + 5] for i in range(0, len(flat), 5)]
    changed = [n for channel in change(channels) for n in channel]
    claim.properties["figures"] = DictionaryAttr(
        {**claim.figures.data, "order": token.int_array(changed)}
    )


# Packets.


@fault("the module: it has 0 packet formats, not one", PACKETS)
def no_packets(m: Mapped) -> None:
    Rewriter.erase_op(packets(m))


@fault("the module: it has 2 packet formats, not one", PACKETS)
def two_packet_formats(m: Mapped) -> None:
    op = packets(m)
    Rewriter.insert_op(op.clone(), InsertPoint.after(op))


@fault("the packet format: a flit is said to hold 18 spikes, its fields leave room for 17", PACKETS)
def a_flit_holds_less(m: Mapped) -> None:
    packets(m).capacity = int_attr(18)


@fault(
    "the packet format: packets of kind 'pigeon'; expected one of baer, bundle, "
    "aer-truenorth, aer-morphic",
    PACKETS,
)
def packets_that_nobody_knows(m: Mapped) -> None:
    packets(m).kind = StringAttr("pigeon")


@fault("the packet format: 5 bits of destination cannot name 36 places of the mesh", PACKETS)
def too_many_places(m: Mapped) -> None:
    widths(m, destination=5)


@fault("node 'x': a spine of 7 does not fit a field of 2 bits", PACKETS)
def too_many_spines(m: Mapped) -> None:
    widths(m, spine=2)


@fault(f"{E}: an exponent of 1 does not fit a field of 0 bits", PACKETS)
def too_large_spikes(m: Mapped) -> None:
    for name in "ef":
        step(m[name], -1).alphabet = spiking.AlphabetAttr(spiking.Alphabet.NEAREST)


# Routes.


@fault("node 'x': its stream has no routes", ROUTE)
def a_stream_was_not_routed(m: Mapped) -> None:
    m.nodes["x"].routes = None


@fault(f"{H}: no route leads its stream to the cores 7 that read it", ROUTE)
def a_stream_has_readers_and_no_route(m: Mapped) -> None:
    m["h"].routes = ArrayAttr([])


@fault(f"{E}: its trees have the numbers 0, 2, not 0 to 1", ROUTE)
def a_tree_is_missing(m: Mapped) -> None:
    reroute(m["e"], 1, tree=2)


@fault(f"{A}: tree 0 has weight 1 and weight 2", ROUTE)
def a_tree_of_two_weights(m: Mapped) -> None:
    reroute(m["a"], 1, weight=2)


@fault(f"{A}: tree 0 has channel 0 and channel 1", ROUTE)
def a_tree_on_two_channels(m: Mapped) -> None:
    reroute(m["a"], 1, channel=1)


@fault(f"{E}: tree 1 is on virtual channel 4, a link has 4", ROUTE)
def a_channel_that_links_do_not_have(m: Mapped) -> None:
    reroute(m["e"], 1, channel=4)


@fault(f"{E}: its trees have a weight of 17, at most 16", ROUTE)
def weights_of_a_long_period(m: Mapped) -> None:
    reroute(m["e"], 0, weight=16)


@fault(f"{F}: tree 0 of its stream leads to (3, 1), where nothing reads it", ROUTE)
def a_route_to_nobody(m: Mapped) -> None:
    reroute(m["f"], 0, places=[(2, 1), (3, 1)])


@fault(f"{D}: tree 0 of its stream leads to core 4 twice", ROUTE)
def two_routes_to_one_core(m: Mapped) -> None:
    reroute(m["d"], 1, places=[(1, 1), (2, 1), (2, 0)])


@fault(f"{D}: tree 0 of its stream does not lead to core 5, which reads it", ROUTE)
def a_route_is_missing(m: Mapped) -> None:
    assert m["d"].routes is not None
    m["d"].routes = ArrayAttr(m["d"].routes.data[:1])


@fault(
    "node 'x': tree 0 of its stream takes the spines 0 to 4 to core 1, which needs 0 to 6 of 8",
    ROUTE,
)
def a_route_leaves_the_halo_out(m: Mapped) -> None:
    reroute(m.nodes["x"], 0, spines=(0, 4))


@fault(
    "node 'x': tree 0 of its stream takes the spines 2 to 9 to core 2, which needs 2 to 8 of 8",
    ROUTE,
)
def a_route_for_spines_that_are_not(m: Mapped) -> None:
    reroute(m.nodes["x"], 1, spines=(2, 9))


@fault(f"{F}: tree 0 of its stream starts at (2, 0), and the stream at (2, 1)", ROUTE)
def a_route_from_elsewhere(m: Mapped) -> None:
    reroute(m["f"], 0, places=[(2, 0), (3, 0)])


@fault(f"{B}: tree 0 of its stream leaves the mesh at (1, -1)", ROUTE)
def a_route_beside_the_mesh(m: Mapped) -> None:
    reroute(m["b"], 0, places=[(1, 0), (1, -1), (2, -1), (2, 0)])


@fault("node 'x': tree 0 of its stream comes to (0, 1) from (0, 0) and (1, 1)", ROUTE)
def two_ways_to_one_place(m: Mapped) -> None:
    reroute(m.nodes["x"], 1, places=[(0, 0), (1, 0), (1, 1), (0, 1)])


@fault(f"{G}: tree 0 of its stream comes to (3, 0) from (2, 0) and the stream itself", ROUTE)
def a_route_that_comes_back(m: Mapped) -> None:
    reroute(m["g"], 0, places=[(3, 0), (2, 0), (3, 0), (3, 1)])


# Deadlock.


@fault("claim 'routing': there are 0 of them, routes need one", ROUTE)
def no_order_of_channels(m: Mapped) -> None:
    Rewriter.erase_op(m.claim("routing"))


@fault("claim 'routing': its order is no list of x, y, u, v, channel", ROUTE)
def an_order_of_something_else(m: Mapped) -> None:
    order(m, lambda channels: [*channels, (1, 2, 3)])


@fault("claim 'routing': channel 0 of link (0, 0) to (1, 0) is in its order twice", ROUTE)
def a_channel_with_two_ranks(m: Mapped) -> None:
    order(m, lambda channels: [*channels, channels[0]])


@fault(f"{E}: it uses channel 1 of link (3, 1) to (3, 0), which is not in the order", ROUTE)
def a_channel_without_rank(m: Mapped) -> None:
    order(m, lambda channels: channels[:-1])


@fault(
    "node 'x': its packets hold channel 0 of link (0, 0) to (0, 1) (number 12 of the order) "
    "while they wait for channel 0 of link (0, 1) to (1, 1) (number 11), and could do so for "
    "ever",
    ROUTE,
)
def the_order_reversed(m: Mapped) -> None:
    order(m, lambda channels: channels[::-1])


# Credits.


@fault(f"{F}: it has no credit at (3, 0) and can send nothing", ROUTE)
def a_stream_without_credits(m: Mapped) -> None:
    reroute(m["f"], 0, credits=0)


@fault(f"{E}: it has 2 credits at (3, 0), where membranes are of one step", ROUTE)
def a_sender_too_far_ahead(m: Mapped) -> None:
    reroute(m["e"], 1, credits=2)


@fault(f"{FLIP}: its stream waits for itself: {FLIP} reads {FLIP}", "'convert-spiking-to-token'")
def a_stream_that_waits_for_itself(m: Mapped) -> None:
    tile, block = m["i"], m["i"].body.block
    assert block.last_op is not None
    argument = block.insert_arg(tile.output.type, len(block.args))
    block.insert_op_before(token.ScatterOp(argument, 0, 2, SymbolRefAttr("swap")), block.last_op)
    tile.operands = [*tile.operands, tile.output]


# Claims.


@fault("claim 'partition': bottleneck is claimed to be 11 and is 12", "'partition'")
def a_less_busy_core(m: Mapped) -> None:
    m.figures("partition", bottleneck=11, bound=11)


@fault("claim 'partition': cores is claimed to be 7 and is 8", "'partition'")
def fewer_cores(m: Mapped) -> None:
    m.figures("partition", cores=7)


@fault("claim 'partition': crossing is claimed to be 25 and is 26", "'partition'")
def fewer_flits_between_cores(m: Mapped) -> None:
    m.figures("partition", crossing=25)


@fault("claim 'partition': bottleneck of 12 is below its bound of 13", "'partition'")
def better_than_the_best_partition(m: Mapped) -> None:
    m.figures("partition", bound=13)


@fault("claim 'placement': flit_hops is claimed to be 61 and is 62", PLACE)
def shorter_ways(m: Mapped) -> None:
    m.figures("placement", flit_hops=61)


@fault("claim 'placement': flit_hops of 62 is below its bound of 63", PLACE)
def better_than_the_best_placement(m: Mapped) -> None:
    m.figures("placement", bound=63)


@fault("claim 'routing': flit_hops is claimed to be 67 and is 68", ROUTE)
def fewer_hops(m: Mapped) -> None:
    m.figures("routing", flit_hops=67)


@fault("claim 'routing': max_link is claimed to be 9 and is 10", ROUTE)
def a_less_busy_link(m: Mapped) -> None:
    m.figures("routing", max_link=9)


@fault("claim 'routing': channels is claimed to be 1 and is 2", ROUTE)
def fewer_channels(m: Mapped) -> None:
    m.figures("routing", channels=1)


@fault("claim 'routing': flit_hops is claimed to be 68 and is 66", ROUTE)
def another_path(m: Mapped) -> None:
    # The long tree goes the short way, on its own channel.
    reroute(m["e"], 1, places=[(2, 0), (3, 0)])
    order(m, lambda channels: [*channels, (2, 0, 3, 0, 1)])


@pytest.mark.parametrize(("spoil", "target", "refusal"), fault.all)
def test_a_fault_is_refused(spoil: Spoil, target: dict[str, int | str], refusal: str) -> None:
    check_fault(spoil, target, refusal)
