"""No flit that has arrived waits for one that has not.

A flit that arrives at a core is taken up at once: its spikes go into membranes (or copies of
tracers), which wants nothing but the membranes themselves, and rows that are complete may fire
later. So links never wait for cores, and the argument about channels (`deadlock.py`) is all that
the mesh needs, as long as membranes belong to one step. That is what credits are for: a credit is a
step by which a sender may be ahead of a reader, and there is one, since a reader holds membranes
for one step. A sender begins a step when all its readers have fired in the step before.

What is left is that cores wait for each other. A reader fires in a step when the flits of that step
have come, from senders that wait for readers of the step before at most. If no stream leads back to
its own sender, the earliest step that anything waits in, and in it the first of the senders, can
always go on.
"""

from elsac.passes.verify_mapping.model import Mapping, Node, name, refuse
from elsac.passes.verify_mapping.packets import packet_format

AGAIN = "'route-streams'"


def check_credits(mapping: Mapping) -> None:
    """Check that every route has the credit of one step, and that no stream depends on itself."""
    check_steps(mapping)
    check_room(mapping, packet_format(mapping).flit_bits)
    check_acyclic(mapping)


def check_steps(mapping: Mapping) -> None:
    """Every stream may be one step ahead of each reader."""
    for node in mapping.nodes:
        for route in node.routes or ():
            end, credits = route.path[-1], route.credits.data
            if credits < 1:
                refuse(name(node), f"it has no credit at {end} and can send nothing", AGAIN)
            if credits > 1:
                refuse(
                    name(node),
                    f"it has {credits} credits at {end}, where membranes are of one step",
                    AGAIN,
                )


def check_room(mapping: Mapping, flit_bits: int) -> None:
    """A core has room for the flit that it takes up."""
    room = 8 * mapping.target.ejection_fifo_bytes_per_core
    if flit_bits > room:
        refuse(
            f"target '{mapping.target.name}'",
            f"a core has room for {room} bits of arriving flits, a flit has {flit_bits}",
            "'bundle-packets'",
        )


def check_acyclic(mapping: Mapping) -> None:
    """Take away streams all of whose senders' inputs are taken away, until none is left.

    The order of the text says nothing here: blocks of a module may name what comes later.
    """
    waits: dict[Node, list[Node]] = {node: [] for node in mapping.nodes}
    readers: dict[Node, list[Node]] = {node: [] for node in mapping.nodes}
    for tile, its in mapping.reads.items():
        for sender in dict.fromkeys(read.sender for read in its):
            waits[tile].append(sender)
            readers[sender].append(tile)
    ready = [node for node, senders in waits.items() if not senders]
    while ready:
        sender = ready.pop()
        for reader in readers[sender]:
            waits[reader].remove(sender)
            if not waits[reader]:
                ready.append(reader)
    rest = [node for node, senders in waits.items() if senders]
    if rest:
        # Each of the rest waits for another of the rest: going on so, one comes around.
        way = [rest[0]]
        while way.count(way[-1]) == 1:
            way.append(waits[way[-1]][0])
        circle = way[way.index(way[-1]) :]
        refuse(
            name(way[-1]),
            f"its stream waits for itself: {' reads '.join(name(node) for node in circle)}",
            "'convert-spiking-to-token'",
        )
