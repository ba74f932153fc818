"""What the verifier of mappings accepts, and that it stands alone.

The module is that of the filecheck test, whose comments derive every figure by hand.
"""

import ast
import dataclasses
from collections.abc import Callable
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from xdsl.dialects.builtin import DictionaryAttr, IntegerAttr, ModuleOp
from xdsl.parser import Parser
from xdsl.printer import Printer

import elsac.passes.verify_mapping as package
from elsac.compiler import new_context
from elsac.context import CompileError
from elsac.dialects import token
from elsac.dialects.net import int_attr
from elsac.passes.verify_mapping import VerifyMapping
from elsac.runtime.packets import FORMATS, PacketFormat, Streams
from elsac.targets import load_target

EXAMPLE = Path(__file__).parents[2] / "filecheck/passes/verify-mapping.mlir"

SHARED = {
    "elsac.context",
    "elsac.dialects",
    "elsac.dialects.products",
    "elsac.dialects.token",
    "elsac.passes.ranges",
    "elsac.runtime.packets",
    "elsac.runtime.program",
    "elsac.targets",
}
"""All that the verifier has in common with the passes that it verifies."""


@cache
def parsed(text: str) -> ModuleOp:
    return Parser(new_context(load_target("elsa-6x6")), text).parse_module()


class Mapped:
    """The module of the example (or of a text), its tiles by the names of their results."""

    def __init__(self, text: str | None = None, **target: int | str) -> None:
        preset = load_target("elsa-6x6")
        self.context = new_context(dataclasses.replace(preset, **target))  # type: ignore[arg-type]
        self.module = parsed(text or EXAMPLE.read_text("utf-8")).clone()
        self.nodes = {
            o.output.name_hint: o
            for o in self.module.body.ops
            if isinstance(o, token.ActorOp | token.SourceOp)
        }

    def __getitem__(self, name: str) -> token.ActorOp:
        node = self.nodes[name]
        assert isinstance(node, token.ActorOp)
        return node

    def claim(self, subject: str) -> token.ClaimOp:
        claims = [o for o in self.module.body.ops if isinstance(o, token.ClaimOp)]
        return next(c for c in claims if c.subject.data == subject)

    def figures(self, subject: str, **figures: int) -> None:
        """Claim other figures."""
        claim = self.claim(subject)
        claim.properties["figures"] = token.ClaimOp(
            subject, {**claim.figures.data, **figures}
        ).figures

    def packets(self, packets: PacketFormat) -> None:
        """Choose another packet format."""
        (old,) = (o for o in self.module.body.ops if isinstance(o, token.PacketFormatOp))
        new = token.PacketFormatOp(
            packets.kind, packets.flit_bits, packets.fields, packets.capacity
        )
        old.properties.update(new.properties)

    @property
    def text(self) -> str:
        stream = StringIO()
        Printer(stream).print_op(self.module)
        return stream.getvalue()

    def verify(self) -> None:
        VerifyMapping().apply(self.context, self.module)


Spoil = Callable[[Mapped], None]


class Faults:
    """Planted faults: functions that spoil the example in one thing, and what is said of it."""

    def __init__(self) -> None:
        self.all: list[Any] = []

    def __call__(self, refusal: str, again: str, **target: int | str) -> Callable[[Spoil], Spoil]:
        """Note a fault: its refusal, the pass to run again, and how the target differs."""

        def note(spoil: Spoil) -> Spoil:
            text = f"verify-mapping: {refusal}; run the pass {again} again"
            self.all.append(pytest.param(spoil, target, text, id=spoil.__name__))
            return spoil

        return note


def check_fault(spoil: Spoil, target: dict[str, int | str], refusal: str) -> None:
    """Plant a fault and compare the refusal with what was expected."""
    mapped = Mapped(**target)
    spoil(mapped)
    with pytest.raises(CompileError) as error:
        mapped.verify()
    assert str(error.value) == refusal


def test_nothing_changes() -> None:
    mapped = Mapped()
    before = mapped.text
    mapped.verify()
    mapped.module.verify()
    assert mapped.text == before


def test_nothing_has_to_be_claimed() -> None:
    mapped = Mapped()
    for subject in ("partition", "placement"):
        mapped.claim(subject).detach()
    mapped.verify()


def test_the_order_of_the_text_says_nothing() -> None:
    mapped = Mapped()
    last = mapped["j"]
    last.detach()
    first = mapped.module.body.block.first_op
    assert first is not None
    mapped.module.body.block.insert_op_before(last, first)
    mapped.verify()


