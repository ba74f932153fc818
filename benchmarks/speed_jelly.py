"""SpikingJelly on its own networks: IF neurons, batch normalization kept, torch backend, random
weights. A dense simulator takes as long whatever spikes, so this is a clock; answers mean nothing.
"""

import sys
import types
from typing import Any

import torch
from speed_worker import Missing, Runner, serve

NETWORKS = ("resnet18", "resnet34", "resnet50", "resnet101")


def library() -> Any:
    """Its networks, also where torchvision is absent, of which they use a download function."""
    try:
        import torchvision  # noqa: F401
    except ImportError:
        stub, utils = types.ModuleType("torchvision"), "torchvision._internally_replaced_utils"
        download = types.ModuleType(utils)
        download.load_state_dict_from_url = None  # type: ignore[attr-defined]
        sys.modules.update({"torchvision": stub, utils: download})
    from spikingjelly.activation_based.model import spiking_resnet

    return spiking_resnet


class Jelly:
    """One of its networks; step mode m folds the steps into the batch, s goes step by step."""

    def __init__(self, network: str, steps: int, mode: str) -> None:
        models = library()
        from spikingjelly.activation_based import functional, neuron

        build = getattr(models, f"spiking_{network}")
        net = build(pretrained=False, spiking_neuron=neuron.IFNode).eval()
        functional.set_step_mode(net, mode)
        self.net = net.to(memory_format=torch.channels_last)
        self.reset, self.steps, self.mode = functional.reset_net, steps, mode
        torch.manual_seed(0)
        self.image = torch.rand(1, 3, 224, 224).contiguous(memory_format=torch.channels_last)
        self.run()

    def facts(self) -> dict[str, Any]:
        """Versions."""
        from importlib.metadata import version

        known = {"spikingjelly": version("spikingjelly"), "torch": torch.__version__}
        return known | {"threads": torch.get_num_threads(), "step_mode": self.mode}

    def run(self) -> None:
        """All steps of one image."""
        self.reset(self.net)
        if self.mode == "m":
            self.net(self.image.unsqueeze(0).expand(self.steps, -1, -1, -1, -1))
        else:
            for _ in range(self.steps):
                self.net(self.image)

    def answer(self) -> dict[str, Any]:
        """Nothing that could be compared."""
        return {}


def make(request: dict[str, Any]) -> Runner:
    """A runner for `name`, `steps`, `kind` (m or s) and `threads`."""
    name = request["name"].split("-")[0]
    if name not in NETWORKS:
        raise Missing(f"it has no network like {name}")
    torch.set_num_threads(request["threads"])
    torch.set_grad_enabled(False)
    return Jelly(name, request["steps"], request["kind"])


if __name__ == "__main__":
    serve(make)
