"""The words of a handler, for all who ask what a program does without running it."""

from collections.abc import Iterator

from elsac.runtime.isa import decode
from elsac.runtime.program import Program


def handler(program: Program, first: int) -> Iterator[tuple[int, str, dict[str, int]]]:
    """Yield (word, mnemonic, operands) from the word `first` up to the `end`; none if it is -1."""
    word = first
    while word >= 0:
        instruction, operands = decode(int(program.code[word]))
        if instruction.mnemonic == "end":
            return
        yield word, instruction.mnemonic, operands
        word += 1
