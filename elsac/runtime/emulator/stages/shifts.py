"""By how many bits weights are shifted before they are added."""

from elsac.runtime.emulator.stages.links import Link
from elsac.runtime.emulator.stages.weights import planes_of, weights_of
from elsac.runtime.program import Program


def shift_of(program: Program, link: Link) -> int:
    """Return the greatest shift of a link's weights: by their plane, the word and the spike."""
    most = 0
    for port in (port for band in link.bands for port in band.ports):
        source = program.threads[port.source]
        span = max(int(source["hi"]) - int(source["lo"]), 1)
        most = max(most, span.bit_length() - 1)
    if link.kind == "add":
        entry = program.constant_segments[link.operand]
        first = int(entry["offset"])
        constants = program.weights[first : first + int(entry["inputs"])]
        return most + link.shift + 8 * (len(planes_of(constants)) - 1)
    return most + link.shift + (24 if link.kind == "acc" and _large(program, link) else 0)


def _large(program: Program, link: Link) -> bool:
    """Return whether weights need more than a byte."""
    values = weights_of(program, link.operand)
    return bool(len(values) and (int(values.min()) < -128 or int(values.max()) > 127))
