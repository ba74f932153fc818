"""No packets can wait for each other for ever.

A flit that holds a virtual channel of one link and wants that of the next makes the first wait for
the second. Wormhole routing is free of deadlock if these dependencies have no cycle (Dally and
Seitz, IEEE Transactions on Computers, 1987, theorem 1). They have none if there is an order of all
channels in which every packet takes them ascending, for a cycle would have to descend somewhere.
The claim "routing" brings such an order, so that no cycle has to be looked for.

In a multicast tree a channel waits for each of those that follow it, and not for those beside it: a
flit goes on in each branch by itself, from a buffer of that branch.
"""

from collections.abc import Iterator
from itertools import pairwise

from xdsl.dialects.builtin import DenseArrayBase

from elsac.dialects import token
from elsac.passes.verify_mapping.model import Mapping, name, refuse

AGAIN = "'route-streams'"

Channel = tuple[int, int, int, int, int]
"""A virtual channel of a link: (x, y) it leaves, (u, v) it reaches, number."""


def check_deadlock(mapping: Mapping) -> None:
    """Check that along every route the channels ascend in the order that was claimed."""
    claims = [o for o in mapping.module.body.ops if isinstance(o, token.ClaimOp)]
    orders = [c.figures.data.get("order") for c in claims if c.subject.data == "routing"]
    if not orders and not any(node.routes for node in mapping.nodes):
        return
    if len(orders) != 1:
        refuse("claim 'routing'", f"there are {len(orders)} of them, routes need one", AGAIN)
    rank = ranks(orders[0])
    for node in mapping.nodes:
        for route in node.routes or ():
            channels = [(*a, *b, route.channel.data) for a, b in route.links]
            for channel in channels:
                if channel not in rank:
                    refuse(name(node), f"it uses {told(channel)}, which is not in the order", AGAIN)
            for held, wanted in pairwise(channels):
                if rank[held] >= rank[wanted]:
                    refuse(
                        name(node),
                        f"its packets hold {told(held)} (number {rank[held]} of the order) while "
                        f"they wait for {told(wanted)} (number {rank[wanted]}), and could do so "
                        "for ever",
                        AGAIN,
                    )


def ranks(order: object) -> dict[Channel, int]:
    """The position of each channel in the order."""
    if not isinstance(order, DenseArrayBase) or len(order) % 5:
        refuse("claim 'routing'", "its order is no list of x, y, u, v, channel", AGAIN)
    rank: dict[Channel, int] = {}
    for number, channel in enumerate(fives(token.ints(order))):
        if rank.setdefault(channel, number) != number:
            refuse("claim 'routing'", f"{told(channel)} is in its order twice", AGAIN)
    return rank


def fives(numbers: tuple[int, ...]) -> Iterator[Channel]:
    """Numbers, five at a time."""
    return zip(*[iter(numbers)] * 5, strict=True)


def told(channel: Channel) -> str:
    """A channel in words."""
    x, y, u, v, number = channel
    return f"channel {number} of link ({x}, {y}) to ({u}, {v})"
