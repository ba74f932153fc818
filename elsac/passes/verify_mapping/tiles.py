"""The tiles of a layer are the layer: they cover it once, agree in all else, and read all that they
follow.
"""

from collections import Counter

import numpy as np

from elsac.dialects import token
from elsac.passes.verify_mapping.model import Mapping, Node, Read, name, refuse
from elsac.passes.verify_mapping.needs import Area, area, lines_of, maps, products

AGAIN = "'partition' (or 'tile-columns')"
INPUTS = "'tile-sources'"


def check_tiles(mapping: Mapping) -> None:
    """Check every layer, what tiles read of each other, and what the host reads of them."""
    for tiles in mapping.layers.values():
        for tile in tiles:
            check_alike(tile, tiles[0])
            check_lines(tile)
        check_cover(tiles)
    for sources in mapping.inputs.values():
        check_input(sources)
    for tile, its in mapping.reads.items():
        for read in its:
            check_origin(mapping, tile, read)
    for tiles in mapping.layers.values():
        check_complete(mapping, tiles)
    check_host(mapping)


def check_alike(tile: token.ActorOp, first: token.ActorOp) -> None:
    """The tiles of one layer say the same of the layer."""
    for (what, here), there in zip(of_layer(tile).items(), of_layer(first).values(), strict=True):
        if here != there:
            refuse(
                name(tile), f"its {what} differ from those of {name(first)}: {here}, {there}", AGAIN
            )


def of_layer(tile: token.ActorOp) -> dict[str, object]:
    """What a tile says of its layer."""
    stream, end = token.stream(tile.output), tile.body.block.last_op
    assert end is not None
    return {
        "columns in all": tile.total.value.data,
        "lines in all": lines_of(tile)[2],
        "spines in all": tile.layer_rows,
        "bounds": (stream.lo.data, stream.hi.data),
        "parts for PEs": None if tile.pes is None else token.ints(tile.pes),
        "rates": token.rates(tile.rates),
        "ways to fire": str(end),
    }


def check_lines(tile: token.ActorOp) -> None:
    """A tile sends the lines that it names, of the map that its windows lead to; and a pool looks
    at what it traced.
    """
    first, stop, lines = lines_of(tile)
    rows = token.stream(tile.output).spines.data
    for map in maps(tile):
        height, width = map.sizes[1]
        if height != lines or rows != (stop - first) * width:
            refuse(
                name(tile),
                f"it sends {rows} spines for {stop - first} of {lines} lines, its windows lead to "
                f"{height} lines of {width}",
                AGAIN,
            )
    for product in products(tile):
        if product.out_shape != (tile.layer_rows, tile.total.value.data):
            refuse(
                name(tile),
                "its product gives {} spines of {} columns".format(*product.out_shape)
                + f", its layer has {tile.layer_rows} of {tile.total.value.data}",
                AGAIN,
            )
    if isinstance(tile.body.block.last_op, token.RowFunction):
        if tile.columns != (0, tile.total.value.data):
            refuse(name(tile), "it has a part of the columns, its rows fire as a whole", AGAIN)
    if isinstance(tile.body.block.last_op, token.MaximumOp) and len(set(maps(tile))) > 1:
        refuse(name(tile), "it takes the maximum over other windows than it traces", AGAIN)


def check_cover(tiles: list[token.ActorOp]) -> None:
    """Each column of each line is held by one tile."""
    held = np.zeros((lines_of(tiles[0])[2], tiles[0].total.value.data), np.int32)
    for tile in tiles:
        first, stop, _ = lines_of(tile)
        held[first:stop, slice(*tile.columns)] += 1
    if (held != 1).any():
        line, column = np.argwhere(held != 1)[0]
        refuse(
            f"node '{tiles[0].layer.data}'",
            f"column {column} of line {line} is held by {held[line, column]} tiles, not by one",
            AGAIN,
        )


def check_input(sources: list[token.SourceOp]) -> None:
    """The tiles of an input say the same of it, and each of its spines is sent by one of them."""
    for source in sources:
        for what, here in of_input(source).items():
            there = of_input(sources[0])[what]
            if here != there:
                refuse(
                    name(source),
                    f"its {what} differ from those of {name(sources[0])}: {here}, {there}",
                    INPUTS,
                )
    held = np.zeros(sources[0].layer_rows, np.int32)
    for source in sources:
        held[slice(*area(source).spines)] += 1
    if (held != 1).any():
        spine = int(np.argmax(held != 1))
        refuse(
            f"node '{sources[0].tensor_name.data}'",
            f"spine {spine} is sent by {held[spine]} tiles, not by one",
            INPUTS,
        )


def of_input(source: token.SourceOp) -> dict[str, object]:
    """What a tile says of its input."""
    stream = token.stream(source.output)
    quantizer = source.shape, source.scale, source.zero, source.element_type
    return {
        "shape and quantizer": " ".join(map(str, quantizer)),
        "coding and order": f"{source.coding} {source.order}",
        "spines in all": source.layer_rows,
        "columns": stream.columns.data,
        "bounds": (stream.lo.data, stream.hi.data),
        "rates": token.rates(source.rates),
    }


