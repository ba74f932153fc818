"""Made-up runs for tests of reports: a program of which reports read the map, and its JSON.

Figures are drawn at random, but belong together as those of a run do: steps follow each other,
parts sum up to wholes, and a curve has an entry for each step.
"""

from typing import Any

import numpy as np

from elsac.runtime.program import CORE, ROUTE, THREAD, Program
from elsac.targets import load_target

COMPONENTS = (
    "weight memory", "membrane memory", "tracer memory", "input queues", "im2col", "adders",
    "fire units", "flit generator", "routers", "links",
)  # fmt: skip


def made_up(
    names: list[str], steps: int = 12, tiles: int = 2, seed: int = 0, target: str = "elsa-6x6"
) -> tuple[Program, dict[str, Any]]:
    """Return a program with these layers in a chain, each on `tiles` cores, and a full report."""
    chip = load_target(target)
    order = [
        (x if y % 2 == 0 else chip.mesh_width - 1 - x, y)
        for y in range(chip.mesh_height)
        for x in range(chip.mesh_width)
    ]
    count = len(names) * tiles
    cores = np.zeros(min(count, len(order)), CORE)
    cores["x"], cores["y"] = np.array(order[: len(cores)]).T
    threads = np.zeros(count, THREAD)
    threads["layer"] = np.arange(count) // tiles
    threads["core"] = np.sort(np.arange(count) % len(cores))
    threads["rows"], threads["columns"] = 16, 8
    cores["threads"] = np.bincount(threads["core"], minlength=len(cores))
    cores["first_thread"] = np.cumsum(cores["threads"]) - cores["threads"]
    routes, links = [], []
    for number, thread in enumerate(threads):
        threads["first_route"][number] = len(routes)
        readers = threads[threads["layer"] == thread["layer"] + 1]["core"]
        for core in np.unique(readers):
            path = _xy(cores[thread["core"]], cores[core])
            route = np.zeros((), ROUTE)
            route["destination"], route["first_link"] = core, len(links)
            route["links"] = len(path)
            routes.append(route)
            links += [[y * chip.mesh_width + x for x, y in ends] for ends in path]
        threads["routes"][number] = len(routes) - threads["first_route"][number]
    program = Program(
        header={"target": chip.to_dict(), "target_sha256": chip.sha256, "network": "made up"},
        bindings={},
        layers=list(names),
        code=np.zeros(0, np.uint64),
        cores=cores,
        threads=threads,
        routes=np.array(routes, ROUTE) if routes else np.zeros(0, ROUTE),
        links=np.array([[a, b] for a, b in links], np.int32).reshape(-1, 2),
    )
    rng = np.random.default_rng(seed)
    inputs = 40
    layers = [
        {
            "name": name,
            "neurons": 128 * tiles,
            "spikes_positive": int(rng.integers(10, 9000)) * inputs,
            "spikes_negative": int(rng.integers(0, 900)) * inputs,
            "sops": int(rng.integers(1000, 900_000)) * inputs,
            "packets": int(rng.integers(10, 2000)) * inputs,
            "flit_hops": int(rng.integers(10, 5000)) * inputs,
            "steps": steps,
            "spikes_per_step": [1.5] * steps,
        }
        for name in names
    ]
    keys = ("spikes_positive", "spikes_negative", "sops", "packets", "flit_hops")
    report = {
        "report_version": 1,
        "elsac": "0.1.0",
        "network": "made_up.onnx",
        "program_sha256": f"{seed:064x}",
        "target": chip.name,
        "target_sha256": chip.sha256,
        "alphabet": chip.spike_rule,
        "coding": "bitplane",
        "engine": "fast",
        "inputs": inputs,
        "accuracy": 0.975,
        "accuracy_per_step": [],
        "steps": {"mean": steps - 1.5, "max": steps},
        "layers": layers,
        "totals": {key: sum(layer[key] for layer in layers) for key in keys},
    }
    return program, with_figures(program, report, steps, seed)


def with_figures(
    program: Program, report: dict[str, Any], steps: int, seed: int = 0
) -> dict[str, Any]:
    """Return the report with timing, energy and elastic answers made up for its program."""
    rng = np.random.default_rng(seed)
    timing = _timing(program, report, steps, rng)
    energy = _energy(program, report, steps, rng)
    accuracy = (1 - 0.9 * np.exp(-np.arange(steps) / steps * 6)).tolist()
    return report | {
        "timing": timing,
        "energy": energy,
        "elastic": {
            "steps": list(range(1, steps + 1)),
            "accuracy": accuracy,
            "mismatch": [1 - a for a in accuracy],
            "cycles": timing["step_cycles"],
            "energy_uj": energy["per_step_uj"],
            "fcr": {
                name: {"counts": rng.integers(0, 9, steps).tolist(), "never": 1}
                for name in ("first", "for_good")
            },
            "thresholds": [
                {"confidence": c, "steps": s, "cycles": 100 * s, "energy_uj": 0.1 * s,
                 "accuracy": 0.5 + c / 2, "mismatch": 0.5 - c / 2}
                for c, s in ((0.5, 0.4 * steps), (0.9, 0.6 * steps), (0.99, 0.9 * steps))
            ],
            "calibration": None,
        },
    }  # fmt: skip


