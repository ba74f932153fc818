"""The traffic of a module: which spines of each stream go to which cores, and how many flits.

A core gets the spines from the first to the last that any of its actors needs. Between two places
where that changes, all spines of a stream go to the same cores: such a run of spines is one net.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from xdsl.dialects.builtin import ModuleOp

from elsac.context import Blobs, CompileError
from elsac.dialects import token
from elsac.mapping.graph import Net, nets
from elsac.passes.bands import Range, reading
from elsac.passes.load import Load, Node


@dataclass(frozen=True)
class Stream:
    """A stream and the other cores that read it, ascending, each with its range of spines."""

    node: Node
    core: int
    readers: dict[int, Range]

    @property
    def spines(self) -> int:
        """Spines of the stream."""
        return token.stream(self.node.output).spines.data

    def runs(self) -> Iterator[tuple[Range, tuple[int, ...]]]:
        """(range, cores) of each run of spines that go to the same cores."""
        cuts = sorted({0, self.spines, *(c for reach in self.readers.values() for c in reach)})
        for first, stop in pairwise(cuts):
            cores = [c for c, (a, b) in self.readers.items() if a <= first and stop <= b]
            yield (first, stop), tuple(cores)


def streams(module: ModuleOp, blobs: Blobs) -> list[Stream]:
    """All streams of a module whose nodes have cores, in program order."""
    found = []
    for op in module.body.ops:
        if not isinstance(op, token.ActorOp | token.SourceOp):
            continue
        readers: dict[int, Range] = {}
        for use in op.output.uses:
            reader = use.operation
            if not isinstance(reader, token.ActorOp):
                continue
            step = list(reader.body.block.ops)[use.index]
            assert isinstance(step, token.Step)
            part = reading(reader, step, token.stream(op.output), blobs)
            core = core_of(reader)
            if part.empty or core == core_of(op):
                continue
            first, stop = readers.get(core, (part.first, part.stop))
            readers[core] = min(first, part.first), max(stop, part.stop)
        found.append(Stream(op, core_of(op), dict(sorted(readers.items()))))
    return found


def core_of(node: Node) -> int:
    """The core of a node; a refusal if it has none."""
    if node.core is None:
        raise CompileError("a layer has no core: run the pass 'assign-cores' or 'partition' before")
    return int(node.core.value.data)


def traffic(found: list[Stream], load: Load) -> list[Net]:
    """The nets between cores, with their expected flits.

    Rounded so that the runs of a stream add up: the flits before the end of a run less those before
    its start.
    """
    flows = []
    for stream in found:
        flits, spines = load.flits(stream.node), stream.spines
        for (first, stop), cores in stream.runs():
            flows.append((stream.core, cores, flits * stop // spines - flits * first // spines))
    return nets(flows)
