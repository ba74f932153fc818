"""Estimate how often neurons spike: the rates on which tiling, placement and routing rest.

`profile` names a file with the spikes of each layer in each step: the JSON report of `elsac run`,
or one written by hand: {"layers": [{"name": "conv1", "neurons": 802816, "spikes_per_step": [..]}]}.
Layers that it does not name, and all layers without a profile, get a generic rate: the mean over
the layers of the published ResNet-50 trace, steps 1 to 8. Rates decide how well a mapping suits a
network, never what it computes.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from elsac.context import CompileError, compiler_context
from elsac.dialects import spiking, token

GENERIC = (0.175, 0.170, 0.154, 0.146, 0.141, 0.116, 0.098, 0.082)
"""Spikes per neuron and step, mean over the layers of the ELSA artifact's ResNet-50 trace."""

FIRST_STEPS, STEPS_BEHIND_SOFTMAX, MOVING, SETTLED = 8, 7, 0.5, 0.6
"""A row of a softmax or a norm moves as long as any of its inputs does, and so does all behind it:
half of the neurons in each step, of curves, which are flat on one side, a quarter. The steps in
which they do are 8 and, for each softmax on the way, 7 more; in the last 60 % of these the rate
falls to none. Measured on ViT-S/16 and on the two transformers of `samples`."""

INPUT_RATE = 0.5
"""The share of set bits in a bit-plane of an input, if nothing else is known."""

AGAIN = "write a profile of this network with elsac run --json"

Rates = tuple[float, ...]


@dataclass(frozen=True)
class Profile:
    """What a profile says."""

    rates: dict[str, Rates]
    """Spikes per neuron in each step, by layer."""
    neurons: dict[str, int]
    complete: bool
    """Whether the run went to its end for all inputs, as far as the profile says."""


@dataclass(frozen=True)
class EstimateLoad(ModulePass):
    """Set `rates` on every actor and source. `sha256` is what the profile's bytes have to have."""

    name = "estimate-load"
    profile: str | None = None
    sha256: str | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Take the rates of the profile, else generic ones."""
        nodes = [o for o in op.body.ops if isinstance(o, token.ActorOp | token.SourceOp)]
        known = None
        if self.profile is not None:
            known = read_profile(Path(self.profile), self.sha256)
            compiler_context(ctx).warnings += doubts(self.profile, known, nodes)
        passed = softmaxes(nodes)
        for o in nodes:
            rates = None if known is None else known.rates.get(name_of(o))
            if rates is None:
                rates = generic(o, passed.get(o.output))
            o.rates = token.rates_attr(rates)  # () if it is silent


def name_of(node: token.ActorOp | token.SourceOp) -> str:
    """The name by which profiles know a layer or an input."""
    return node.layer.data if isinstance(node, token.ActorOp) else node.tensor_name.data


def neurons_of(node: token.ActorOp | token.SourceOp) -> int:
    """The neurons of a node's whole layer, or the elements of an input."""
    columns = token.stream(node.output).columns.data
    if isinstance(node, token.ActorOp):
        columns = node.total.value.data
    return int(node.layer_rows * columns)


def sends(node: token.ActorOp | token.SourceOp) -> bool:
    """Whether a node sends spikes: what only the host reads holds its charge."""
    held = isinstance(node, token.ActorOp) and isinstance(node.body.block.last_op, token.HoldOp)
    return not held


