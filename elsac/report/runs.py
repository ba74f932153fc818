"""Runs as reports show them: a checked JSON report, its program, and one row for each layer."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elsac.runtime.program import Program

MISSING = {
    "timing": "Run with `elsac run --timing pipeline --json FILE` to see this.",
    "energy": "Run with `elsac run --timing pipeline --json FILE` to see this.",
    "elastic": "Run with `elsac run --labels NAME --elastic --json FILE` to see this.",
    "program": "Give the program of this run to `elsac report` as well to see this.",
}
"""What to do for a section that has no data; one line each."""

REST = "of no component"

_LABELS = ("alphabet", "network", "target", "coding")
_TIMING_LABELS = ("model", "pattern", "product")


@dataclass(frozen=True)
class Run:
    """One run of one program."""

    report: Mapping[str, Any]
    """As :func:`elsac.report.schema.checked_report` returns it."""
    program: Program | None
    label: str
    """Short, and different from that of every other run of the report."""

    @property
    def inputs(self) -> int:
        """Samples of the run; counts of the report are sums over them."""
        return int(self.report["inputs"])

    @property
    def timing(self) -> Mapping[str, Any] | None:
        """The key `timing`, if there."""
        return self.report["timing"]  # type: ignore[no-any-return]

    @property
    def energy(self) -> Mapping[str, Any] | None:
        """The key `energy`, if there."""
        return self.report["energy"]  # type: ignore[no-any-return]

    @property
    def elastic(self) -> Mapping[str, Any] | None:
        """The key `elastic`, if there."""
        return self.report["elastic"]  # type: ignore[no-any-return]

    @property
    def clock_hz(self) -> int | None:
        """The clock that cycles were turned to seconds with."""
        return None if self.timing is None else int(self.timing["clock_hz"])

    def per_input(self, key: str) -> float:
        """A total of the run as the mean of an input."""
        return float(self.report["totals"][key]) / self.inputs

    def energy_parts(self) -> dict[str, float]:
        """Energy by component, microjoules.

        What the total has beyond them is shown as leakage, as far as there is any that the
        components do not hold themselves, and as :data:`REST`.
        """
        energy = self.energy
        if energy is None:
            return {}
        parts = dict(energy["components"] or {})
        rest = energy["total_uj"] - sum(parts.values())
        leakage = energy["leakage_uj"]
        if leakage and leakage <= rest * (1 + 1e-6):
            parts["leakage"] = leakage
            rest -= leakage
        if parts and rest > 1e-6 * energy["total_uj"]:
            parts[REST] = rest
        return parts


@dataclass(frozen=True)
class Layer:
    """What is known of a layer; None where the run did not measure it.

    All are means of an input, but for what is said otherwise.
    """

    name: str
    neurons: float
    tiles: int | None
    cores: int | None
    spikes: float
    sops: float
    flits: float
    flit_hops: float
    steps: float
    """Steps until its last spike, the most over all inputs."""
    first_cycle: float | None
    """Of the first timed input, as the next one."""
    last_cycle: float | None
    busy_cycles: float | None
    utilization: float | None
    """0 to 1."""
    energy_uj: float | None
    components: Mapping[str, float]
    """Energy by component, microjoules."""


def runs_of(reports: Sequence[Mapping[str, Any]], programs: Sequence[Program | None]) -> list[Run]:
    """Pair reports with their programs, under labels that say in what the runs differ."""
    labels = [_described(report) for report in reports]
    names = ["" for _ in reports]
    for key in labels[0]:
        if len(set(names)) < len(names) and len({label[key] for label in labels}) > 1:
            names = [
                ", ".join(filter(None, (name, label[key])))
                for name, label in zip(names, labels, strict=True)
            ]
    names = [
        name or label["network"] or label["target"]
        for name, label in zip(names, labels, strict=True)
    ]
    taken = Counter(names)
    return [
        Run(report, program, f"{name} (run {i})" if taken[name] > 1 else name)
        for i, (report, program, name) in enumerate(zip(reports, programs, names, strict=True), 1)
    ]


def layers_of(run: Run) -> list[Layer]:
    """The layers of a run, in the order of the report."""
    timing = _by_name((run.timing or {}).get("layers"))
    energy = _by_name((run.energy or {}).get("layers"))
    tiles, cores = _tiles(run.program)
    found = []
    for row in run.report["layers"]:
        name = row["name"]
        time, cost = timing.get(name, {}), energy.get(name, {})
        first = [c for c in time.get("first", []) if c is not None]
        last = [c for c in time.get("last", []) if c is not None]
        found.append(
            Layer(
                name=name,
                neurons=row["neurons"],
                tiles=tiles.get(name),
                cores=cores.get(name),
                spikes=(row["spikes_positive"] + row["spikes_negative"]) / run.inputs,
                sops=row["sops"] / run.inputs,
                flits=row["packets"] / run.inputs,
                flit_hops=row["flit_hops"] / run.inputs,
                steps=row["steps"],
                first_cycle=min(first, default=None),
                last_cycle=max(last, default=None),
                busy_cycles=time.get("busy"),
                utilization=time.get("utilization"),
                energy_uj=cost.get("total_uj"),
                components=cost.get("components") or {},
            )
        )
    return found


def core_layers(program: Program) -> list[list[str]]:
    """The layers of each core, in the order of its threads, each once."""
    found: list[dict[str, None]] = [{} for _ in range(len(program.cores))]
    for core, layer in zip(
        program.threads["core"].tolist(), program.threads["layer"].tolist(), strict=True
    ):
        found[core][program.layers[layer]] = None
    return [list(names) for names in found]


def _described(report: Mapping[str, Any]) -> dict[str, str]:
    timing = report["timing"] or {}
    return {key: report[key] or "" for key in _LABELS} | {
        key: timing.get(key) or "" for key in _TIMING_LABELS
    }


def _by_name(rows: Sequence[Mapping[str, Any]] | None) -> dict[str, Mapping[str, Any]]:
    return {row["name"]: row for row in rows or []}


def _tiles(program: Program | None) -> tuple[dict[str, int], dict[str, int]]:
    """Threads and cores of each layer."""
    if program is None:
        return {}, {}
    threads: Counter[str] = Counter()
    cores: dict[str, set[int]] = {}
    for thread in program.threads:
        name = program.layers[int(thread["layer"])]
        threads[name] += 1
        cores.setdefault(name, set()).add(int(thread["core"]))
    return dict(threads), {name: len(used) for name, used in cores.items()}
