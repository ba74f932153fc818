"""Static verification of exits: what threads report, and the one decision that is made of it."""

import numpy as np

from elsac.runtime.emulator.checks import check_range, entries, fail, thread_name
from elsac.runtime.emulator.walk import Report, reports_of
from elsac.runtime.isa import EXIT_RULES, EXP_FRACTION, EXPS, LOGIT_KINDS
from elsac.runtime.program import Program

MAX_VALUES = 1 << 22
"""Most logits of a decision: sums of that many powers of two fit 64 bits."""

MAX_LOGIT = 1 << 61
"""Bound of a logit before its shift, so that differences of two fit 64 bits."""


def check_decisions(program: Program) -> None:
    """Refuse tables that no thread could use; threads and their order are checked by then."""
    if len(program.decisions) > 1:
        fail(f"{len(program.decisions)} decisions to exit; a program has one at most")
    for _, entry in entries(program.decisions):
        if not 0 <= entry["rule"] < len(EXIT_RULES):
            fail(f"decision: rule {entry['rule']}; expected 0..{len(EXIT_RULES) - 1}")
        check_range("decision: thread", entry["thread"], 1, len(program.threads))
        if not 1 <= entry["values"] <= MAX_VALUES:
            fail(f"decision: {entry['values']} values; expected 1..{MAX_VALUES}")
        check_range("decision: exponentials", entry["exps"], EXPS, len(program.exps))
        powers = program.exps[entry["exps"] :][:EXPS]
        if powers.min() < 0 or powers.max() > 1 << EXP_FRACTION:
            fail(f"decision: exponentials outside of 0..{1 << EXP_FRACTION}")
    for index, entry in entries(program.logits):
        where = f"logits {index}"
        check_range(f"{where}: decision", entry["decision"], 1, len(program.decisions))
        if not 0 <= entry["kind"] < len(LOGIT_KINDS):
            fail(f"{where}: kind {entry['kind']}; expected 0..{len(LOGIT_KINDS) - 1}")
        if entry["first"] < 0 or min(entry["stride"], entry["count"]) < 1:
            fail(
                f"{where}: {entry['count']} columns from {entry['first']} on in steps of "
                f"{entry['stride']}"
            )
        check_range(f"{where}: scales", entry["scales"], entry["count"], len(program.scales))
        if not 0 <= entry["shift"] <= 62:
            fail(f"{where}: shift {entry['shift']}; expected 0..62")


def check_reports(program: Program) -> None:
    """Every value of the decision is reported once, to a thread that runs later, and fits."""
    reports = reports_of(program)
    exits = [r for r in reports if r.decides]
    if not len(program.decisions):
        return
    decision = program.decisions[0]
    decider = int(decision["thread"])
    if len(exits) != 1:
        fail(f"{thread_name(program, decider)}: {len(exits)} 'exit' in its handler on step")
    told = np.zeros(int(decision["values"]), np.int64)
    for report in reports[: reports.index(exits[0])]:
        places = _places(program, report)
        if places.min() < 0 or places.max() >= len(told):
            fail(f"{_name(program, report)}: value {int(places.max())} of {len(told)}")
        told[places] += 1
        _fits(program, report)
    if reports[-1] is not exits[0]:
        fail(f"{_name(program, reports[-1])}: it reports after the decision")
    if (told != 1).any():
        fail(
            f"decision: value {int(np.argmax(told != 1))} is reported "
            f"{int(told[np.argmax(told != 1)])} times, expected once"
        )


def _places(program: Program, report: Report) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    entry = program.logits[report.row]
    size = int(program.threads[report.thread]["rows"]) * int(entry["count"])
    if not 1 <= size <= MAX_VALUES:
        fail(f"{_name(program, report)}: {size} values")
    return int(entry["base"]) + np.arange(size)


def _fits(program: Program, report: Report) -> None:
    """Logits before their shift stay below MAX_LOGIT."""
    entry, thread = program.logits[report.row], program.threads[report.thread]
    first = int(entry["scales"])
    most = max(-int(thread["lo"]), int(thread["hi"]))
    if LOGIT_KINDS[int(entry["kind"])] == "charge":
        most = 1 << (int(thread["membrane_bits"]) - 1)
    for multiplier, bias in program.scales[first : first + int(entry["count"])].tolist():
        if most * abs(multiplier) + abs(bias) >= MAX_LOGIT:
            fail(f"{_name(program, report)}: a logit may leave 62 bits")


def _name(program: Program, report: Report) -> str:
    return f"{thread_name(program, report.thread)}, word {report.word} (on step)"
