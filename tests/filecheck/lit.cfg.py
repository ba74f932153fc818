"""lit configuration: run `lit tests/filecheck`."""

import os
import sys
from pathlib import Path

import lit.formats

config.name = "elsac"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir"]
config.test_source_root = str(Path(__file__).parent)

# Take elsac-opt and filecheck from the interpreter that runs lit, never from PATH luck.
bin_dir = str(Path(sys.executable).parent)
config.environment["PATH"] = os.pathsep.join([bin_dir, os.environ["PATH"]])
config.environment["PYTHONHASHSEED"] = "0"
config.substitutions.append(("%elsac-opt", f"{bin_dir}/elsac-opt"))
