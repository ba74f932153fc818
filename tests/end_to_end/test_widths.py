"""`elsac info --widths`: the proof as a user sees it."""

from pathlib import Path

from elsac.runtime import container
from tests.end_to_end.conftest import Run


def test_a_program_proves_its_widths(elsac: Run, program: Path) -> None:
    lines = elsac("info", program, "--widths").stdout.splitlines()
    assert lines[0].split("  ")[0] == "layer"
    assert [line.split()[0] for line in lines[2:5]] == ["dense1", "dense2", "dense3"]
    assert lines[-1].startswith(f"proved: no membrane of {96 + 64 + 48 + 10} can leave its width")


def test_a_program_with_narrow_membranes_fails(elsac: Run, program: Path, tmp_path: Path) -> None:
    made, path = container.load(program), tmp_path / "narrow.bin"
    made.threads["membrane_bits"] -= made.threads["membrane_bits"] > 0
    container.save(made, path)
    assert "NOT proved" in elsac("info", path, "--widths", code=1).stdout.splitlines()[-1]


def test_widths_need_a_program(elsac: Run) -> None:
    assert "--widths needs a PROGRAM" in elsac("info", "--widths", code=2).output
