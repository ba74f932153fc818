"""Small programs on chosen cores, and activities by hand, for tests of the timing models."""

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from elsac.runtime import program as tables
from elsac.runtime.activity import Activity
from elsac.runtime.emulator import Image, load_image
from elsac.runtime.timing.counts import KINDS
from elsac.runtime.timing.result import Timing
from elsac.targets import Target, load_target
from tests.programs import Builder

PLAIN = dataclasses.replace(load_target("elsa-6x6"), link_bits=80)
"""One flit (`tests.programs.FIVE`: 80 bits) crosses a link in a cycle; a hop takes 2 cycles."""

WIDE = dataclasses.replace(
    load_target("elsa-6x6"), mesh_width=256, mesh_height=2, flit_destination_bits=9
)
"""The mesh of `tests.programs`, whose programs name no target."""


class Placed(Builder):
    """Builds programs whose threads get cores and routes afterwards."""

    def _routes(self, rows: int) -> tuple[int, int]:
        return 0, 0

    def layer(self, *args: Any) -> Any:
        """Note where the code of a layer begins; here, a layer has one thread."""
        self.begins = [*getattr(self, "begins", []), len(self.tables.get("code", []))]
        return super().layer(*args)

    def image(
        self,
        target: Target,
        places: Sequence[int],
        cores: Sequence[int],
        paths: Mapping[int, Sequence[int]],
        parts: tuple[int, int] | None = None,
    ) -> Image:
        """Put thread i on core cores[i], in ascending order, and core c on places[c]. `paths`:
        thread -> the places that its stream passes. `parts`: PEs over columns, rows of each.
        """
        program, width = self.program(), target.mesh_width
        program.header["target"] = target.to_dict()
        program.threads["core"] = cores
        if parts:
            program.threads["pe_columns"][1:], program.threads["pe_rows"][1:] = parts
        ends = [*self.begins, len(program.code)]
        rows = []
        for core, place in enumerate(places):
            mine = [t for t, c in enumerate(cores) if c == core]
            first, words = ends[mine[0]], ends[mine[-1] + 1] - ends[mine[0]]
            rows.append((place % width, place // width, mine[0], len(mine), first, words))
        program.cores = np.array(rows, tables.CORE)
        routes, links = list[tuple[int, ...]](), list[tuple[int, int]]()
        for thread, path in paths.items():
            program.threads["first_route"][thread] = len(routes)
            program.threads["routes"][thread] = 1
            count = int(program.threads["rows"][thread])
            destination = list(places).index(path[-1])
            routes.append((destination, len(links), len(path) - 1, 0, 1, 0, 0, count, 1))
            links += pairwise(path)
        program.routes = np.array(routes, tables.ROUTE)
        program.links = np.array(links, np.int32).reshape(-1, 2)
        return load_image(program)


def activity(image: Image, spikes: Any) -> Activity:
    """An activity of these spikes [steps, rows], in flits of the program's format."""
    sent = np.asarray(spikes, np.int32)
    columns = np.repeat(image.program.threads["columns"], np.diff(image.counter_offset))
    flits = [
        [image.packets.flits(int(c), range(n), [1] * n) for c, n in zip(columns, row, strict=True)]
        for row in sent.tolist()
    ]
    none = np.zeros((len(sent), len(image.program.threads)), np.int64)
    packed = np.array(flits, np.int32).reshape(sent.shape)
    return Activity(image.counter_offset, sent, packed, none, none, none)


def counted(timing: Timing, thread: int) -> dict[str, int]:
    """The counts of a thread by name."""
    return dict(zip(KINDS, timing.counts[thread].tolist(), strict=True))