def doubts(path: str, known: Profile, nodes: list[token.ActorOp | token.SourceOp]) -> list[str]:
    """What is doubtful about a profile for a network; refuse one of another network."""
    sizes = {name_of(node): neurons_of(node) for node in nodes}
    if not sizes.keys() & known.rates.keys():
        raise CompileError(
            f"{path}: none of its {len(known.rates)} layers is a layer of this network, "
            f"which has {', '.join(sorted(sizes)[:3])}, ...; {AGAIN}"
        )
    for name, neurons in known.neurons.items():
        if name in sizes and neurons != sizes[name]:
            raise CompileError(
                f"{path}: layer '{name}' has {neurons} neurons there and {sizes[name]} in this "
                f"network; {AGAIN}"
            )
    missing = dict.fromkeys(
        name_of(node) for node in nodes if name_of(node) not in known.rates and sends(node)
    )
    unknown = [name for name in known.rates if name not in sizes]
    found = []
    if missing:
        found.append(
            f"{path}: no spikes of {len(missing)} of {len(sizes)} layers ('{next(iter(missing))}' "
            f"is the first), which get a generic rate; {AGAIN}"
        )
    if unknown:
        found.append(
            f"{path}: {len(unknown)} of its {len(known.rates)} layers ('{unknown[0]}' is the "
            f"first) are no layers of this network; {AGAIN}"
        )
    if not known.complete:
        found.append(
            f"{path}: its run ended before all inputs were quiescent, so that spikes are missing; "
            f"{AGAIN}, to the end"
        )
    return found


def softmaxes(nodes: list[token.ActorOp | token.SourceOp]) -> dict[SSAValue, int]:
    """The most softmaxes on a way from an input through each layer that a softmax or a norm is on
    such a way to, or that is one; layers without are left out.
    """
    found: dict[SSAValue, int] = {}
    for node in nodes:
        if isinstance(node, token.ActorOp):
            end = node.body.block.last_op
            before = [found[value] for value in node.inputs if value in found]
            if before or isinstance(end, token.RowFunction):
                found[node.output] = max(before, default=0) + isinstance(end, token.SoftmaxOp)
    return found


def generic(node: token.ActorOp | token.SourceOp, softmaxes: int | None = None) -> Rates:
    """The rates of a layer of which nothing is known; `softmaxes` as the function of that name."""
    if isinstance(node, token.ActorOp):
        return GENERIC if softmaxes is None else settling(node, softmaxes)
    stream = token.stream(node.output)
    largest = max(stream.hi.data, -stream.lo.data)
    match node.coding.data:
        case spiking.Coding.ANALOG:
            return (1.0,)
        case spiking.Coding.BITPLANE:
            return (INPUT_RATE,) * max(1, largest.bit_length())
        case _:
            # Tracers spread evenly over 0 to the largest: ever fewer still have a spike to send.
            return tuple((largest - step) / (largest + 1) for step in range(largest))


def settling(node: token.ActorOp, softmaxes: int) -> Rates:
    """The rates of a layer behind a softmax or a norm."""
    steps = FIRST_STEPS + STEPS_BEHIND_SOFTMAX * softmaxes
    most = MOVING / 2 if isinstance(node.body.block.last_op, token.CurveOp) else MOVING
    return tuple(min(1.0, (1 - step / steps) / SETTLED) * most for step in range(steps))


def read_profile(path: Path, sha256: str | None = None) -> Profile:
    """What a profile says; refuse a file that is none, or not the one that is meant."""
    try:
        data = path.read_bytes()
        if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
            raise CompileError(
                f"{path}: not the profile that is meant, whose sha256 is {sha256[:12]}...; name "
                "that one, or leave sha256 out"
            )
        report = json.loads(data)
        layers = report["layers"]
        return Profile(
            {layer["name"]: _rates(layer) for layer in layers},
            {layer["name"]: int(layer["neurons"]) for layer in layers},
            not report.get("interrupted", False) and bool(report.get("terminal", True)),
        )
    except OSError as error:
        raise CompileError(f"{path}: cannot be read: {error.strerror}") from None
    except KeyError as error:
        raise CompileError(
            f"{path}: no {error} in it; expected the JSON report of elsac run"
        ) from None
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise CompileError(
            f"{path}: not a profile ({error}); expected the JSON report of elsac run"
        ) from None


def _rates(layer: dict[str, Any]) -> Rates:
    """Spikes per neuron in each step."""
    rates = tuple(float(spikes) / int(layer["neurons"]) for spikes in layer["spikes_per_step"])
    if any(not 0 <= rate <= 1 for rate in rates):
        raise ValueError(f"layer '{layer['name']}' has more spikes in a step than neurons")
    return rates