def _xy(source: Any, target: Any) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The links of the way along x, then along y."""
    x, y, path = int(source["x"]), int(source["y"]), []
    while (x, y) != (target["x"], target["y"]):
        end = (int(target["x"]), int(target["y"]))
        step = (np.sign(end[0] - x), 0) if end[0] != x else (0, np.sign(end[1] - y))
        path.append(((x, y), (x + int(step[0]), y + int(step[1]))))
        x, y = path[-1][1]
    return path


def _timing(
    program: Program, report: dict[str, Any], steps: int, rng: np.random.Generator
) -> dict[str, Any]:
    names = [layer["name"] for layer in report["layers"]]
    depth = {name: i for i, name in enumerate(names)}
    threads = []
    for number, thread in enumerate(program.threads):
        layer = program.layers[int(thread["layer"])]
        starts = depth[layer] * 40 + np.cumsum(rng.integers(90, 150, steps))
        ends = starts + rng.integers(10, 90, steps)
        threads.append(
            {"thread": number, "core": int(thread["core"]), "layer": layer,
             "first": starts.tolist(), "last": ends.tolist(),
             "busy": int((ends - starts).sum() // 2)}
        )  # fmt: skip
    layers = []
    for name in names:
        rows = [t for t in threads if t["layer"] == name]
        layers.append(
            {"name": name, "first": np.min([t["first"] for t in rows], 0).tolist(),
             "last": np.max([t["last"] for t in rows], 0).tolist(),
             "busy": sum(t["busy"] for t in rows), "utilization": float(rng.uniform(0.02, 0.9))}
        )  # fmt: skip
    answers = np.max([layer["last"] for layer in layers], 0)
    end = float(answers[-1])
    busy = rng.uniform(0, end, len(program.cores))
    width = program.header["target"]["mesh_width"]
    links = [
        {"from": [a % width, a // width], "to": [b % width, b // width], "flits": flits,
         "load": flits / end}
        for (a, b), flits in zip(
            np.unique(program.links.reshape(-1, 2), axis=0).tolist(),
            rng.integers(1, 900, len(program.links)).tolist(),
            strict=False,
        )
    ]  # fmt: skip
    return {
        "model": "pipeline",
        "pattern": "spine",
        "product": "gustavson",
        "clock_hz": 200_000_000,
        "inputs": 8,
        "cycles": {"mean": end, "max": end * 1.2},
        "first_response_cycles": float(answers[0]),
        "step_cycles": answers.astype(float).tolist(),
        "layers": layers,
        "threads": threads,
        "cores": [
            {"core": i, "x": int(core["x"]), "y": int(core["y"]), "busy": float(busy[i]),
             "layers": []}
            for i, core in enumerate(program.cores)
        ],
        "links": links,
        "injection_rate": 0.0123,
        "flit_hops": float(sum(link["flits"] for link in links)),
        "stalled_cycles": 12.5,
        "target": report["target"],
        "target_sha256": report["target_sha256"],
    }  # fmt: skip


def _energy(
    program: Program, report: dict[str, Any], steps: int, rng: np.random.Generator
) -> dict[str, Any]:
    layers = []
    for layer in report["layers"]:
        parts = dict(zip(COMPONENTS, rng.uniform(0, 0.2, len(COMPONENTS)).tolist(), strict=True))
        layers.append({"name": layer["name"], "total_uj": sum(parts.values()), "components": parts})
    components = {name: sum(row["components"][name] for row in layers) for name in COMPONENTS}
    leakage = 0.4
    total = sum(components.values()) + leakage
    return {
        "total_uj": total,
        "leakage_uj": leakage,
        "components": components,
        "layers": layers,
        "cores": [{"core": i, "total_uj": 0.01 * (i + 1)} for i in range(len(program.cores))],
        "per_step_uj": (total * np.arange(1, steps + 1) / steps).tolist(),
        "area_mm2": dict.fromkeys(COMPONENTS, 0.25),
        "pj_per_sop": 1.23,
        "tops_per_w": 0.81,
        "gops": 95.2,
        "gsops": 31.7,
        "local_flits": 40.5,
    }
