"""What the mapping benchmarks have in common: how they say where they ran, and write results."""

import json
import os
import tempfile
import time
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

from elsac.mapping.graph import Mesh, Net
from elsac.mapping.placement import place


def machine() -> dict[str, object]:
    """How busy this machine is, which times depend on."""
    return {"load": round(os.getloadavg()[0], 2), "processors": os.cpu_count()}


def warm_up() -> float:
    """Compile or load what placement uses, and return how many seconds that took."""
    start = time.perf_counter()
    # Five cores that all talk to each other: the bound of effort 0 is not met, so that it searches.
    everybody = [Net(a, (b,), 1) for a, b in combinations(range(5), 2)]
    for effort in (0, 2):
        place(everybody, 5, Mesh(3, 2), basis="unicast", effort=effort)
    return time.perf_counter() - start


def write_json(path: Path, figures: Mapping[str, object]) -> None:
    """Write figures into a file; see `write`."""
    write(path, json.dumps(figures, indent=2) + "\n")


def write(path: Path, text: str) -> None:
    """Write a file at once or not at all: to one beside it, which then takes its name.

    Raises OSError.
    """
    path.parent.stat()  # so that an error names the folder, and not the file beside
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.name}.", encoding="utf-8", delete=False
    ) as file:
        try:
            file.write(text)
            file.close()
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def percent(part: float) -> str:
    """A fraction for people."""
    return f"{100 * part:.2f} %"
