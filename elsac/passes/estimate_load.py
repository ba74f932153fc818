"""Estimate how often neurons spike: the rates on which tiling, placement and routing rest.

`profile` names a file with the spikes of each layer in each step: the JSON report of `elsac run`,
or one written by hand: {"layers": [{"name": "conv1", "neurons": 802816, "spikes_per_step": [..]}]}.
Layers that it does not name, and all layers without a profile, get a generic rate: the mean over
the layers of the published ResNet-50 trace, steps 1 to 8. Rates decide how well a mapping suits a
network, never what it computes.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from elsac.context import CompileError
from elsac.dialects import spiking, token

GENERIC = (0.175, 0.170, 0.154, 0.146, 0.141, 0.116, 0.098, 0.082)
"""Spikes per neuron and step, mean over the layers of the ELSA artifact's ResNet-50 trace."""

INPUT_RATE = 0.5
"""The share of set bits in a bit-plane of an input, if nothing else is known."""

Rates = tuple[float, ...]


@dataclass(frozen=True)
class EstimateLoad(ModulePass):
    """Set `rates` on every actor and source."""

    name = "estimate-load"
    profile: str | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Take the rates of the profile, else generic ones."""
        known = {} if self.profile is None else read_profile(Path(self.profile))
        used = set()
        for o in op.body.ops:
            if isinstance(o, token.ActorOp | token.SourceOp):
                name = o.layer.data if isinstance(o, token.ActorOp) else o.tensor_name.data
                rates = known[name] if name in known else generic(o)  # a silent layer has none
                used.add(name)
                o.rates = token.rates_attr(rates)
        if self.profile is not None and not used & known.keys():
            raise CompileError(
                f"{self.profile}: none of its {len(known)} layers is a layer of this network, "
                f"which has {', '.join(sorted(used)[:3])}, ...; write a profile of this network "
                "with elsac run --json"
            )


def generic(node: token.ActorOp | token.SourceOp) -> Rates:
    """The rates of a layer of which nothing is known."""
    if isinstance(node, token.ActorOp):
        return GENERIC
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


def read_profile(path: Path) -> dict[str, Rates]:
    """The rates of each layer that a profile names; refuse a file that is none."""
    try:
        text = path.read_text("utf-8")
        layers = json.loads(text)["layers"]
        return {layer["name"]: _rates(layer) for layer in layers}
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