def check_origin(mapping: Mapping, tile: token.ActorOp, read: Read) -> None:
    """A step knows which part of which layer its stream is, and has the blobs for both layers."""
    sender, step, _ = read
    its, said = area(sender), (step.base.value.data, step.spine.value.data)
    if said != (its.columns[0], its.spines[0]):
        refuse(
            name(tile),
            f"it takes the stream of {name(sender)} for one from column {said[0]} and spine "
            f"{said[1]} on, which is from column {its.columns[0]} and spine {its.spines[0]} on",
            AGAIN,
        )
    layer = sender.layer_rows, its.columns[1]
    if isinstance(sender, token.ActorOp):
        layer = sender.layer_rows, sender.total.value.data
    expected = sizes(mapping, tile, step)
    for what, found, size in zip(("spines", "columns"), layer, expected, strict=True):
        if size not in (None, found):
            refuse(
                name(tile),
                f"it follows {size} {what} of the layer of {name(sender)}, which has {found}",
                AGAIN,
            )
    if not isinstance(step, token.ScatterOp | token.FactorOp):
        width = step.map.sizes[0][1]
        if any(spine % width for spine in its.spines):
            refuse(
                name(tile),
                f"spines {its.spines[0]} to {its.spines[1]} of {name(sender)} are no whole lines "
                f"of its map, whose lines have {width}",
                AGAIN,
            )


def sizes(mapping: Mapping, tile: token.ActorOp, step: token.Step) -> tuple[int | None, int]:
    """Spines (where the step says) and columns of the layer that a step speaks of."""
    total = tile.total.value.data
    if isinstance(step, token.ScatterOp):
        shape = mapping.blobs.type(step.index).get_shape()
        if tuple(shape) != (tile.layer_rows, total):
            refuse(
                name(tile),
                f"its index map is of shape {list(shape)}, its layer has {tile.layer_rows} spines "
                f"of {total} columns",
                AGAIN,
            )
        return None, step.channels.value.data
    if isinstance(step, token.FactorOp):
        return step.product.shape(step.side.data)
    height, width = step.map.sizes[0]
    if not isinstance(step, token.AccumulateOp):
        return height * width, total
    outputs, inputs = mapping.blobs.type(step.weight).get_shape()[:2]
    groups = step.groups.value.data
    if outputs != total:
        refuse(name(tile), f"its weights are for {outputs} columns, its layer has {total}", AGAIN)
    if groups > 1 and any(column % (outputs // groups) for column in tile.columns):
        refuse(name(tile), f"it cuts groups of {outputs // groups} columns apart", AGAIN)
    return height * width, inputs * groups


def check_complete(mapping: Mapping, tiles: list[token.ActorOp]) -> None:
    """Every tile reads all streams that its rows and columns follow, equally often.

    The tiles of the layer that is read cover it once (`check_cover`), so what a tile needs of it
    arrives once if each of them that has a part of it is read once. A layer that is added to itself
    is read twice, by all tiles.
    """
    kinds: dict[int, Read] = {}
    counts: dict[token.ActorOp, Counter[tuple[int, Node]]] = {}
    for tile in tiles:
        kinds |= {read.kind: read for read in mapping.reads[tile]}
        counts[tile] = Counter((read.kind, read.sender) for read in mapping.reads[tile])
    for kind, example in kinds.items():
        needed = [
            (tile, sender, counts[tile][kind, sender])
            for tile in tiles
            for sender in mapping.siblings(example.sender)
            if mapping.need(tile, example).spines_in(area(sender)) is not None
        ]
        usual = Counter(times for *_, times in needed if times).most_common(1)
        expected = usual[0][0] if usual else 1
        for tile, sender, times in needed:
            if times != expected:
                refuse(
                    name(tile),
                    f"its rows follow {told(area(sender))} of {name(sender)}, a stream that it "
                    f"reads {times} times, not {expected}",
                    AGAIN,
                )


def told(part: Area) -> str:
    """An area in words."""
    return "spines {} to {}, columns {} to {}".format(*part.spines, *part.columns)


def check_host(mapping: Mapping) -> None:
    """What the host reads of a layer, it reads of every tile once."""
    for op in mapping.module.body.ops:
        if not isinstance(op, token.ProbeOp | token.ReadoutOp):
            continue
        found = [value.owner for value in op.inputs]
        first = found[0] if found else None
        whole = mapping.siblings(first) if isinstance(first, Node) else []
        if len(found) != len(whole) or set(found) != set(whole):
            kind = "probe" if isinstance(op, token.ProbeOp) else "readout"
            refuse(
                f"{kind} '{op.tensor_name.data}'",
                f"it reads {len(found)} streams, its layer has {len(whole)} tiles and each is to "
                "be read once",
                AGAIN,
            )
