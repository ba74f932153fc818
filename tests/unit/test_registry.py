import subprocess
import sys

import pytest
from xdsl.ir import Dialect
from xdsl.passes import ModulePass

from elsac.registry import DIALECTS, PASSES, dialect_factories, pass_factories


@pytest.mark.parametrize("name", PASSES)
def test_passes_have_their_names(name: str) -> None:
    made = pass_factories()[name]()
    assert issubclass(made, ModulePass)
    assert made.name == name


@pytest.mark.parametrize("name", DIALECTS)
def test_dialects_have_their_names(name: str) -> None:
    made = dialect_factories()[name]()
    assert isinstance(made, Dialect)
    assert made.name == name


def test_the_table_imports_nothing() -> None:
    code = "import sys, elsac.registry; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"xdsl", "numpy", "onnx", "numba", "networkx", "ortools"} & set(run.stdout.split())
