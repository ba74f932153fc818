"""The emulator: two engines with one meaning, and the loop over steps that drives either.

The `interpreter` is the reference; `fast` is compiled. They give the same outcome for every program
that :func:`load_image` accepts, or raise the same fault.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.activity import Recorder
from elsac.runtime.emulator.common import (
    Engine,
    Fault,
    Ints,
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
    "load_image",
    "open_machine",
    "run_sample",
]

EngineName = Literal["fast", "interpreter"]


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
    if machine is None:
        machine = _engine(engine)(image, tracers, seed)
        bindings = image.program.bindings.get("inputs", [])
        last_input = _input_steps(image, tracers, [planes_of(b["lo"], b["hi"]) for b in bindings])
    else:
        wishes = _differences(image, tracers, machine)
        machine.resume(wishes, seed)
        last_input = _input_steps(image, wishes, planes_for(wishes))
    limit = _step_limit(image, last_input)
    if max_steps is not None:
        limit = min(limit, max_steps)
    wanted = _recorded(image) if record else []
    records: dict[tuple[str, int], list[Ints]] = {key: [] for key in wanted}
    spikes: list[Ints] = []
    recorder = Recorder(image.counter_offset, image.trees.row_links) if activity else None
    unit = None if exits is None else _exit_unit(engine)(image, machine, exits)
    terminal = exited = False
    steps = 0
    for step in range(limit):
        spikes.append(machine.step(step))
        if recorder is not None:
            counts = machine.statistics()
            recorder.step(*machine.sent(), counts.packets, counts.flit_hops, counts.sops)
        for key, values in records.items():
            values.append(machine.read(*key))
        killed = unit is not None and unit.step()
        if spikes[-1].any():
            steps = step + 1
        elif step >= last_input:
            terminal = True
            break
        if killed:
            steps, exited = step + 1, True
            break
    threads = len(image.program.threads)
    return Outcome(
        activity=None if recorder is None else recorder.done(steps),
        steps=steps,
        terminal=terminal,
        exited=exited,
        control=None if unit is None else unit.control(),
        tracers=machine.tracers(),
        membranes=machine.membranes(),
        stats=machine.statistics(),
        step_spikes=np.array(spikes[:steps], np.int64).reshape(steps, threads),
        records={
            key: np.array(values[:steps], np.int64).reshape(steps, *_shape(image, key[1]))
            for key, values in records.items()
        },
    )


def open_machine(image: Image, inputs: Sequence[Ints], engine: EngineName = "fast") -> Engine:
    """Return a machine that has been sent nothing yet, for frames in the shapes of `inputs`."""
    silence = [np.zeros_like(array) for array in inputs]
    return _engine(engine)(image, _checked(image, silence), None)


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


def _engine(name: str) -> type[Engine]:
    # Imported on demand: the interpreter needs no compiler.
    if name == "interpreter":
        from elsac.runtime.emulator.interpreter import Interpreter

        return Interpreter
    if name == "fast":
        from elsac.runtime.emulator.fast import Fast

        return Fast
    raise ValueError(f"unknown engine '{name}'; expected fast or interpreter")


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
