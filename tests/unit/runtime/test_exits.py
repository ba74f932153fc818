"""Exits on programs made by hand: registers, words, refusals, what is counted, what is left."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import onnx
import pytest

from elsac.compiler import Options
from elsac.context import CompileError
from elsac.runtime.assembly import assemble, disassemble
from elsac.runtime.bindings import Host, RunError
from elsac.runtime.container import from_bytes, to_bytes
from elsac.runtime.emulator import ImageError, Registers, load_image, run_sample
from elsac.runtime.emulator.exits import register_of
from elsac.runtime.exiting import Exit, obstacle, registers_for
from elsac.runtime.isa import EXPS, LOGIT_KINDS, decode, encode, words
from elsac.runtime.program import Program
from elsac.runtime.run import run_program
from elsac.targets import load_target
from tests.exits import Decided, decide
from tests.networks import images_for
from tests.networks.builder import NetworkBuilder
from tests.programs import Builder
from tests.properties.support import images_of, program_from, program_of

ENGINES = ("fast", "machine", "interpreter")


def head(rule: str = "class", apart: bool = False, tiles: int = 2) -> Decided:
    """A source of one row and a readout with an exit; the seed gives tiles and columns."""
    for seed in range(100):
        builder = Builder(seed=seed)
        builder.source((1, 2), 3, 0, 15, "bitplane")
        builder.conv(builder.layers[0], 2, 1, 1, 0)
        builder.conv(builder.layers[0], 2, 1, 1, 0)
        decided = decide(builder, rule, seed, apart)
        if len(decided.parts) == tiles:
            return decided
    raise AssertionError("no seed gives so many tiles")


SAMPLE = [np.array([[5, 15, 0], [8, 1, 9]])]


def test_words_of_exits() -> None:
    for name, operand in (("report", "logits"), ("exit", "decision")):
        for value in (0, 7, (1 << 31) - 1):
            instruction, operands = decode(encode(name, **{operand: value}))
            assert (instruction.mnemonic, operands) == (name, {operand: value})


def test_programs_with_exits_survive_text_and_file() -> None:
    program = program_of("float_bias_mlp")
    assert len(program.decisions) == 1
    data = to_bytes(program)
    assert to_bytes(from_bytes(data)) == data
    text = disassemble(program)
    assert ".on_step:" in text
    assert "; class, " in text
    assert to_bytes(assemble(text)) == data


@pytest.mark.parametrize("confidence", [1e-6, 0.1, 0.5, 0.9, 1 - 1e-9])
def test_registers_are_exact(confidence: float) -> None:
    level = register_of("class", confidence)
    assert Fraction(level) <= (1 << 30) / Fraction(confidence) < level + 1
    odds = 2.0 ** (register_of("objectness", confidence) / (1 << 24))
    assert odds / (1 + odds) == pytest.approx(confidence, rel=1e-6)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0, float("nan")])
def test_confidences_lie_between_0_and_1(confidence: float) -> None:
    with pytest.raises(ValueError, match="expected a number above 0 and below 1"):
        register_of("class", confidence)
    program = program_of("float_bias_mlp")
    with pytest.raises(RunError, match="exit: confidence"):
        registers_for(program, Host(program), Exit(confidence))


def test_registers_ask_for_something() -> None:
    with pytest.raises(ValueError, match="ask for nothing"):
        Registers()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("rule", ["class", "objectness"])
def test_an_exit_at_once_and_one_that_never_comes(engine: Any, rule: str) -> None:
    decided = head(rule)
    image = load_image(decided.program)
    full = run_sample(image, SAMPLE, engine)
    assert full.steps > 2
    assert (full.exited, full.control) == (False, None)
    first = run_sample(image, SAMPLE, engine, exits=Registers(register_of(rule, 1e-12)))
    assert (first.exited, first.terminal, first.steps) == (True, False, 1)
    assert len(first.step_spikes) == 1
    never = run_sample(image, SAMPLE, engine, exits=Registers(register_of(rule, 1 - 1e-12)))
    assert (never.exited, never.terminal, never.steps) == (False, True, full.steps)
    np.testing.assert_array_equal(never.membranes, full.membranes)
    assert never.control is not None
    # Reports of every step and of the quiet one, one word for each tile, its end, and the decision.
    assert never.control.instructions.sum() == (full.steps + 1) * (2 * len(decided.parts) + 1)


@pytest.mark.parametrize("engine", ENGINES)
def test_flits_of_reports_and_of_the_kill_token(engine: Any) -> None:
    decided = head(apart=True)
    image = load_image(decided.program)
    outcome = run_sample(image, SAMPLE, engine, exits=Registers(register_of("class", 1e-12)))
    here, there = (part.thread for part in decided.parts)
    assert outcome.control is not None
    # The charges of one step fit one flit or more, and cross the two links from core 0 to core 2.
    assert outcome.control.flits[here] >= 1
    assert outcome.control.hops[here] == 2 * outcome.control.flits[here]
    # The kill token crosses the three links of the tree from core 2 to the cores 0, 1 and 3.
    assert outcome.control.flits[there] == 1
    assert outcome.control.hops[there] == 3
    together = head()
    near = run_sample(
        load_image(together.program), SAMPLE, engine, exits=Registers(register_of("class", 1e-12))
    )
    assert near.control is not None
    assert near.control.flits.sum() == 1  # between threads of one core nothing travels


def test_counts_of_spikes_do_not_change() -> None:
    decided = head()
    image = load_image(decided.program)
    full = run_sample(image, SAMPLE)
    never = run_sample(image, SAMPLE, exits=Registers(register_of("class", 1 - 1e-12)))
    np.testing.assert_array_equal(full.stats.packets, never.stats.packets)
    np.testing.assert_array_equal(full.stats.instructions, never.stats.instructions)


def test_a_program_without_a_decision_cannot_exit() -> None:
    builder = Builder()
    builder.source((1, 2), 3, 0, 7, "analog")
    with pytest.raises(ValueError, match="no decision to exit"):
        run_sample(load_image(builder.program()), [SAMPLE[0] // 4], exits=Registers(stable=1))


def field(table: str, name: str, value: int, row: int = 0) -> Callable[[Program], None]:
    """A change of one entry of a table."""

    def change(program: Program) -> None:
        getattr(program, table)[name][row] = value

    return change


def word(offset: int, name: str, **operands: int) -> Callable[[Program], None]:
    """A change of one word of the last handler on step; its words are report, exit, end."""

    def change(program: Program) -> None:
        at = int(program.threads["on_step"][program.decisions["thread"][0]])
        program.code[at + offset] = words((name, operands))[0]

    return change


def twice(program: Program) -> None:
    """A second decision."""
    program.decisions = np.concatenate([program.decisions] * 2)


def exponential(program: Program) -> None:
    """A power of two above 1."""
    program.exps[3] = (1 << 30) + 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (twice, "2 decisions to exit; a program has one at most"),
        (exponential, "decision: exponentials outside of 0..1073741824"),
        (field("decisions", "rule", 2), "decision: rule 2; expected 0..1"),
        (field("decisions", "thread", 99), "decision: thread: 1 entries from 99 on"),
        (field("decisions", "thread", 0), "the thread: 4, but that decides: 0"),
        (field("decisions", "values", 0), "decision: 0 values; expected 1..4194304"),
        (field("decisions", "values", 1 << 23), "decision: 8388608 values"),
        (field("decisions", "exps", 1), f"decision: exponentials: {EXPS} entries from 1 on"),
        (field("logits", "decision", 1), "logits 0: decision: 1 entries from 1 on"),
        (field("logits", "kind", 2), "logits 0: kind 2; expected 0..1"),
        (field("logits", "stride", 0), "logits 0: "),
        (field("logits", "count", 0), "logits 0: "),
        (field("logits", "first", -1), "logits 0: "),
        (field("logits", "stride", 9), "is reported, but it has"),
        (field("logits", "shift", 63), "logits 0: shift 63; expected 0..62"),
        (field("logits", "scales", 99), "logits 0: scales: "),
        (field("logits", "base", 1), "is reported 0 times, expected once"),
        (field("logits", "base", -1), "value "),
        (field("logits", "base", 2147483647), "of "),
        (lambda p: p.scales.__setitem__((0, 0), 1 << 61), "a logit may leave 62 bits"),
        (lambda p: p.scales.__setitem__((0, 1), -(1 << 62)), "a logit may leave 62 bits"),
        (field("logits", "base", 0, 1), "value 0 is reported 2 times, expected once"),
        (word(0, "exit", decision=0), "2 'exit' in its handler on step"),
        (word(1, "end"), "0 'exit' in its handler on step"),
        (word(0, "report", logits=9), "logits 9, but the table 'logits' has 2 entries"),
        (word(1, "exit", decision=1), "decision 1, but the table 'decisions' has 1 entries"),
        (word(0, "send"), "'send' may not stand in this handler"),
        (word(2, "flow"), "'flow' may not stand in this handler"),
        (field("threads", "on_step", 9999), "(on step): outside of the core's words"),
    ],
)
def test_wrong_exits_are_refused(change: Callable[[Program], None], message: str) -> None:
    program = head().program
    load_image(program)
    change(program)
    with pytest.raises(ImageError) as caught:
        load_image(program)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_report_after_the_decision_is_refused() -> None:
    program = head().program
    last = int(program.decisions["thread"][0])
    first = last - 1
    program.threads["order"][[first, last]] = program.threads["order"][[last, first]]
    with pytest.raises(ImageError, match="it reports after the decision"):
        load_image(program)


def detector() -> onnx.ModelProto:
    """A network whose answer is a map of 2 x 2 places with 10 numbers each."""
    b = NetworkBuilder((2, 4, 4))
    return b.finish(head=b.conv(b.quantize("image"), 10, stride=2))


UNFIT: dict[str, Callable[[], Program]] = {
    "its logits go through Sub on the host": lambda: program_of("softmax_tail"),
    "it has no exit code; compile the network again, without --exit none": lambda: program_of(
        "float_bias_mlp", options=Options(effort=0, exit="none")
    ),
    "has 4 rows of 10, not one of classes; compile with --exit objectness": lambda: program_from(
        detector()
    ),
}


@pytest.mark.parametrize("why", UNFIT)
def test_programs_without_class_probabilities_say_why(why: str) -> None:
    program = UNFIT[why]()
    host = Host(program)
    assert why in (obstacle(program, host) or "")
    with pytest.raises(RunError, match="the program cannot exit early: ") as caught:
        registers_for(program, host, Exit(0.5))
    assert "\n" not in str(caught.value)


SMALL = replace(load_target("elsa-6x6"), pes_per_core=1, weight_sram_bytes_per_pe=64)
"""A chip on which the detector's answer takes two cores."""


