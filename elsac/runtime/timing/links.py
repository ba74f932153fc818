"""Flits on every link of the mesh, from what was sent and the routes; the same for every model."""

from itertools import pairwise

import numpy as np

from elsac.runtime.activity import Activity
from elsac.runtime.emulator.image import Image
from elsac.runtime.timing.net import Ints


class Links:
    """Which rows of a program cross which links."""

    def __init__(self, image: Image) -> None:
        program = image.program
        self.pairs: list[tuple[int, int]] = []
        numbers: dict[tuple[int, int], int] = {}
        group_of_row = np.zeros(int(image.counter_offset[-1]), np.int64)
        self.crossed: list[list[int]] = [[]]  # by group of rows: links
        self.closing = np.zeros(len(program.threads), np.int64)  # group of the closing flits
        for thread, entry in enumerate(program.threads):
            first, base = int(entry["first_route"]), int(image.counter_offset[thread])
            routes = program.routes[first : first + int(entry["routes"])]
            if not len(routes):
                continue
            trees = image.trees.of_row[base : base + int(entry["rows"])]
            rows = int(entry["rows"])
            bounds = sorted({0, rows, *routes["first_spine"].tolist()} | set(routes["stop_spine"]))
            for start, stop in pairwise(int(bound) for bound in bounds):
                inside = (routes["first_spine"] <= start) & (stop <= routes["stop_spine"])
                for tree in np.unique(trees[start:stop]).tolist():
                    part = np.flatnonzero(trees[start:stop] == tree) + base + start
                    group_of_row[part] = self._group(image, routes, inside, tree, numbers)
            whole = np.ones(len(routes), bool)
            self.closing[thread] = self._group(image, routes, whole, 0, numbers)
        self.group_of_row = group_of_row
        self.pairs = list(numbers)

    def _group(
        self,
        image: Image,
        routes: np.ndarray,
        inside: np.ndarray,
        tree: int,
        numbers: dict[tuple[int, int], int],
    ) -> int:
        links: set[tuple[int, int]] = set()
        for route in routes[inside & (routes["tree"] == tree)]:
            at = int(route["first_link"])
            links |= {tuple(p) for p in image.program.links[at : at + int(route["links"])].tolist()}
        self.crossed.append([numbers.setdefault(link, len(numbers)) for link in sorted(links)])
        return len(self.crossed) - 1

    def flits(self, activity: Activity, steps: int | None = None) -> Ints:
        """Return [links, 3]: from place, to place, flits of the first `steps` steps, or of all.

        Flits that close a step are put on the sender's first tree.
        """
        groups = len(self.crossed)
        sent = np.bincount(self.group_of_row, activity.flits[:steps].sum(axis=0), groups)
        sent += np.bincount(self.closing, activity.closing[:steps].sum(axis=0), groups)
        total = np.zeros(len(self.pairs), np.int64)
        for group, links in enumerate(self.crossed):
            total[links] += int(sent[group])
        return np.column_stack([np.array(self.pairs, np.int64).reshape(-1, 2), total])
