"""The emulator: two engines with one meaning, and the loop over steps that drives either.

The `interpreter` is the reference; `fast` is compiled. They give the same outcome for every program
that :func:`load_image` accepts, or raise the same fault.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator.common import Engine, Fault, Ints, Outcome, Statistics, planes_of
from elsac.runtime.emulator.image import Image, ImageError, load_image

__all__ = ["Fault", "Image", "ImageError", "Outcome", "Statistics", "load_image", "run_sample"]


def run_sample(
    image: Image,
    inputs: Sequence[NDArray[Any]],
    engine: Literal["fast", "interpreter"] = "fast",
    max_steps: int | None = None,
    jitter: int | None = None,
    record: bool = False,
) -> Outcome:
    """Run one sample to its end, or for at most `max_steps` steps.

    `inputs` holds, for each entry of `bindings["inputs"]`, the integer tracers [rows, columns] of
    the whole input (source threads cut their tiles out of it), each in the entry's lo..hi.
    `jitter` seeds a random order of arrival; without it, events arrive in the order in which they
    were sent. `record` keeps what is behind `bindings["values"]` at the end of every step. Raise
    `ValueError` for inputs that do not fit the program and :class:`Fault` when the program breaks
    its own rules.
    """
    tracers = _checked(image, inputs)
    seed = None if jitter is None else jitter % (1 << 31)
    machine = _engine(engine)(image, tracers, seed)
    last_input = _input_steps(image, tracers)
    limit = _step_limit(image, last_input)
    if max_steps is not None:
        limit = min(limit, max_steps)
    wanted = _recorded(image) if record else []
    records: dict[tuple[str, int], list[Ints]] = {key: [] for key in wanted}
    spikes: list[Ints] = []
    terminal = False
    steps = 0
    for step in range(limit):
        spikes.append(machine.step(step))
        for key, values in records.items():
            values.append(machine.read(*key))
        if spikes[-1].any():
            steps = step + 1
        elif step >= last_input:
            terminal = True
            break
    threads = len(image.program.threads)
    return Outcome(
        steps=steps,
        terminal=terminal,
        tracers=machine.tracers(),
        membranes=machine.membranes(),
        stats=machine.statistics(),
        step_spikes=np.array(spikes[:steps], np.int64).reshape(steps, threads),
        records={
            key: np.array(values[:steps], np.int64).reshape(steps, *_shape(image, key[1]))
            for key, values in records.items()
        },
    )


def _engine(name: str) -> type[Engine]:
    # Imported on demand: the interpreter needs no compiler.
    if name == "interpreter":
        from elsac.runtime.emulator.interpreter import Interpreter

        return Interpreter
    if name == "fast":
        from elsac.runtime.emulator.fast import Fast

        return Fast
    raise ValueError(f"unknown engine '{name}'; expected fast or interpreter")


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


def _input_steps(image: Image, inputs: Sequence[Ints]) -> int:
    """Return the first step in which every input has been sent."""
    steps = 0
    for array, binding in zip(inputs, image.program.bindings.get("inputs", []), strict=True):
        if binding["coding"] == "analog":
            needed = 1
        elif binding["coding"] == "bitplane":
            needed = planes_of(binding["lo"], binding["hi"])
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
