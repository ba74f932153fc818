"""The filecheck suite, as one test: lit runs its files in parallel by itself."""

import os
import re
import subprocess
import sys
from pathlib import Path

FILECHECK = Path(__file__).parents[1] / "filecheck"


def test_lit_suite() -> None:
    # The script and not `python -m lit.main`, which runs nothing and succeeds.
    lit = Path(sys.executable).with_name("lit")
    run = subprocess.run(
        [lit, "-v", "--no-progress-bar", "-j", str(os.cpu_count()), FILECHECK],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    passed = re.search(r"^\s*Passed\s*: (\d+)", run.stdout, re.MULTILINE)
    assert passed is not None, run.stdout
    assert int(passed[1]) > 0