@pytest.mark.parametrize(("target", "parts"), [(load_target("elsa-6x6"), 1), (SMALL, 2)])
@pytest.mark.parametrize(("channels", "picked"), [("1::3", slice(1, None, 3)), ("7", slice(7, 8))])
def test_objectness_is_the_greatest_sigmoid_of_its_channels(
    target: Any, parts: int, channels: str, picked: slice
) -> None:
    options = Options(effort=0, exit="objectness", exit_channels=channels)
    program = program_from(detector(), target, options)
    tiles = [t for t in program.threads if program.layers[t["layer"]] == program.layers[-1]]
    assert len(tiles) == parts
    inputs = {"image": images_for(detector(), 3)}
    steps = int(run_program(program, inputs).steps.max())
    best = np.array(
        [
            next(iter(run_program(program, inputs, max_steps=step).outputs.values()))[:, picked]
            .reshape(3, -1)
            .max(axis=1)
            for step in range(1, steps + 1)
        ],
        np.float64,
    ).T
    sure = 1 / (1 + np.exp(-best))
    exits = 0
    for confidence in np.quantile(sure, [0.1, 0.5, 0.9]) + 1e-4:
        result = run_program(program, inputs, exit=Exit(float(confidence)))
        fires = sure >= confidence
        for sample in range(3):
            exits += fires[sample].any()
            if fires[sample].any():
                assert result.steps[sample] == np.argmax(fires[sample]) + 1
                assert result.exited[sample]
            else:
                assert result.terminal[sample]
    assert 0 < exits < 9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exit": "class"}, "no exit by class: the answer has 4 rows of 10"),
        ({"exit": "objectness"}, "--exit objectness needs --exit-channels"),
        ({"exit_channels": "0"}, "--exit-channels is for --exit objectness"),
        ({"exit": "boxes"}, "the exit 'boxes' is not one of class, objectness, none"),
        ({"exit": "objectness", "exit_channels": "a"}, "'a' are no slice FIRST:STOP:STEP"),
        ({"exit": "objectness", "exit_channels": '0"'}, "are no slice FIRST:STOP:STEP"),
        ({"exit": "objectness", "exit_channels": "12"}, "name none of the 10 channels"),
        ({"exit": "objectness", "exit_channels": "5::-1"}, "name none of the 10 channels"),
        ({"exit": "objectness", "exit_channels": "::0"}, "name none of the 10 channels"),
    ],
)
def test_exits_that_the_answer_does_not_allow(options: dict[str, str], message: str) -> None:
    with pytest.raises(CompileError) as caught:
        program_from(detector(), "elsa-6x6", Options(effort=0, **options))  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_quantized_answer_has_logits_of_one_scale() -> None:
    program = program_of("qoperator_cnn")
    assert [LOGIT_KINDS[kind] for kind in program.logits["kind"]] == ["tracer"]
    assert obstacle(program, Host(program)) is None
    inputs = images_of("qoperator_cnn", 2)
    ends = [run_program(program, inputs, exit=Exit(0.3), engine=engine).steps for engine in ENGINES]
    for other in ends[1:]:
        np.testing.assert_array_equal(ends[0], other)
    logits = next(iter(run_program(program, inputs, exit=Exit(0.3)).outputs.values()))
    sums = np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)
    done = run_program(program, inputs, exit=Exit(0.3)).exited
    assert ((1 / sums >= 0.3) | ~done).all()
