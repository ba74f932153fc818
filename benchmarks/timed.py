"""Shared by benchmarks of time and energy: networks of the zoo compiled once for each choice, one
image run, and its activity timed in as many ways as wanted.
"""

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from elsac.compiler import Options, compile_onnx, portable
from elsac.runtime import container
from elsac.runtime.activity import Activity
from elsac.runtime.bindings import Host
from elsac.runtime.emulator import Image, load_image, run_sample
from elsac.runtime.energy import Energy, energy, program_shapes
from elsac.runtime.program import Program
from elsac.runtime.timing.counts import KINDS
from elsac.runtime.timing.memory import Costs
from elsac.runtime.timing.models import Model, Pattern, Product, Timer
from elsac.runtime.timing.result import Timing
from elsac.targets import Target, load_target

ROOT = Path(__file__).parent.parent
MICRO = 1e6
"""pJ in a microjoule."""


class Published(NamedTuple):
    """What the paper's published simulator says of a network (snapshot e06c382, files
    ELSA_Simluator/tracer_files/convolution/*/calculateInfoConv_*.pth), energy repaired as
    `artifact.py` does. Its networks end before pooling and classifier, which it does not simulate.
    """

    first: int
    """Cycle at which the last layer has the answer of the first step."""
    last: int
    energy_uj: float
    sops: int
    spikes: int
    """That layers receive; those of a layer with two readers count twice."""
    flits: int


ARTIFACT = {
    "resnet18": Published(141_272, 378_032, 108.1, 1_612_488_256, 2_613_745, 298_357),
    "resnet34": Published(193_203, 518_624, 272.6, 4_502_425_408, 4_853_816, 493_423),
    "resnet50": Published(134_564, 395_335, 316.1, 5_018_097_472, 15_634_879, 1_134_861),
}
SOURCE = "published artifact, snapshot e06c382"
NETWORKS = [f"{name}{end}" for name in ARTIFACT for end in ("", "-joined")]

ARTIFACT_COMPONENTS = {
    "resnet18": {
        "adders": 34.44,
        "fire": 6.18,
        "weights": 26.25,
        "membranes": 12.86,
        "tracers": 1.30,
        "queues": 12.86,
        "im2col": 0.37,
        "order": 0.08,
        "arbiter": 0.80,
        "flit_generator": 2.32,
        "switch": 0.04,
        "links": 3.19,
    },
    "resnet34": {
        "adders": 94.93,
        "fire": 12.87,
        "weights": 73.18,
        "membranes": 32.64,
        "tracers": 2.85,
        "queues": 28.53,
        "im2col": 0.69,
        "order": 0.13,
        "arbiter": 1.38,
        "flit_generator": 4.79,
        "switch": 0.09,
        "links": 6.34,
    },
    "resnet50": {
        "adders": 109.23,
        "fire": 13.24,
        "weights": 81.11,
        "membranes": 43.12,
        "tracers": 5.31,
        "queues": 24.41,
        "im2col": 2.17,
        "order": 0.11,
        "arbiter": 1.14,
        "flit_generator": 4.77,
        "switch": 0.10,
        "links": 10.64,
    },
}
"""Microjoules of whole networks as shipped, with the errors that `docs/metrics.md` names: those of
`links` are halved, and of flits that stay on their core in part."""


def artifact_of(network: str) -> Published:
    """The figures beside a network of the zoo, joined or not."""
    return ARTIFACT[network.removesuffix("-joined")]


class _Credits(Timer):
    """A timer whose senders may be ahead of their readers as far as `credits` says."""

    credits: int | None = None

    def costs(self, steps: int) -> Costs:
        """The scalars of the kernels."""
        costs = super().costs(steps)
        return costs if self.credits is None else costs._replace(credits=self.credits)


