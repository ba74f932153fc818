"""Profiles that are doubtful: of another network, of a part, of a run that did not end."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from xdsl.parser import Parser

from elsac.compiler import Options, compile_onnx, new_context, run
from elsac.context import CompileError
from elsac.passes.estimate_load import EstimateLoad
from elsac.runtime import container
from elsac.targets import load_target
from tests.networks.named import mobilenet_like

TEXT = """
net.blob @w : tensor<2x1x1x1xi8> ints [1, 2]
net.blob @stairs : tensor<1x1x2xi64> ints [1, 2]
%x = token.source "x" shape [1, 4, 2] scale "1" zero 0 as "UINT4" coding bitplane
  : !token.stream<8x1 in 0 to 15>
%a = token.actor "conv" columns 0 to 2 of 2 reads %x
  : !token.stream<8x1 in 0 to 15> -> !token.stream<8x2 in 0 to 1> {
^bb0(%0: !token.stream<8x1 in 0 to 15>):
  token.accumulate %0 weight @w map <4x2 to 4x2 window <kernel [1, 1]>> groups 1
    : !token.stream<8x1 in 0 to 15>
  token.fire stairs @stairs alphabet ternary bits 9
}
%b = token.actor "fc" columns 0 to 2 of 2 reads %x
  : !token.stream<8x1 in 0 to 15> -> !token.stream<8x2 in 0 to 1> {
^bb0(%1: !token.stream<8x1 in 0 to 15>):
  token.accumulate %1 weight @w map <4x2 to 4x2 window <kernel [1, 1]>> groups 1
    : !token.stream<8x1 in 0 to 15>
  token.hold bits 9
}
"""
LAYERS = {"x": 8, "conv": 16}


def report(path: Path, layers: dict[str, int], **more: Any) -> str:
    file = path / "run.json"
    rows = [{"name": n, "neurons": size, "spikes_per_step": [1]} for n, size in layers.items()]
    file.write_text(json.dumps({**more, "layers": rows}))
    return str(file)


def warnings(profile: str, sha256: str | None = None) -> list[str]:
    context = new_context(load_target("elsa-6x6"))
    module = Parser(context, TEXT).parse_module()
    run(EstimateLoad(profile, sha256), context, module)
    return context.warnings


def test_a_profile_of_all_that_spikes_is_taken(tmp_path: Path) -> None:
    """What holds its charge for the host never spikes, and needs no rate."""
    assert warnings(report(tmp_path, LAYERS, interrupted=False, terminal=True)) == []


def test_layers_of_another_size_are_of_another_network(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="layer 'conv' has 15 neurons there and 16 in this"):
        warnings(report(tmp_path, LAYERS | {"conv": 15}))


@pytest.mark.parametrize(
    ("layers", "more", "message"),
    [
        ({"x": 8}, {}, "no spikes of 1 of 3 layers ('conv' is the first)"),
        (LAYERS | {"pool": 3}, {}, "1 of its 3 layers ('pool' is the first) are no layers of"),
        (LAYERS, {"interrupted": True}, "its run ended before all inputs were quiescent"),
        (LAYERS, {"terminal": False}, "its run ended before all inputs were quiescent"),
    ],
)
def test_what_is_doubtful_is_said(
    tmp_path: Path, layers: dict[str, int], more: dict[str, Any], message: str
) -> None:
    profile = report(tmp_path, layers, **more)
    (warning,) = warnings(profile)
    assert warning.startswith(f"{profile}: {message}")


def test_a_profile_that_has_changed_is_refused(tmp_path: Path) -> None:
    profile = report(tmp_path, LAYERS)
    digest = hashlib.sha256(Path(profile).read_bytes()).hexdigest()
    assert warnings(profile, digest) == []
    report(tmp_path, LAYERS, terminal=True)
    with pytest.raises(CompileError, match="not the profile that is meant, whose sha256 is"):
        warnings(profile, digest)


def test_programs_do_not_depend_on_where_a_profile_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = tmp_path / "network.onnx"
    network.write_bytes(mobilenet_like().SerializeToString())
    profile = Path(report(tmp_path, {"image": 192}))
    monkeypatch.chdir(tmp_path)
    programs = []
    for name in (str(profile), "run.json", "./run.json"):
        options = Options(effort=0, profile=name)
        compiled = compile_onnx(network, load_target("elsa-6x6"), options)
        assert compiled.program is not None
        programs.append(container.to_bytes(compiled.program))
    assert programs[0] == programs[1] == programs[2]
    digest = hashlib.sha256(profile.read_bytes()).hexdigest()
    assert f'estimate-load{{profile="run.json" sha256="{digest}"}}'.encode() in programs[0].replace(
        b'\\"', b'"'
    )
