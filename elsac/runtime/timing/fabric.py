"""The mesh of a program: routing tables, and where its cores are."""

from dataclasses import dataclass

import numpy as np

from elsac.runtime.emulator.image import Image
from elsac.runtime.timing.mesh import Mesh, build
from elsac.runtime.timing.mesh_routes import PORTS, ProgramTrees, neighbour, trees_of_program
from elsac.runtime.timing.mesh_state import STALLED
from elsac.runtime.timing.net import Ints, TimedNet
from elsac.targets import Target


@dataclass(frozen=True, eq=False)
class Fabric:
    """What `network.py` wants to know of a program and a target."""

    target: Target
    tables: ProgramTrees
    tree_of_row: Ints
    closing_tree: Ints
    lane: Ints
    """[trees]: virtual channel."""
    places: Ints
    """[cores]."""
    channel_at: Ints
    """[threads, places]: the channel of a thread's stream there, or -1."""
    flit_bits: int
    ejection: int
    """Room for flits that wait in a core."""
    buffer: int
    """More of it, in the receive buffer."""

    @classmethod
    def of(cls, image: Image, target: Target, net: TimedNet) -> "Fabric":
        """Return the fabric of a program."""
        program, width = image.program, target.mesh_width
        tables = trees_of_program(program, width, to_own_core=False)
        places = (program.cores["y"] * width + program.cores["x"]).astype(np.int64)
        channel_at = np.full((len(program.threads), width * target.mesh_height), -1, np.int64)
        for thread in range(len(program.threads)):
            for channel in range(net.channels_at[thread], net.channels_at[thread + 1]):
                channel_at[thread, places[net.channel_core[channel]]] = channel
        return cls(
            target=target,
            tables=tables,
            tree_of_row=tables.of_row.astype(np.int64),
            closing_tree=tables.closing.astype(np.int64),
            lane=tables.channels.astype(np.int64),
            places=places,
            channel_at=channel_at,
            flit_bits=image.packets.flit_bits,
            ejection=max(1, 8 * target.ejection_fifo_bytes_per_core // image.packets.flit_bits),
            buffer=8 * target.receive_buffer_bytes_per_core // image.packets.flit_bits,
        )

    def mesh(self, largest: int) -> Mesh:
        """Return an empty mesh whose injection queues have room for a packet of `largest` flits.

        Its cycles are parts of a cycle of the chip, in which one flit crosses a link.
        """
        target = self.target
        width, height = target.mesh_width, target.mesh_height
        factors = np.ones((width * height, PORTS), np.int64)
        for place in range(width * height):
            for port in range(PORTS - 1):
                other = neighbour(place, port, width, height)
                if other >= 0 and self._chip(place) != self._chip(other):
                    factors[place, port] = target.chip_link_hops
        return build(
            width,
            height,
            target.virtual_channels,
            target.vc_fifo_flits,
            injection_flits=max(target.injection_fifo_flits, largest),
            ejection_flits=target.vc_fifo_flits,
            link_cycles=-(-self.flit_bits // target.link_bits),
            router_cycles=max(1, target.router_cycles * self.parts),
            trees=self.tables.trees,
            link_factors=factors.ravel(),
        )

    def _chip(self, place: int) -> tuple[int, int]:
        x, y = place % self.target.mesh_width, place // self.target.mesh_width
        return x // self.target.chip_width, y // self.target.chip_height

    @property
    def parts(self) -> int:
        """Cycles of the mesh in a cycle of the chip: flits that cross a link in one."""
        return max(1, self.target.link_bits // self.flit_bits)

    def stalled(self, mesh: Mesh) -> float:
        """Return the cycles of the chip that flits waited, over all links."""
        return int(mesh.links[:, STALLED].sum()) / self.parts
