"""The ISA reference page, generated from the instruction table."""

from elsac.runtime.isa import ISA, PACKET_SPIKES, WORD_BITS, Handler, Instruction

_HANDLERS = {
    Handler.SPIKES: "on spikes",
    Handler.END: "on end",
    Handler.ROW: "on row",
    Handler.STEP: "on step",
}
_SLOTS = {"a": "bits 8 to 15", "b": "bits 16 to 31", "c": "bits 32 to 63"}
_LOOP = {True: "only within `taps`", False: "only outside of `taps`", None: "anywhere"}

_HEAD = f"""# The instruction set

*Generated from `elsac/runtime/isa.py`; do not edit.* `python -m elsac.runtime.reference` writes
this page anew.

A core runs threads. A thread is one tile of one layer: it owns segments of the weight, membrane
and tracer memories, and four kinds of handler, each a run of words that finishes with `end`:

- **on spikes**, one per input port: a packet of at most {PACKET_SPIKES} spikes of one spine has
  arrived.
- **on end**, one per input port: the last spike of that spine of this step has been served.
- **on row**: every input that an output row waits for has ended, so the row may fire.
- **on step**, in threads that hold a part of the answer: the step has been served. These run only
  if the host has set the exit registers ([elastic.md](elastic.md)).

## Words

An instruction is one word of {WORD_BITS} bits:

| slot | bits | holds |
| --- | --- | --- |
| opcode | 0 to 7 | the instruction |
| `a` | 8 to 15 | unsigned operand |
| `b` | 16 to 31 | unsigned operand |
| `c` | 32 to 63 | signed operand, two's complement |

Slots that an instruction does not use are zero; any other word encodes nothing and is refused.
In the text form an instruction is its mnemonic and its operands by name: `acc weights=3, shift=0`.

## Instructions

"""


def isa_markdown() -> str:
    """Return the page in Markdown; `docs/isa.md` holds exactly this text."""
    rows = [
        "| opcode | mnemonic | operands | handlers | place |",
        "| --- | --- | --- | --- | --- |",
    ]
    for instruction in ISA:
        operands = ", ".join(f"`{f.name}` ({f.slot})" for f in instruction.fields) or "none"
        rows.append(
            f"| {instruction.opcode} | [`{instruction.mnemonic}`](#{instruction.mnemonic}) | "
            f"{operands} | {_handlers(instruction)} | {_LOOP[instruction.in_loop]} |"
        )
    return _HEAD + "\n".join([*rows, "", *map(_entry, ISA)])


def _handlers(instruction: Instruction) -> str:
    return ", ".join(name for flag, name in _HANDLERS.items() if flag in instruction.handlers)


def _entry(instruction: Instruction) -> str:
    lines = [f"### {instruction.mnemonic}", "", instruction.meaning, ""]
    if instruction.fields:
        lines += ["| operand | place | range | meaning |", "| --- | --- | --- | --- |"]
        for field in instruction.fields:
            low, high = field.range
            meaning = field.meaning + (f"; a row of `{field.table}`" if field.table else "")
            lines.append(
                f"| `{field.name}` | `{field.slot}`, {_SLOTS[field.slot]} | {low} to {high} | "
                f"{meaning} |"
            )
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    from pathlib import Path

    page = Path(__file__).parents[2] / "docs" / "isa.md"
    page.write_text(isa_markdown(), encoding="utf-8")