@dataclass(frozen=True, eq=False)
class Run:
    """A program, and what one image makes of it."""

    network: str
    target: Target
    program: Program
    image: Image
    activity: Activity
    rows: list[Any]
    """The tracers of its inputs."""

    def again(self) -> None:
        """Run the image once more, without its activity."""
        run_sample(self.image, self.rows)

    def time(
        self,
        model: Model = "network",
        pattern: Pattern = "spine",
        product: Product = "gustavson",
        target: Target | None = None,
        credits: int | None = None,
    ) -> Timing:
        """Time the image, perhaps on a chip that differs in what no program depends on, or with
        senders that may be `credits` steps ahead.
        """
        timer = _Credits(self.image, target or self.target, model, pattern, product)
        timer.credits = credits
        return timer.time(self.activity)

    def kind(self, name: str) -> int:
        """The column of a kind of count."""
        return KINDS.index(name)

    def energy(self, timing: Timing, target: Target | None = None) -> Energy:
        """Everything that the target has leaks until the last cycle."""
        chip = target or self.target
        return energy(chip, program_shapes(chip, self.program), timing.counts, timing.cycles)

    @property
    def sops(self) -> int:
        """Synaptic operations of the image."""
        return int(self.activity.sops.sum())

    @property
    def spikes(self) -> int:
        """Spikes that threads sent; each tile of columns is a thread."""
        return int(self.activity.spikes.sum())


def first_answer(timing: Timing) -> int:
    """Cycle at which the head has the answer of the first step."""
    return int(timing.step_cycles[0])


def zoo_files(network: str, zoo: Path, coarse: bool) -> tuple[Path, Path, Path]:
    """ONNX file, images and profile of a network; made when they are not there."""
    stem = f"{network}-3bit" if coarse else network
    files = tuple(zoo / f"{stem}{end}" for end in (".onnx", ".npz", ".profile.json"))
    if not all(file.exists() for file in files):
        call = (
            f"from timed_zoo import make; from pathlib import Path; "
            f"make({network!r}, {stem!r}, Path({str(zoo)!r}))"
        )
        here = Path(__file__).parent
        arguments = [str(here / "zoo.py"), network, "--output", str(zoo)]
        arguments = ["-c", call] if coarse else arguments
        subprocess.run([sys.executable, *arguments], check=True, cwd=here)
    return files[0], files[1], files[2]


def load(
    network: str,
    zoo: Path,
    options: Options | None = None,
    target: str | Target = "elsa-6x6",
    programs: Path = ROOT / "build" / "programs",
    number: int = 0,
    coarse: bool = False,
) -> Run:
    """Compile a network of the zoo with its profile, or take the same program from before, and run
    image `number`; with `coarse`, of 3 bits (see `timed_zoo.py`).
    """
    onnx, images, profile = zoo_files(network, zoo.resolve(), coarse)
    chip = load_target(target) if isinstance(target, str) else target
    chosen = Options(**{**vars(options or Options()), "profile": str(profile)})
    with np.load(images) as arrays:
        inputs: dict[str | None, Any] = {None: arrays["image"][number : number + 1]}
    return prepare(network, onnx, chip, chosen, inputs, programs)


def prepare(
    network: str,
    onnx: Path,
    target: Target,
    options: Options,
    inputs: dict[str | None, Any],
    programs: Path,
) -> Run:
    """Compile, or take the same program from before, and run one sample."""
    program = _program(onnx, target, options, programs)
    image = load_image(program)
    host = Host(program)
    tracers = host.tracers(host.check(inputs))
    rows = [rows[0] for rows in tracers]
    outcome = run_sample(image, rows, activity=True)
    assert outcome.activity is not None
    return Run(network, target, program, image, outcome.activity, rows)


def _program(onnx: Path, target: Target, options: Options, folder: Path) -> Program:
    key = hashlib.sha256()
    for part in (onnx.read_bytes(), target.sha256.encode(), repr(portable(options)).encode()):
        key.update(hashlib.sha256(part).digest())
    key.update(_compiler().encode())
    path = folder / f"{onnx.stem}-{key.hexdigest()[:16]}.elsa"
    if path.exists():
        return container.from_bytes(container.read(str(path)), str(path))
    program = compile_onnx(onnx, target, options).program
    assert program is not None
    folder.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(f".{os.getpid()}")
    scratch.write_bytes(container.to_bytes(program))
    scratch.replace(path)
    return program


@cache
def _compiler() -> str:
    """Digest of all sources that decide what a program is."""
    digest = hashlib.sha256()
    package = ROOT / "elsac"
    for folder in ("frontends", "dialects", "passes", "mapping", "targets", "exact"):
        for file in sorted((package / folder).rglob("*.py")):
            digest.update(file.read_bytes())
    for name in ("compiler.py", "emit.py", "runtime/program.py", "runtime/isa.py"):
        digest.update((package / name).read_bytes())
    return digest.hexdigest()
