#!/usr/bin/env bash
# Builds the sdist and from it the wheel, installs the wheel in an empty environment, and uses it
# from another folder. Finds what an editable install hides: files that the wheel lacks, and
# modules that are found only because the repository is the current folder.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PYTHON=${PYTHON:-$root/.venv/bin/python}
case $PYTHON in
  */*) PYTHON=$(cd "$(dirname "$PYTHON")" && pwd)/$(basename "$PYTHON") ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "wheel check: $1" >&2
  exit 1
}

echo "build"
"$PYTHON" -m build --outdir "$work/dist" "$root" >"$work/build.log" 2>&1 ||
  { cat "$work/build.log" >&2; fail "the build failed"; }
wheel=$(echo "$work"/dist/elsac-*.whl)

echo "contents"
"$PYTHON" - "$wheel" "$root" <<'PYTHON'
import sys
import zipfile
from pathlib import Path

wheel, root = sys.argv[1], Path(sys.argv[2])
names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}
top = {name.split("/")[0] for name in names}
strangers = {name for name in top if name != "elsac" and not name.endswith(".dist-info")}
if strangers:
    sys.exit(f"wheel check: the wheel also installs {sorted(strangers)}")
source = {
    path.relative_to(root).as_posix()
    for path in (root / "elsac").rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
}
if missing := source - names:
    sys.exit(f"wheel check: the wheel lacks {sorted(missing)}")
PYTHON

echo "install"
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --disable-pip-version-check "$wheel" ||
  "$work/venv/bin/python" -m pip install -qq --disable-pip-version-check "$wheel"

echo "use"
mkdir "$work/elsewhere"
cd "$work/elsewhere"
unset PYTHONPATH
elsac=$work/venv/bin/elsac
"$elsac" --version
"$elsac" compile "$root/samples/digits_cnn.onnx" -o p.bin
"$elsac" run p.bin --input "$root/samples/digits.npz" --labels label | tee run.log
grep -qi 'accuracy' run.log || fail "elsac run printed no accuracy"
"$work/venv/bin/elsac-opt" --help >/dev/null || fail "elsac-opt does not start"
echo "wheel check: passed"
