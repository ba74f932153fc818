"""What a module says of its mapping: its layers and their tiles, and who reads whom.

Columns, lines and spines are those of the whole layer, unless a name says otherwise.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, NoReturn

from xdsl.dialects.builtin import ModuleOp

from elsac.context import Blobs, CompileError
from elsac.dialects import token
from elsac.passes.verify_mapping.needs import Area, Points, Range, area, need
from elsac.targets import Target

Node = token.ActorOp | token.SourceOp


def refuse(where: str, lie: str, again: str) -> NoReturn:
    """Say where the mapping is wrong, what was claimed and found, and which pass to run again."""
    raise CompileError(f"verify-mapping: {where}: {lie}; run the pass {again} again")


def name(node: Node) -> str:
    """The layer of a node, and which tile of it, if it is not all."""
    part = ""
    if isinstance(node, token.ActorOp) and node.columns != (0, node.total.value.data):
        part += " columns {} to {}".format(*node.columns)
    if node.first_line is not None and node.last_line is not None:
        part += f" lines {node.first_line.value.data} to {node.last_line.value.data}"
    layer = node.layer if isinstance(node, token.ActorOp) else node.tensor_name
    return f"node '{layer.data}'{part}"


class Read(NamedTuple):
    """A stream that a tile reads: who sends it, and the step that serves it.

    Reads of one `kind` are those of all tiles of one layer by the same step, origins aside.
    """

    sender: Node
    step: token.Step
    kind: int


@dataclass(frozen=True)
class Mapping:
    """A module with its blobs, and the target that it was mapped to."""

    module: ModuleOp
    blobs: Blobs
    target: Target

    @cached_property
    def nodes(self) -> list[Node]:
        """All actors and sources, in program order."""
        return [o for o in self.module.body.ops if isinstance(o, token.ActorOp | token.SourceOp)]

    @cached_property
    def layers(self) -> dict[str, list[token.ActorOp]]:
        """The tiles of each layer."""
        found: dict[str, list[token.ActorOp]] = {}
        for actor in self.nodes:
            if isinstance(actor, token.ActorOp):
                found.setdefault(actor.layer.data, []).append(actor)
        return found

    @cached_property
    def inputs(self) -> dict[str, list[token.SourceOp]]:
        """The tiles of each input of the network."""
        found: dict[str, list[token.SourceOp]] = {}
        for source in self.nodes:
            if isinstance(source, token.SourceOp):
                found.setdefault(source.tensor_name.data, []).append(source)
        return found

    def siblings(self, node: Node) -> list[Node]:
        """All tiles of a node's layer or input, itself included."""
        if isinstance(node, token.SourceOp):
            return [*self.inputs[node.tensor_name.data]]
        return [*self.layers[node.layer.data]]

    @cached_property
    def reads(self) -> dict[token.ActorOp, list[Read]]:
        """What each tile reads, in the order of its body."""
        kinds: dict[Hashable, int] = {}
        return {
            actor: reads(actor, kinds) for actor in self.nodes if isinstance(actor, token.ActorOp)
        }

    @cached_property
    def _needs(self) -> dict[tuple[token.ActorOp, int], Area | Points]:
        return {}

    def need(self, tile: token.ActorOp, read: Read) -> Area | Points:
        """What a tile needs of a layer that a tile of its own layer reads."""
        key = tile, read.kind
        if key not in self._needs:
            self._needs[key] = need(tile, read.step, self.blobs)
        return self._needs[key]

    @cached_property
    def readers(self) -> dict[Node, dict[int, Range]]:
        """Of each stream the other cores that read it, ascending, each with the spines from the
        first to the last that it needs, counted in the stream. All nodes must have cores.
        """
        found: dict[Node, dict[int, Range]] = {node: {} for node in self.nodes}
        for actor, its in self.reads.items():
            for read in its:
                tile, core = area(read.sender), core_of(actor)
                part = self.need(actor, read).spines_in(tile)
                if part is None or core == core_of(read.sender):
                    continue
                first, stop = (spine - tile.spines[0] for spine in part)
                known = found[read.sender].get(core, (first, stop))
                found[read.sender][core] = min(known[0], first), max(known[1], stop)
        return {node: dict(sorted(cores.items())) for node, cores in found.items()}


def reads(actor: token.ActorOp, kinds: dict[Hashable, int]) -> list[Read]:
    """The streams of a tile with their steps; new kinds get numbers."""
    found = []
    for value, step in zip(actor.inputs, list(actor.body.block.ops)[:-1], strict=True):
        sender = value.owner
        if not isinstance(sender, Node) or not isinstance(step, token.Step):
            refuse(name(actor), "it reads what no layer and no input sends", "'partition'")
        layer = sender.layer if isinstance(sender, token.ActorOp) else sender.tensor_name
        rest = sorted((k, v) for k, v in step.properties.items() if k not in ("base", "spine"))
        number = kinds.setdefault((type(sender), layer, type(step), tuple(rest)), len(kinds))
        found.append(Read(sender, step, number))
    return found


def core_of(node: Node) -> int:
    """The core of a node, which it must have."""
    if node.core is None:
        refuse(name(node), "it has no core", "'partition' (or 'assign-cores')")
    return int(node.core.value.data)


def place_of(node: Node) -> token.Place:
    """The place of a node, which it must have."""
    place = token.place(node)
    if place is None:
        refuse(name(node), "it has no place", "'place-cores'")
    return place
