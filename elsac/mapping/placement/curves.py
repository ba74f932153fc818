"""Walks through a mesh: places in an order in which successors are near each other.

Cores in execution order along such a walk have most of their traffic between neighbours, so that a
walk is a placement, and a start for better ones.
"""

from elsac.mapping.graph import Mesh, Place


def snake(mesh: Mesh) -> list[Place]:
    """All places row by row, every other row backwards."""
    rows = (
        [(x, y) for x in (range(mesh.width) if y % 2 == 0 else reversed(range(mesh.width)))]
        for y in range(mesh.height)
    )
    return [place for row in rows for place in row]


def hilbert(mesh: Mesh) -> list[Place]:
    """All places chip by chip, the chips in the order of a snake; on each chip in the order of the
    Hilbert curve through the smallest square of 2^k that holds it, what is outside left out. All
    successors on a chip are neighbours if its side is 2^k.
    """
    wide, high = min(mesh.width, mesh.chip_width), min(mesh.height, mesh.chip_height)
    chips = Mesh(-(-mesh.width // wide), -(-mesh.height // high))
    side = 1 << (max(wide, high) - 1).bit_length()
    walk = [_along_hilbert(side, step) for step in range(side * side)]
    places = [
        (column * wide + x, row * high + y)
        for column, row in snake(chips)
        for x, y in walk
        if x < wide and y < high
    ]
    return [(x, y) for x, y in places if x < mesh.width and y < mesh.height]


def _along_hilbert(side: int, step: int) -> Place:
    """The place that the curve from (0, 0) to (side - 1, 0) visits at a step.

    From the finest quarter to the coarsest: turn what there is of the walk as the quarter asks, and
    move it there.
    """
    x = y = 0
    size = 1
    while size < side:
        right, down = step >> 1 & 1, (step ^ step >> 1) & 1
        if not down:
            if right:
                x, y = size - 1 - x, size - 1 - y
            x, y = y, x
        x, y = x + size * right, y + size * down
        step >>= 2
        size *= 2
    return x, y
