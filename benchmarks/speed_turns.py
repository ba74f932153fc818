"""Ours and its peers on one network, in turns, each in a process of its own."""

import os
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from speed_network import Unsupported, export
from speed_worker import Missing, Worker, can_import

from elsac.compiler import Options
from elsac.context import CompileError
from elsac.runtime import container
from elsac.runtime.program import Program
from elsac.targets import Target


class Peer(NamedTuple):
    """Another way to the same answer, or to the same amount of dense work."""

    label: str
    script: str
    kind: str
    modules: tuple[str, ...]
    ours: bool
    """Whether it runs in this interpreter, not in that of --peer-python."""
    help: str
    """What to install where modules are missing."""
    exact: bool
    """Whether its integers are compared with ours."""


TORCH = ("torch", "numpy")
PEERS = {
    "torch-loop": Peer(
        "torch fp32, step by step", "speed_torch.py", "loop", TORCH, False, "torch", True
    ),
    "torch-loop8": Peer(
        "torch int8, step by step", "speed_torch.py", "loop8", TORCH, False, "torch", True
    ),
    "torch-folded": Peer(
        "torch fp32, steps folded", "speed_torch.py", "folded", TORCH, False, "torch", True
    ),
    "torch-int8": Peer(
        "torch/oneDNN int8, steps folded", "speed_torch.py", "int8", TORCH, False, "torch", True
    ),
    "torch-int_mm": Peer(
        "torch._int_mm with im2col", "speed_torch.py", "int_mm", TORCH, False, "torch", True
    ),
    "spikingjelly-m": Peer(
        "SpikingJelly, multi-step", "speed_jelly.py", "m", (*TORCH, "spikingjelly"), False,
        "spikingjelly", False,
    ),
    "spikingjelly-s": Peer(
        "SpikingJelly, step by step", "speed_jelly.py", "s", (*TORCH, "spikingjelly"), False,
        "spikingjelly", False,
    ),
    "ort-single": Peer(
        "onnxruntime int8, T passes", "speed_onnx.py", "single", ("onnxruntime", "onnx"), True,
        "onnxruntime", False,
    ),
    "ort-batch": Peer(
        "onnxruntime int8, batch of T", "speed_onnx.py", "batch", ("onnxruntime", "onnx"), True,
        "onnxruntime", False,
    ),
}  # fmt: skip
"""Keys of --peers. None has to be there."""
NEARLY = 0.01
"""How far from ours the answers of a peer may be that computes functions in float32."""


