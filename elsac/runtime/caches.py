"""Compiled kernels on disk, and when they are too old.

numba keeps machine code beside each module and looks at the time of that one file. But kernels are
compiled into one another, and constants of other modules into them: after a change of one file the
old code of another would run on new tables. So whoever compiles kernels calls :func:`drop_stale`
first, with its folder.
"""

from pathlib import Path


def drop_stale(*folders: Path) -> int:
    """Delete the compiled kernels of folders if a source there is newer; return how many.

    Another process may do the same at the same moment, and files may be read-only: neither harms.
    """
    sources = [path for folder in folders for path in folder.glob("*.py")]
    newest = max((_time(path) for path in sources), default=0.0)
    dropped = 0
    for folder in folders:
        for path in (folder / "__pycache__").glob("*.nb[ic]"):
            if _time(path) < newest:
                try:
                    path.unlink(missing_ok=True)
                    dropped += 1
                except OSError:
                    continue
    return dropped


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
