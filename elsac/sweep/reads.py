"""Which keys of a target a part of elsac looks at, found in its source.

A key that the compiler never reads cannot change a program, and one that the timing models never
read cannot change a cycle: configurations that differ in such keys alone share the work. The
answer errs on the safe side: every attribute or text with the name of a key counts, in every module
that the part can import.
"""

import ast
from collections.abc import Iterable
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import NamedTuple

import elsac
from elsac.targets import Target

COMPILER = ("elsac.compiler",)
TIMING = ("elsac.runtime.timing.models",)

NAMES = ("name", "description")
"""Keys that say what a target is called, and nothing about it."""

_ROOT = Path(elsac.__file__).parent
_LEFT_OUT = ("elsac.targets",)
"""Modules that declare the keys and check their ranges."""


@cache
def compiler_keys() -> frozenset[str]:
    """Return the keys on which a program depends, its header aside."""
    return keys_read(COMPILER)


@cache
def timing_keys() -> frozenset[str]:
    """Return the keys on which cycles and counts of a program depend."""
    return keys_read(TIMING)


def keys_read(roots: Iterable[str]) -> frozenset[str]:
    """Return the keys that the modules `roots` read, or modules that they import, at any depth."""
    known = {spec.name for spec in fields(Target)}.difference(NAMES)
    words: set[str] = set()
    for module in modules_of(roots):
        words |= _scan(module).words
    # Properties of a target stand for the keys behind them.
    for name, behind in _properties(known).items():
        words |= behind if name in words else set()
    return frozenset(words & known)


def modules_of(roots: Iterable[str]) -> frozenset[str]:
    """Return these modules and all of ours that they can import, but for the targets."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        module = waiting.pop()
        if module in found or module.startswith(_LEFT_OUT):
            continue
        found.add(module)
        waiting += _scan(module).imports
    return frozenset(found)


class _Scan(NamedTuple):
    """What stands in a module."""

    imports: frozenset[str]
    words: frozenset[str]
    """Attributes, and texts that are names."""


@cache
def _scan(module: str) -> _Scan:
    imports: set[str] = set()
    words: set[str] = set()
    for node in ast.walk(ast.parse(_path(module).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Attribute):
            words.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            imports.add(node.value.partition(":")[0])  # as registries write them
            words.add(node.value)
    # A module of a package runs the package's own file as well.
    parents = {module.rpartition(".")[0]} - {"", "elsac"}
    return _Scan(frozenset(filter(_exists, imports | parents)), frozenset(words))


def _properties(known: set[str]) -> dict[str, set[str]]:
    """Return the keys that each property and method of a target reads, without `to_dict`."""
    tree = ast.parse(_path("elsac.targets").read_text("utf-8"))
    target = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Target")
    behind: dict[str, set[str]] = {}
    for item in target.body:
        if isinstance(item, ast.FunctionDef) and not item.name.startswith("__"):
            reads = {n.attr for n in ast.walk(item) if isinstance(n, ast.Attribute)}
            behind[item.name] = reads & known
    return behind


def _exists(module: str) -> bool:
    return module.startswith("elsac.") and module.isprintable() and _path(module).is_file()


def _path(module: str) -> Path:
    place = _ROOT.joinpath(*module.split(".")[1:])
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