@pytest.mark.parametrize(("sharing", "bottleneck"), [("time", 12), ("space", 8)])
def test_tiles_of_a_core_take_turns_or_not(sharing: str, bottleneck: int) -> None:
    # With a silent conv1, conv2 only fires: 8 cycles. The two tiles of the pool take 6 each.
    mapped = Mapped(circuit_sharing=sharing, circuits_per_pe=2)
    for name in "abcd":
        mapped[name].rates = token.rates_attr([0.0, 0.0])
    mapped.figures("partition", bottleneck=bottleneck, bound=0, crossing=26 - 8)
    mapped.figures("placement", flit_hops=62 - 32, bound=0)
    mapped.figures("routing", flit_hops=68 - 32, max_link=6)
    mapped.verify()


def test_lines_of_a_pool_on_several_pes() -> None:
    # A PE has one row, which sees two lines of two places: tracers of 2 bits for 1 + 4, 2 bytes.
    mapped = Mapped(tracer_sram_bytes_per_pe=4)
    for name, at in (("g", 0), ("h", 2)):
        tile = mapped[name]
        assert tile.memory is not None
        tile.pes = token.int_array([1, 2])
        entries = {"tracers_at": int_attr(at), "tracers_bytes": int_attr(2)}
        tile.memory = DictionaryAttr({**tile.memory.data, **entries})
    mapped.verify()


def test_a_pool_of_memory() -> None:
    mapped = Mapped(memory="pooled", pool_sram_bytes_per_pe=11)
    behind: dict[int, int] = {}
    for node in mapped.nodes.values():
        if isinstance(node, token.ActorOp):
            assert node.memory is not None and node.core is not None
            entries, core = dict(node.memory.data), node.core.value.data
            for what in ("weights", "membranes", "tracers"):
                entries[f"{what}_at"] = int_attr(behind.get(core, 0))
                size = entries[f"{what}_bytes"]
                assert isinstance(size, IntegerAttr)
                behind[core] = behind.get(core, 0) + size.value.data
            node.memory = DictionaryAttr(entries)
    mapped.verify()


def test_slow_links_between_chips() -> None:
    # Columns 0 to 2 are on one chip. From conv2 to the pool, the short tree costs 10 and the long
    # one 12, the other tile's 11; placement counts 10 and 11.
    mapped = Mapped(chip_width=3, chip_link_hops=10)
    mapped.figures("placement", flit_hops=14 + 32 + 4 * 10 + 4 * 11 + 4)
    # Five flits pass from (2, 1) to (3, 1), which takes each as long as ten hops.
    hops = 18 + 32 + (3 * 10 + 1 * 12) + 4 * 11 + 4
    mapped.figures("routing", flit_hops=hops, max_link=5 * 10)
    mapped.verify()


INPUT = """
net.blob @w : tensor<4x1x1x1xi8> ints [1, 2, 3, 4]
%x = token.source "x" shape [2] scale "1" zero 0 as "UINT4" coding bitplane
  : !token.stream<1x2 in 0 to 3>
"""

GROUPED = """
%tile = token.actor "grouped" columns {first} to {last} of 4 reads %x
  : !token.stream<1x2 in 0 to 3> -> !token.stream<1x{columns} in 0 to 0> {{
^bb0(%0: !token.stream<1x2 in 0 to 3>):
  token.accumulate %0 weight @w map <1x1 to 1x1 window <kernel [1, 1]>> groups 2
    : !token.stream<1x2 in 0 to 3>
  token.hold bits 8
}}
"""


@pytest.mark.parametrize(
    ("cut", "refusal"),
    [
        (1, "'grouped' columns 0 to 1: it cuts groups of 2 columns apart"),
        (2, "'grouped' columns 0 to 2: it has no core"),
    ],
)
def test_a_tile_holds_whole_groups(cut: int, refusal: str) -> None:
    low = GROUPED.format(first=0, last=cut, columns=cut)
    high = GROUPED.format(first=cut, last=4, columns=4 - cut).replace("%tile", "%other")
    with pytest.raises(CompileError, match=refusal):
        Mapped(INPUT + low + high).verify()