@dataclass
class Case:
    """A network with one image, compiled and quantized; its files are in `folder`."""

    name: str
    onnx: Path
    target: Target
    program: Program
    rows: list[Any]
    image: np.ndarray[Any, Any]
    """(1, *shape), as onnxruntime takes it."""
    folder: Path
    peers_can: str | None = field(default=None, init=False)
    """Why dense peers cannot have the network, if they cannot."""

    def write(self) -> None:
        """The files that runners read."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "program.elsa").write_bytes(container.to_bytes(self.program))
        np.savez(self.folder / "inputs.npz", *self.rows)
        np.savez(self.folder / "image.npz", image=self.image)
        try:
            options, image = Options(), self.image
            export(self.onnx, self.target, options, image, self.folder / "network.npz")
        except (Unsupported, CompileError) as error:
            self.peers_can = str(error)

    def request(self, key: str | None, steps: int, threads: int, engine: str) -> dict[str, Any]:
        """What a runner has to know."""
        known = {
            "do": "open",
            "name": self.name,
            "program": str(self.folder / "program.elsa"),
            "inputs": str(self.folder / "inputs.npz"),
            "image": str(self.folder / "image.npz"),
            "network": str(self.folder / "network.npz"),
            "onnx": str(self.onnx),
            "scratch": str(self.folder),
            "engine": engine,
            "steps": steps,
            "threads": threads,
        }
        return known | ({} if key is None else {"kind": PEERS[key].kind})


def open_peer(
    case: Case, key: str, steps: int, threads: int, python: str | None
) -> tuple[Worker, dict[str, Any]]:
    """Start a peer. Raises :class:`Missing` with what helps."""
    peer = PEERS[key]
    if not peer.ours and python is None:
        raise Missing(f"needs {peer.help}: name an interpreter that has it with --peer-python")
    chosen = sys.executable if peer.ours else python
    assert chosen is not None
    if not can_import(chosen, *peer.modules):
        raise Missing(f"{chosen} has no {' and '.join(peer.modules)}: install {peer.help} there")
    if peer.exact and case.peers_can is not None:
        raise Missing(f"dense peers cannot have {case.peers_can}")
    worker = Worker(chosen, peer.script, threads, case.folder)
    try:
        return worker, worker.ask(**case.request(key, steps, threads, ""))
    except Missing:
        worker.close()
        raise


def in_turns(
    case: Case,
    keys: list[str],
    threads: int,
    repeats: int,
    python: str | None,
    steps: int | None = None,
    engine: str = "fast",
) -> dict[str, Any]:
    """Measure ours and the peers `keys`, one after the other in every round.

    Peers take as many steps as our run, or `steps`. In the result, `ratio` is what a peer took for
    one of ours, the median over rounds.
    """
    case.folder.mkdir(parents=True, exist_ok=True)
    before = os.getloadavg()[0]
    workers: dict[str, Worker] = {}
    result: dict[str, Any] = {"threads": threads, "repeats": repeats, "missing": {}, "peers": {}}
    try:
        workers["ours"] = Worker(sys.executable, "speed_ours.py", threads, case.folder)
        facts = workers["ours"].ask(**case.request(None, 0, threads, engine))["facts"]
        taken = steps or facts["steps"]
        for key in keys:
            try:
                workers[key], opened = open_peer(case, key, taken, threads, python)
                result["peers"][key] = {"steps": taken} | opened["facts"]
            except Missing as missing:
                result["missing"][key] = str(missing)
        for name, worker in workers.items():
            if name != "ours":
                worker.ask(do="run")
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in workers}
        for _ in range(repeats):
            for name, worker in workers.items():
                rounds[name].append(worker.ask(do="run"))
        right = workers["ours"].ask(do="answer")
        result["ours"] = facts | times(rounds["ours"])
        for name, found in result["peers"].items():
            found |= times(rounds[name])
            for clock in ("wall", "cpu"):
                pairs = zip(rounds[name], rounds["ours"], strict=True)
                found[f"ratio_{clock}"] = statistics.median(p[clock] / o[clock] for p, o in pairs)
            if PEERS[name].exact:
                answer = workers[name].ask(do="answer")
                found |= compared(right, answer, found.get("rounds", False))
    finally:
        for worker in workers.values():
            worker.close()
    result["load"] = [before, os.getloadavg()[0]]
    return result


def times(rounds: list[dict[str, float]]) -> dict[str, Any]:
    """Medians, and the least and the most."""
    made: dict[str, Any] = {}
    for clock in ("wall", "cpu"):
        values = [r[clock] for r in rounds]
        made[f"{clock}_s"] = statistics.median(values)
        made[f"{clock}_range_s"] = [min(values), max(values)]
    return made


def compared(
    ours: dict[str, Any], theirs: dict[str, Any], rounds: bool = False
) -> dict[str, bool | int | float]:
    """Whether a peer has our final integers, and our number of spikes in every step.

    One that `rounds`, with softmax and normalization in float32, may decide near ties otherwise:
    it is told as well how many integers differ, and how far integers and spikes are from ours, as
    parts of the sum of ours; it `agrees` if neither is further than `NEARLY`.
    """
    least = len(ours["spikes_per_step"])
    spikes = theirs["spikes_per_step"]
    # Names may differ: peers know that of the quantized tensor, ours that of the ONNX output.
    pairs = list(zip(ours["integers"].values(), theirs["integers"].values(), strict=True))
    result: dict[str, bool | int | float] = {
        "same_integers": all(b == a for a, b in pairs),
        "same_spikes": spikes[:least] == ours["spikes_per_step"] and not any(spikes[least:]),
    }
    agrees = bool(result["same_integers"] and result["same_spikes"])
    if rounds:
        right, found = (np.concatenate([p[i] for p in pairs]).astype(np.int64) for i in (0, 1))
        steps = max(least, len(spikes))
        sent, seen = (np.pad(s, (0, steps - len(s))) for s in (ours["spikes_per_step"], spikes))
        result["integers"] = len(right)
        result["different_integers"] = int(np.count_nonzero(right != found))
        result["integers_off"] = _off(right, found)
        result["spikes_off"] = _off(sent, seen)
        agrees = max(result["integers_off"], result["spikes_off"]) <= NEARLY
    return result | {"agrees": agrees}


def _off(ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> float:
    return float(np.abs(ours - theirs).sum() / max(np.abs(ours).sum(), 1))


def differing(run: dict[str, Any]) -> list[str]:
    """Peers with our weights whose answers are not ours. Either may be wrong; nobody's seconds mean
    anything then.
    """
    return [k for k, p in run["peers"].items() if PEERS[k].exact and not p["agrees"]]
