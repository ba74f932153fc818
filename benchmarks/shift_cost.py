"""What shift spikes cost and save beside ternary ones: steps, cycles, energy, traffic.

    python benchmarks/shift_cost.py [--network digits_cnn] [--images N] [--json OUT]

The same digits run on `elsa-6x6` and on `elsa-6x6-shift`; both end in the same integers, which is
checked. Shift spikes need shifters in front of the adder trees, and nobody knows what these cost:
so energy is given for shares of an adder tree's energy from 0 to 100 % (the target's key
`shift_adder_energy_percent`), and the share from which shift spikes cost more than ternary ones.
Times are those of the model `network`, means over the images. No clock is read.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from alphabets import ALPHABETS, SAMPLES
from mapping_report import write_json

from elsac.compiler import compile_onnx
from elsac.runtime.energy import energy, program_shapes
from elsac.runtime.meter import Meter
from elsac.runtime.run import run_program
from elsac.runtime.timing.counts import BATCH_SPIKES, FLIT_HOPS, LOCAL_FLITS, SOPS
from elsac.targets import Target, load_target

PERCENT = (0, 10, 25, 50, 75, 100)


@dataclass(frozen=True)
class Alphabet:
    """One alphabet on one network; means over the images."""

    steps: float
    first_cycles: float
    """The answer of the first step stands."""
    right_cycles: float
    """The first right answer stands, over the images that have one."""
    last_cycles: float
    sops: float
    weight_rows: float
    link_bytes: float
    """Over links, and on the cores' own ways."""
    local_bytes: float
    energy_uj: dict[int, float]
    """By percent of an adder tree that shifters cost; for ternary spikes the same at all."""
    adders_uj: float
    """Of it the adder trees at 0 %."""


def measure(network: str, images: int) -> dict[str, Alphabet]:
    """All alphabets on one network."""
    data = np.load(SAMPLES / "digits.npz")
    image, label = data["image"][:images], data["label"][:images]
    found, ends = {}, []
    for name, (chip, options) in ALPHABETS.items():
        target = load_target(chip)
        program = compile_onnx(SAMPLES / f"{network}.onnx", target, options).program
        assert program is not None
        meter = Meter(program, target, "network")
        result = run_program(program, {"image": image}, labels=label, emulate=meter, elastic=True)
        assert result.curve is not None
        ends.append(result.integers["logits"])
        found[name] = alphabet(meter, target, result, label)
    if any(not np.array_equal(ends[0], other) for other in ends[1:]):
        raise SystemExit(f"{network}: the alphabets end in different integers")
    return found


def alphabet(meter: Meter, target: Target, result: Any, label: Any) -> Alphabet:
    """The figures of one run."""
    timings, answers = meter.timings, result.curve.answers
    right = [
        int(timing.step_cycles[np.flatnonzero(hits)[0]])
        for timing, hits in zip(timings, answers == label[:, None], strict=True)
        if hits.any()
    ]
    counts = np.mean([timing.counts.sum(axis=0) for timing in timings], axis=0)
    size = target.flit_bits / 8
    return Alphabet(
        steps=float(result.steps.mean()),
        first_cycles=float(np.mean([timing.step_cycles[0] for timing in timings])),
        right_cycles=float(np.mean(right)),
        last_cycles=float(np.mean([timing.cycles for timing in timings])),
        sops=float(counts[SOPS]),
        weight_rows=float(counts[BATCH_SPIKES]),
        link_bytes=float(counts[FLIT_HOPS]) * size,
        local_bytes=float(counts[LOCAL_FLITS]) * size,
        energy_uj={percent: microjoules(meter, target, percent)[0] for percent in PERCENT},
        adders_uj=microjoules(meter, target, 0)[1],
    )


def microjoules(meter: Meter, target: Target, percent: float) -> tuple[float, float]:
    """Energy of a mean image, and of its adder trees, where shifters cost so much."""
    changed = {"shift_adder_energy_percent": percent} if target.alphabet == "shift" else {}
    chip = Target.from_dict({**target.to_dict(), **changed})
    shapes = program_shapes(chip, meter.program)
    found = [energy(chip, shapes, timing.counts, timing.cycles) for timing in meter.timings]
    adders = np.mean([one.by_component()["adders"] for one in found])
    return float(np.mean([one.total for one in found])) / 1e6, float(adders) / 1e6


def breaks_even(ternary: Alphabet, shift: Alphabet) -> float | None:
    """The percent at which both cost the same; None if shift costs less up to 100 %. Energy grows
    with it along a straight line; a negative one says that shift costs more at 0 % already.
    """
    low, high = shift.energy_uj[0], shift.energy_uj[100]
    even = 100 * (ternary.energy_uj[0] - low) / (high - low)
    return None if even > 100 else even


def show(network: str, found: dict[str, Alphabet]) -> str:
    """One network as text."""
    ternary = found["ternary"]
    lines = [
        f"{network}, network model, means",
        f"  {'':9}{'steps':>7}{'first':>9}{'right':>9}{'last':>9}{'SOPs':>12}{'link KB':>9}"
        f"{'local KB':>9}   uJ at shifters of {', '.join(map(str, PERCENT))} % of an adder tree",
    ]
    for name, a in found.items():
        shown = [a.energy_uj[p] for p in (PERCENT if name != "ternary" else (0,))]
        lines.append(
            f"  {name:9}{a.steps:7.1f}{a.first_cycles:9,.0f}{a.right_cycles:9,.0f}"
            f"{a.last_cycles:9,.0f}{a.sops:12,.0f}{a.link_bytes / 1e3:9.1f}"
            f"{a.local_bytes / 1e3:9.1f}   {'  '.join(f'{uj:.3f}' for uj in shown)}"
        )
    for name, a in found.items():
        if name == "ternary":
            continue
        even = breaks_even(ternary, a)
        says = "costs less up to 100 %" if even is None else f"costs the same at {even:.0f} %"
        if even is not None and even < 0:
            says = "costs more even if shifters cost nothing"
        ratios = ", ".join(f"{p} %: {a.energy_uj[p] / ternary.energy_uj[0]:.2f}x" for p in PERCENT)
        lines.append(
            f"  {name} {says}; energy over ternary {ratios}; "
            f"{ternary.last_cycles / a.last_cycles:.2f}x faster to the end, "
            f"{ternary.right_cycles / a.right_cycles:.2f}x to the first right answer"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--network", nargs="+", default=["digits_cnn"])
    parser.add_argument("--images", type=int, default=100, help="how many digits")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures here")
    arguments = parser.parse_args()
    if not 1 <= arguments.images <= 360:
        parser.error("expected --images of 1 to 360")
    results = {}
    for network in arguments.network:
        if not (SAMPLES / f"{network}.onnx").exists():
            sys.exit(f"shift_cost.py: no sample is called '{network}'; see the folder samples")
        results[network] = measure(network, arguments.images)
        print(show(network, results[network]), flush=True)
    if arguments.json is not None:
        rows = {n: {name: vars(a) for name, a in found.items()} for n, found in results.items()}
        write_json(arguments.json, rows)


if __name__ == "__main__":
    main()
