"""Networks, their programs and their runs, for tests of what holds for every network.

A network is known by its name in `NETWORKS`, or by a number, the seed of a random one.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from hypothesis import Phase, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from elsac.compiler import Compiled, Options, compile_onnx, new_context
from elsac.context import CompileError
from elsac.frontends import import_onnx
from elsac.runtime.bindings import Host
from elsac.runtime.emulator import Image, Outcome, load_image, run_sample
from elsac.runtime.isa import decode
from elsac.runtime.program import Program
from elsac.targets import Target, load_target
from tests import networks

Array = NDArray[Any]
Ints = NDArray[np.int64]
Inputs = dict[str | None, Array]
Key = str | int
Model = onnx.ModelProto

NETWORKS: dict[str, Callable[[], Model]] = {
    make.__name__: make
    for make in (
        networks.mobilenet_like,
        networks.power_of_two_cnn,
        networks.float_bias_mlp,
        networks.qoperator_cnn,
        networks.unquantized_skip,
        networks.two_convs_joined,
        networks.concat_upsample,
        networks.softmax_tail,
    )
}

SHIFT = "elsa-6x6-shift"
QUICK = Options(effort=0)
"""Most tests are not about mappings, and want the first that fits."""
ANALOG = Options(effort=0, coding="analog")


@lru_cache(64)
def model_of(key: Key) -> Model:
    """A network as ONNX."""
    return NETWORKS[key]() if isinstance(key, str) else networks.random_network(key)


def compile_model(
    model: Model | bytes,
    target: Target | str = "elsa-6x6",
    options: Options | None = None,
    level: str = "bin",
) -> Compiled:
    """What `compile_onnx` makes of a model or of the bytes of a file; `import` runs no pass."""
    chip = load_target(target) if isinstance(target, str) else target
    data = model if isinstance(model, bytes) else model.SerializeToString()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        path.write_bytes(data)
        if level == "import":
            context = new_context(chip)
            return Compiled(import_onnx(path, context).module, context, "")
        return compile_onnx(path, chip, options or QUICK, level)


def program_from(
    model: Model, target: Target | str = "elsa-6x6", options: Options | None = None
) -> Program:
    """The program of a model."""
    program = compile_model(model, target, options).program
    assert program is not None
    return program


@lru_cache(128)
def program_of(key: Key, target: str = "elsa-6x6", options: Options | None = None) -> Program:
    """The program of a network."""
    return program_from(model_of(key), target, options)


TOO_PRECISE = ("weights of the sum need more than", "un-quantized branches needs too many bits")
"""What the compiler says of sums that are refused although every operator is supported."""


def compiles(seed: int) -> bool:
    """Whether a random network can be compiled: a sum of exact values may be too precise for it."""
    try:
        program_of(seed)
    except CompileError as error:
        if any(reason in str(error) for reason in TOO_PRECISE):
            return False
        raise
    return True


SEEDS = st.integers(0, 10**6).filter(compiles)
"""Of random networks."""


def examples(count: int) -> settings:
    """How many random networks to try; there is no smaller network in a smaller seed."""
    return settings(max_examples=count, phases=[Phase.generate])


@lru_cache(64)
def lowered(
    key: Key, level: str, target: str = "elsa-6x6", options: Options | None = None
) -> Compiled:
    """A network at a level above the program."""
    return compile_model(model_of(key), target, options, level)


def images_of(key: Key, count: int, seed: int = 0) -> Inputs:
    """Random inputs of a network."""
    return {"image": networks.images_for(model_of(key), count, seed)}


def by_text(inputs: Inputs) -> dict[str, Array]:
    """Inputs for the interpreters, which ask for names."""
    return {str(name): array for name, array in inputs.items()}


@dataclass
class Chip:
    """A program that can be run."""

    program: Program
    image: Image = field(init=False)
    host: Host = field(init=False)

    def __post_init__(self) -> None:
        self.image, self.host = load_image(self.program), Host(self.program)

    @property
    def threads(self) -> list[dict[str, int]]:
        """The thread table as integers."""
        names = self.program.threads.dtype.names or ()
        return [dict(zip(names, t.item(), strict=True)) for t in self.program.threads]

    def rows(self, inputs: Mapping[str | None, Array]) -> list[list[Ints]]:
        """For each sample, the tracers [rows, columns] that `run_sample` takes."""
        tracers = self.host.tracers(self.host.check(inputs))
        return [list(sample) for sample in zip(*tracers, strict=True)]

    def run(self, rows: list[Ints], **options: Any) -> Outcome:
        """Run one sample."""
        return run_sample(self.image, rows, **options)

    def cuts(self, rows: list[Ints]) -> list[Outcome]:
        """The outcomes after 1, 2, ... steps, up to the quiet one that ends the run."""
        found: list[Outcome] = []
        while not found or not found[-1].terminal:
            found.append(self.run(rows, max_steps=len(found) + 1))
        return found

    def tracer(self, outcome: Outcome, thread: int) -> Ints:
        """[rows, columns] of a thread."""
        return self.image.tracer(outcome.tracers, thread)

    def membrane(self, outcome: Outcome, thread: int) -> Ints:
        """[rows, columns] of a thread with membranes."""
        return self.image.membrane(outcome.membranes, thread)

    def handler(self, first: int) -> list[tuple[str, dict[str, int]]]:
        """The instructions of a handler, without its end."""
        found: list[tuple[str, dict[str, int]]] = []
        while True:
            instruction, operands = decode(int(self.program.code[first + len(found)]))
            if instruction.mnemonic == "end":
                return found
            found.append((instruction.mnemonic, operands))

    def ports(self, thread: dict[str, int]) -> list[dict[str, int]]:
        """The ports of a thread as integers."""
        first = thread["first_port"]
        names = self.program.ports.dtype.names or ()
        part = self.program.ports[first : first + thread["ports"]]
        return [dict(zip(names, port.item(), strict=True)) for port in part]

    def fires(self, thread: dict[str, int]) -> str:
        """How the rows of a thread fire: fire, max, flow or inject; "" if they only hold."""
        names = [name for name, _ in self.handler(thread["on_row"])]
        return next((n for n in names if n in ("fire", "max", "flow", "inject")), "")

    # What the tables say, straight from their definition and without the engines' shortcuts.

    def pairs(self, window: int) -> list[tuple[int, int, int]]:
        """All (row, tap, spine) that a window connects."""
        w = self._entry(self.program.windows, window)
        found = []
        for row in range(w["out_height"] * w["out_width"]):
            for tap in range(w["kernel_height"] * w["kernel_width"]):
                (oy, ox), (ky, kx) = divmod(row, w["out_width"]), divmod(tap, w["kernel_width"])
                y = oy * w["stride_height"] - w["pad_top"] + ky * w["dilation_height"]
                x = ox * w["stride_width"] - w["pad_left"] + kx * w["dilation_width"]
                if 0 <= y < w["in_height"] and 0 <= x < w["in_width"]:
                    found.append((row, tap, y * w["in_width"] + x))
        return found

    def synapses(self, thread: dict[str, int], tracers: list[Ints]) -> Ints:
        """The charge [rows, columns] that final tracers of the sources cause in a thread."""
        charge = np.zeros((thread["rows"], thread["columns"]), np.int64)
        for port in self.ports(thread):
            source, base = tracers[port["source"]], port["column_base"]
            window: list[tuple[int, int, int]] = []
            for name, operands in self.handler(port["on_spikes"]):
                if name == "taps":
                    window = self.pairs(operands["window"])
                elif name == "acc":
                    self._acc(charge, source, base, window, **operands)
                elif name == "add":
                    self._add(charge, source, base, window, **operands)
                elif name == "scat":
                    self._scat(charge, source, base, operands["map"])
        return charge

    def _acc(
        self,
        charge: Ints,
        source: Ints,
        base: int,
        window: list[tuple[int, int, int]],
        weights: int,
        shift: int,
    ) -> None:
        e = self._entry(self.program.weight_segments, weights)
        shape = (e["taps"], e["inputs"], e["outputs_per_group"])
        table = self.program.weights[e["offset"] :][: int(np.prod(shape))].reshape(shape)
        # [taps, channel that the thread sees, column]
        dense = np.zeros((shape[0], source.shape[1], charge.shape[1]), np.int64)
        for column in range(source.shape[1]):
            i = base + column - e["first_input"]
            if 0 <= i < e["inputs"]:
                start = i // e["inputs_per_group"] * e["outputs_per_group"]
                dense[:, column, start : start + e["outputs_per_group"]] = table[:, i]
        for row, tap, spine in window:
            charge[row] += source[spine] @ dense[tap] << shift

    def _add(
        self,
        charge: Ints,
        source: Ints,
        base: int,
        window: list[tuple[int, int, int]],
        constants: int,
    ) -> None:
        e = self._entry(self.program.constant_segments, constants)
        for row, _, spine in window:
            for column, tracer in enumerate(source[spine]):
                i = base + column - e["first_input"]
                if 0 <= i < e["inputs"]:
                    charge[row, i] += int(self.program.weights[e["offset"] + i]) * tracer

    def _scat(self, charge: Ints, source: Ints, base: int, index: int) -> None:
        e = self._entry(self.program.maps, index)
        for spine, column in np.ndindex(source.shape):
            if 0 <= base + column < e["channels"]:
                cell = e["indptr"] + spine * e["channels"] + base + column
                first, last = self.program.map_indptr[cell : cell + 2] + e["target"]
                for row, target in self.program.map_targets[first:last]:
                    charge[row, target] += source[spine, column]

    def levels(self, thread: dict[str, int], charge: Ints) -> Ints:
        """S*: how many thresholds of its staircase each charge has reached, from `lo` on."""
        (operands,) = [o for name, o in self.handler(thread["on_row"]) if name == "fire"]
        e = self._entry(self.program.stairs, operands["stairs"])
        shape = (e["classes"], e["columns"], e["levels"])
        table = self.program.thresholds[e["offset"] :][: int(np.prod(shape))].reshape(shape)
        classes = np.zeros(thread["rows"], np.int64)
        if e["row_class"] >= 0:
            classes = self.program.row_classes[e["row_class"] :][: thread["rows"]].astype(np.int64)
        reached: Ints = (charge[:, :, None] >= table[classes]).sum(axis=2) + e["lo"]
        return reached

    def maxima(self, thread: dict[str, int], tracers: list[Ints]) -> Ints:
        """The greatest tracer in each window of a max pool; 0 where a window is empty."""
        copy = np.zeros((thread["trace_spines"], thread["trace_columns"]), np.int64)
        for port in self.ports(thread):
            base, source = port["column_base"], tracers[port["source"]]
            for column in range(source.shape[1]):
                # The handler ignores channels of the layer that are not this tile's.
                if 0 <= base + column < copy.shape[1]:
                    copy[:, base + column] = source[:, column]
        (operands,) = [o for name, o in self.handler(thread["on_row"]) if name == "max"]
        best: dict[int, Ints] = {}
        for row, _, spine in self.pairs(operands["window"]):
            best[row] = np.maximum(best.get(row, copy[spine]), copy[spine])
        empty = np.zeros(thread["columns"], np.int64)
        return np.stack([best.get(row, empty) for row in range(thread["rows"])])

    @staticmethod
    def _entry(table: Array, index: int) -> dict[str, int]:
        return dict(zip(table.dtype.names or (), table[index].item(), strict=True))


@lru_cache(64)
def chip_of(key: Key, target: str = "elsa-6x6", options: Options | None = None) -> Chip:
    """The program of a network, ready to run."""
    return Chip(program_of(key, target, options))


def one_line(error: BaseException) -> str:
    """The message of a refusal: one line that is not empty."""
    message = str(error)
    assert message.strip(), repr(error)
    assert "\n" not in message, message
    return message