JOINED = """
net.blob @ones : tensor<2xi8> ints [1, 1]
net.blob @same : tensor<1x2xi32> ints [0, 1]
%x = token.source "x" shape [2] scale "1" zero 0 as "UINT4" coding bitplane
  : !token.stream<1x2 in 0 to 3>
%a = token.actor "a" columns 0 to 1 of 2 reads %x
  : !token.stream<1x2 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%0: !token.stream<1x2 in 0 to 3>):
  token.scatter %0 of 2 at @same : !token.stream<1x2 in 0 to 3>
  token.flow alphabet ternary bits 4
}
%b = token.actor "a" columns 1 to 2 of 2 reads %x
  : !token.stream<1x2 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%0: !token.stream<1x2 in 0 to 3>):
  token.scatter %0 of 2 at @same : !token.stream<1x2 in 0 to 3>
  token.flow alphabet ternary bits 4
}
%c = token.actor "join" columns 0 to 1 of 2 reads %a
  : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 0> {
^bb0(%0: !token.stream<1x1 in 0 to 3>):
  token.add %0 by @ones map <1x1 to 1x1 window <kernel [1, 1]>> : !token.stream<1x1 in 0 to 3>
  token.hold bits 4
}
%d = token.actor "join" columns 1 to 2 of 2 reads %b
  : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 0> {
^bb0(%0: !token.stream<1x1 in 0 to 3>):
  token.add %0 from 1 by @ones map <1x1 to 1x1 window <kernel [1, 1]>>
    : !token.stream<1x1 in 0 to 3>
  token.hold bits 4
}
"""


def test_a_column_of_a_join_follows_its_own() -> None:
    mapped = Mapped(JOINED)
    with pytest.raises(CompileError, match="it has no core"):  # the tiles are as they should be
        mapped.verify()
    mapped["d"].operands = [mapped["a"].output]
    mapped["d"].body.block.first_op.properties["base"] = int_attr(0)  # type: ignore[union-attr]
    refusal = "follow spines 0 to 1, columns 1 to 2 of node 'a' columns 1 to 2, .* reads 0 times"
    with pytest.raises(CompileError, match=refusal):
        mapped.verify()


PACKETS = """
net.blob @same : tensor<1x5xi32> ints [0, 1, 2, 3, 4]
token.packet_format "baer" flit 256 fields {
  destination = 6 : i64, type = 2 : i64, spine = 12 : i64, position = 12 : i64, sign = 1 : i64,
  check = 15 : i64, exponent = 0 : i64
} capacity 17
"""

WAITING = """
%NAME = token.actor "NAME" columns 0 to 5 of 5 reads %OTHER core 0 place [0, 0] routes []
  memory {
    weights_at = 0 : i64, weights_bytes = 0 : i64, membranes_at = BYTE : i64,
    membranes_bytes = 1 : i64, tracers_at = BYTE : i64, tracers_bytes = 1 : i64
  } : !token.stream<1x5 in 0 to 3> -> !token.stream<1x5 in 0 to 3> {
^bb0(%0: !token.stream<1x5 in 0 to 3>):
  token.scatter %0 of 5 at @same : !token.stream<1x5 in 0 to 3>
  token.flow alphabet ternary bits 4
}
"""

CIRCLE = PACKETS + "".join(
    WAITING.replace("NAME", name).replace("OTHER", other).replace("BYTE", str(byte))
    for byte, (name, other) in enumerate(("ab", "ba"))
)


def test_streams_that_wait_for_each_other() -> None:
    with pytest.raises(
        CompileError, match="waits for itself: node 'a' reads node 'b' reads node 'a'"
    ):
        Mapped(CIRCLE).verify()


WIDE = Streams(spines=4096, columns=4096, exponent=0)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_kind_of_packet(kind: str) -> None:
    mapped = Mapped(CIRCLE)
    packets = FORMATS[kind].fitting(mapped.context.target, WIDE, None)
    mapped.packets(packets)
    with pytest.raises(CompileError, match="waits for itself"):  # which is checked behind packets
        mapped.verify()


@pytest.mark.parametrize(
    ("kind", "field", "bits", "refusal"),
    [
        ("baer", "destination", 5, "5 bits of destination cannot name 36 places"),
        ("bundle", "destination", 5, "5 bits of destination cannot name 36 places"),
        ("aer-morphic", "chip", 3, "5 bits of chip and core cannot name 36 places"),
        ("aer-truenorth", "dx", 3, "2 bits of dx cannot name 6 places"),
        ("aer-truenorth", "dy", 3, "2 bits of dy cannot name 6 places"),
        *(
            (kind, "position", 2, "a column of 4 does not fit a field of 2 bits")
            for kind in FORMATS
        ),
    ],
)
def test_a_field_that_is_too_narrow(kind: str, field: str, bits: int, refusal: str) -> None:
    mapped = Mapped(CIRCLE)
    packets = FORMATS[kind].fitting(mapped.context.target, WIDE, None)
    mapped.packets(dataclasses.replace(packets, **{field: bits}))
    with pytest.raises(CompileError, match=refusal):
        mapped.verify()


def test_the_verifier_shares_no_code_with_what_it_verifies() -> None:
    (folder,) = package.__path__
    for file in Path(folder).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                own = name.startswith(package.__name__)
                assert own or not name.startswith("elsac") or name in SHARED, (file.name, name)
