"""The emulator: engines with one meaning, and the loop over steps that drives either.

The `interpreter` is the reference. `fast` runs programs of the usual form as stages, rows at a
time; all others, and events in random order, run on the `machine`, which is compiled as well. All
give the same outcome for every program that :func:`load_image` accepts, or raise the same fault.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.activity import Recorder
from elsac.runtime.emulator.common import (
    Block,
    Engine,
    Fault,
    Ints,
    Kept,
    Outcome,
    Statistics,
    planes_for,
    planes_of,
)
from elsac.runtime.emulator.exits import ExitUnit, Registers
from elsac.runtime.emulator.image import Image, ImageError, load_image

__all__ = [
    "Engine",
    "Fault",
    "Image",
    "ImageError",
    "Outcome",
    "Registers",
    "Statistics",
    "fallback",
    "load_image",
    "open_machine",
    "run_sample",
]

EngineName = Literal["fast", "machine", "interpreter"]


def run_sample(
    image: Image,
    inputs: Sequence[NDArray[Any]],
    engine: EngineName = "fast",
    max_steps: int | None = None,
    jitter: int | None = None,
    record: bool = False,
    activity: bool = False,
    machine: Engine | None = None,
    exits: Registers | None = None,
) -> Outcome:
    """Run one sample to its end, or for at most `max_steps` steps.

    `inputs` holds, for each entry of `bindings["inputs"]`, the integer tracers [rows, columns] of
    the whole input (source threads cut their tiles out of it), each in the entry's lo..hi.
    `jitter` seeds a random order of arrival; without it, events arrive in the order in which they
    were sent. `record` keeps what is behind `bindings["values"]` at the end of every step,
    `activity` what timing models replay. With a `machine`, of `open_machine` and of the same
    image, the sample is its next frame: the sources send by how much the inputs differ from what
    they have sent so far, and the outcome counts this frame alone. `exits` are the registers of
    the program's decision, which ends the sample if it has not come to rest before. Raise
    `ValueError` for inputs that do not fit the program, or exits that it has not, and
    :class:`Fault` when the program breaks its own rules.
    """
    tracers = _checked(image, inputs)
    if exits is not None and not len(image.program.decisions):
        raise ValueError("the program has no decision to exit")
    seed = None if jitter is None else jitter % (1 << 31)
    own = machine is None
    if machine is None:
        machine = _open(engine, image, tracers, seed)
        bindings = image.program.bindings.get("inputs", [])
        last_input = _input_steps(image, tracers, [planes_of(b["lo"], b["hi"]) for b in bindings])
    else:
        wishes = _differences(image, tracers, machine)
        machine.resume(wishes, seed)
        last_input = _input_steps(image, wishes, planes_for(wishes))
    limit = _step_limit(image, last_input)
    if max_steps is not None:
        limit = min(limit, max_steps)
    unit = None if exits is None else _exit_unit(engine)(image, machine, exits)
    log = _Log(image, _recorded(image) if record else [], activity)
    terminal = exited = False
    steps = done = 0
    while done < limit and not (terminal or exited):
        # An exit may end the sample after any step.
        block = machine.run(done, 1 if unit else limit - done, log.watched)
        for step, spikes in enumerate(block.spikes.sum(axis=1).tolist(), done):
            exited = unit is not None and unit.step()
            steps = step + 1 if spikes or exited else steps
            terminal = not spikes and not exited and step >= last_input
            if terminal or exited:
                break
        log.add(block, step + 1 - done)
        done = step + 1
    return Outcome(
        activity=log.recorder.done(steps) if log.recorder else None,
        steps=steps,
        terminal=terminal,
        exited=exited,
        control=None if unit is None else unit.control(),
        # A machine that goes on to the next frame cannot be left to the outcome.
        state=machine if own else Kept(image, machine),
        stats=log.statistics,
        step_spikes=log.spikes(steps),
        records=log.records(steps),
    )


class _Log:
    """What is kept of the blocks of a run."""

    def __init__(self, image: Image, watched: list[tuple[str, int]], activity: bool) -> None:
        self.image, self.watched = image, watched
        self.threads = len(image.program.threads)
        self.statistics = Statistics.zeros(self.threads)
        self.recorder = Recorder(image.counter_offset, image.trees.row_links) if activity else None
        self._blocks: list[Ints] = []
        self._records: list[dict[tuple[str, int], Ints]] = []

    def add(self, block: Block, steps: int) -> None:
        """Add the first steps of a block."""
        total = self.statistics.plus(block.statistics(steps))
        # A row that was open on the way has been asked again since.
        self.statistics = replace(total, undecided=block.undecided[steps - 1])
        self._blocks.append(block.spikes[:steps])
        self._records.append({key: values[:steps] for key, values in block.watched.items()})
        if self.recorder is not None:
            for step in range(steps):
                rows = block.row_spikes[step], block.row_flits[step]
                self.recorder.step(
                    *rows, block.packets[step], block.flit_hops[step], block.sops[step]
                )

    def spikes(self, steps: int) -> Ints:
        """Return the spikes of each thread, [steps, threads]."""
        return np.concatenate([np.zeros((0, self.threads), np.int64), *self._blocks])[:steps]

    def records(self, steps: int) -> dict[tuple[str, int], Ints]:
        """Return what was watched, [steps, rows, columns] each."""
        empty = {key: np.zeros((0, *_shape(self.image, key[1])), np.int64) for key in self.watched}
        return {
            key: np.concatenate([none, *(block[key] for block in self._records)])[:steps]
            for key, none in empty.items()
        }


def open_machine(
    image: Image, inputs: Sequence[Ints], engine: EngineName = "fast", jitter: int | None = None
) -> Engine:
    """Return a machine that has been sent nothing yet, for frames in the shapes of `inputs`.

    Frames may come with a `jitter` only if one is given here.
    """
    silence = [np.zeros_like(array) for array in inputs]
    return _open(engine, image, _checked(image, silence), jitter)


def fallback(image: Image, jitter: int | None = None) -> str | None:
    """Return why `fast` runs an image on the virtual machine; None if in stages."""
    from elsac.runtime.emulator.stages import refusal

    if jitter is not None:
        return "events come in a random order"
    reason = refusal(image)
    where, _, text = (reason or "").partition(": ")
    if not text or not where.startswith("thread "):
        return reason
    layer = int(image.program.threads[int(where.removeprefix("thread "))]["layer"])
    return f"layer '{image.program.layers[layer]}': {text}"


def _differences(image: Image, inputs: Sequence[Ints], machine: Engine) -> list[Ints]:
    """Return by how much inputs differ from what the sources have sent so far."""
    differences = [array.copy() for array in inputs]
    for number in np.flatnonzero(image.program.threads["input"] >= 0).tolist():
        thread = image.program.threads[number]
        row, column = int(thread["row_base"]), int(thread["column_base"])
        sent = machine.read("tracer", number)
        part = slice(row, row + len(sent)), slice(column, column + sent.shape[1])
        differences[thread["input"]][part] -= sent
    return differences


def _open(name: str, image: Image, inputs: list[Ints], jitter: int | None) -> Engine:
    """Make a machine; `fast` means stages, or the virtual machine where these cannot be."""
    # Imported on demand: the interpreter needs no compiler.
    if name == "interpreter":
        from elsac.runtime.emulator.interpreter import Interpreter

        return Interpreter(image, inputs, jitter)
    from elsac.runtime.emulator.fast import Fast
    from elsac.runtime.emulator.stages import NoStages, Stages

    if name == "fast":
        try:
            return Stages(image, inputs, jitter)
        except NoStages:
            return Fast(image, inputs, jitter)
    if name == "machine":
        return Fast(image, inputs, jitter)
    raise ValueError(f"unknown engine '{name}'; expected fast, machine or interpreter")


def _exit_unit(engine: str) -> type[ExitUnit]:
    if engine == "interpreter":
        from elsac.runtime.emulator.exit_reference import InterpretedExit

        return InterpretedExit
    from elsac.runtime.emulator.exit_fast import FastExit

    return FastExit


def _checked(image: Image, inputs: Sequence[NDArray[Any]]) -> list[Ints]:
    """Return the inputs as 64-bit integers, if they fit their bindings and source threads."""
    bindings = image.program.bindings.get("inputs", [])
    if len(inputs) != len(bindings):
        raise ValueError(f"the program has {len(bindings)} inputs, got {len(inputs)}")
    tracers = []
    for index, (array, binding) in enumerate(zip(inputs, bindings, strict=True)):
        if array.ndim != 2 or not np.issubdtype(array.dtype, np.integer):
            raise ValueError(f"input {index}: expected integers [rows, columns]")
        lo, hi = binding["lo"], binding["hi"]
        if array.size and (array.min() < lo or array.max() > hi):
            raise ValueError(f"input {index}: tracers leave {lo}..{hi}")
        tracers.append(array.astype(np.int64))
    for thread in image.program.threads[image.program.threads["input"] >= 0]:
        rows, columns = tracers[thread["input"]].shape
        last_row = int(thread["row_base"]) + int(thread["rows"])
        last_column = int(thread["column_base"]) + int(thread["columns"])
        if rows < last_row or columns < last_column:
            raise ValueError(
                f"input {thread['input']}: shape {rows}x{columns}, but a source reads up to row "
                f"{last_row} and column {last_column}"
            )
    return tracers


def _input_steps(image: Image, wishes: Sequence[Ints], planes: Sequence[int]) -> int:
    """Return the first step in which every input has been sent."""
    steps = 0
    bindings = image.program.bindings.get("inputs", [])
    for array, binding, bits in zip(wishes, bindings, planes, strict=True):
        if binding["coding"] == "analog":
            needed = 1
        elif binding["coding"] == "bitplane":
            needed = bits
        else:
            needed = int(np.abs(array).max(initial=0))
        steps = max(steps, needed)
    return steps


def _step_limit(image: Image, last_input: int) -> int:
    """Bound the steps of a sound run: a thread whose inputs rest will rest in hi - lo steps."""
    threads = image.program.threads
    firing = np.diff(image.spike_offset) > 0
    span = threads["hi"].astype(np.int64) - threads["lo"]
    return last_input + int(span[firing].sum()) + len(threads)


def _recorded(image: Image) -> list[tuple[str, int]]:
    """List the (kind, thread) pairs behind the float values that leave the chip."""
    readings = image.program.bindings.get("readings", [])
    pairs = [
        (readings[value["reading"]]["kind"], thread)
        for value in image.program.bindings.get("values", [])
        for thread in readings[value["reading"]]["threads"]
    ]
    return list(dict.fromkeys(pairs))


def _shape(image: Image, thread: int) -> tuple[int, int]:
    entry = image.program.threads[thread]
    return int(entry["rows"]), int(entry["columns"])
