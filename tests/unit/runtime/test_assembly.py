import numpy as np
import pytest

from elsac.runtime import container
from elsac.runtime.assembly import AssemblyError, assemble, disassemble
from elsac.runtime.program import Program
from tests.unit.runtime.programs import small_program

TEXT = disassemble(small_program())


def test_round_trip() -> None:
    again = assemble(TEXT)
    assert container.to_bytes(again) == container.to_bytes(small_program())
    assert disassemble(again) == TEXT


def test_any_words_and_names() -> None:
    program = small_program()
    program.code = np.array([255, 3 | 1 << 63, (1 << 64) - 1], dtype=np.uint64)
    program.arrays = {'a "b" ; \n.c': np.array([True]), ".code": np.zeros((2, 0, 3), np.float16)}
    program.threads["layer"] = -1
    program.layers = ["\u2028;\n"]
    again = assemble(disassemble(program))
    assert container.to_bytes(again) == container.to_bytes(program)


def test_empty_program() -> None:
    program = Program(header={}, bindings={}, layers=[], code=np.zeros(0, dtype=np.uint64))
    assert container.to_bytes(assemble(disassemble(program))) == container.to_bytes(program)


def test_reads_well() -> None:
    for line in (
        "  ; core 1 at x=1, y=0",
        "  ; conv; 1.0.on_spikes0:",
        "  ; conv; 1.0.on_row:",
        "  ; input.0.on_row:",
        "  4: acc weights=0, shift=3              ; 9 taps, 2 inputs from 0, 3 outputs, 4 bits",
        "  3: taps window=0                       ; 2x2 to 2x2, kernel 3x3",
        "  15: end",
        "  19: left product=0, base=1             ; 2 heads of 2x3 by 3x3",
        "  20: rcount product=1, base=0           ; 4x3 element by element",
        "  21: softmax softmax=0                  ; 3 exponentials, scale 5 / 2**7",
        "  22: norm norm=0                        ; rms of 3 columns, 3 levels from 0",
        "  23: curve curve=0                      ; 3 columns of 3 pieces, 2 classes",
        ".data depends int32 4",
        '.data "scalar" int64 scalar',
        "  0: source=0, column_base=0, spines=4, first=0, stop=4, on_spikes=3, on_end=9",
    ):
        assert line in TEXT.splitlines()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (" acc weights", " ack weights", "unknown instruction 'ack'; did you mean 'acc'?"),
        (" acc weights", " zzz weights", "expected one of end, taps"),
        ("weights=0, shift=3", "weights=0", "'acc': missing shift"),
        ("weights=0, shift=3", "weights=0, shft=3", "did you mean 'shift'?"),
        ("weights=0, shift=3", "weights=0, shift", "not of the form name=number"),
        ("weights=0, shift=3", "weights=0, shift=x", "shift=x is not a whole number"),
        ("weights=0, shift=3", "weights=0, shift=256", "shift = 256 is outside 0..255"),
        ("weights=0, shift=3", "weights=0, shift=3, shift=3", "stands twice"),
        ("  15: end", "  15: end now=1", "expected no operand"),
        ("  15: end", "  17: end", "expected '15:'"),
        ("  15: end", "  15: word 0x1_0000_0000_0000_0000", "does not fit 64 bits"),
        ("  15: end", "  15: word x", "not a whole number"),
        ("spines=4, first", "spines=2147483648, first", "outside -2147483648..2147483647"),
        ("spines=4, first", "first", "ports: missing spines"),
        (".table ports", ".table prots", "did you mean 'ports'?"),
        (".table ports", ".tabel ports", "did you mean '.table'?"),
        (".table ports", ".table windows", "unknown field 'source'"),
        (".elsac 4", ".elsac 1", "format 1, expected 4"),
        (".elsac 4\n", "", "the section '.elsac' is missing"),
        (".elsac 4\n", "acc\n", "expected a directive"),
        (".elsac 4", ".elsac 4\n.elsac 4", "stands in line 1 already"),
        # Without its directive, a block belongs to the one before it.
        (".data depends int32 4\n", "", "do not fill 32 bytes"),
        (".data depends int32 4", ".data depend int32 4", "did you mean 'depends'?"),
        (".data depends int32 4", ".data depends int32 5", "do not fill 16 bytes"),
        (".data depends int32 4", ".data depends int32 -4", "is no shape"),
        (".data depends int32 4", ".data depends float32 4", "depends is int32 n"),
        (".data depends int32 4", ".data depends object 4", "unknown dtype 'object'"),
        (".data depends int32 4", ".data depends int32", "expected '.data NAME dtype shape'"),
        (".data depends int32 4\n", ".data depends int32 4\n???\n", "not base64"),
        ('.data "scalar"', '.data "scalar', "the quoted name does not end"),
        ('.data "scalar" int64 scalar', '.data "scalar" int64 0x999999999999x9999999', "fill 8"),
        ('"alphabet": "ternary"', '"alphabet": ', "not valid JSON"),
        (".layers\n[", '.layers\n{"a":1}[', "not valid JSON"),
    ],
)
def test_errors(old: str, new: str, message: str) -> None:
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    with pytest.raises(AssemblyError) as caught:
        assemble(text)
    assert message in str(caught.value)
    assert str(caught.value).startswith("line ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("start", [".table ports", ".data links", ".header", ".code"])
def test_missing_section(start: str) -> None:
    before, after = TEXT.split(start, 1)
    text = before + after[after.index("\n.") + 1 :]
    with pytest.raises(AssemblyError, match=f"the section '{start}' is missing"):
        assemble(text)


def test_line_number() -> None:
    number = next(i for i, line in enumerate(TEXT.splitlines(), 1) if " acc " in line)
    with pytest.raises(AssemblyError, match=f"^line {number}: unknown instruction"):
        assemble(TEXT.replace(" acc ", " ack "))
