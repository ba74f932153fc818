"""Compiled kernels on disk: when they are too old, and when there are none yet.

numba keeps machine code for each module and looks at that one file. But kernels are compiled into
one another, and constants of other modules into them: after a change of one file the old code of
another would run on new tables. So whoever compiles kernels calls :func:`drop_stale` first, with
its folder. Compiling takes long enough to be announced: :func:`telling`.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

_TELL: list[Callable[[], None]] = []
"""Whom to tell at the next compilation."""
_LISTENERS: list[Any] = []


def drop_stale(*folders: Path) -> int:
    """Delete the compiled kernels of folders if a source there is newer; return how many.

    Another process may do the same at the same moment, and files may be read-only: neither harms.
    """
    sources = [path for folder in folders for path in folder.glob("*.py")]
    newest = max((_time(path) for path in sources), default=0.0)
    dropped = 0
    for folder in folders:
        for path in (found for home in _homes(folder) for found in home.glob("*.nb[ic]")):
            if _time(path) < newest:
                try:
                    path.unlink(missing_ok=True)
                    dropped += 1
                except OSError:
                    continue
    return dropped


def _homes(folder: Path) -> list[Path]:
    """Return where numba keeps the kernels of a folder's modules: one of these.

    NUMBA_CACHE_DIR comes first, then the place beside the sources, and the user's cache where that
    is read-only.
    """
    from numba import config
    from numba.misc.appdirs import AppDirs

    path = os.path.abspath(folder)
    inside = f"{os.path.basename(path)}_{hashlib.sha1(path.encode()).hexdigest()}"
    shared = AppDirs(appname="numba", appauthor=False).user_cache_dir
    chosen = cast(Any, config).CACHE_DIR
    own = [Path(chosen) / inside] if chosen else []
    return [*own, folder / "__pycache__", Path(shared) / inside]


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def listen() -> None:
    """Notice from now on when numba compiles; whoever compiles kernels calls this."""
    from numba.core import event

    class Start(event.Listener):
        def on_start(self, event: Any) -> None:
            while _TELL:
                _TELL.pop()()

        def on_end(self, event: Any) -> None:
            pass

    if not _LISTENERS:
        _LISTENERS.append(Start())
        event.register("numba:compile", _LISTENERS[0])


@contextmanager
def telling(tell: Callable[[], None]) -> Iterator[None]:
    """Call `tell` when the first kernel is compiled meanwhile, if any is not on disk yet.

    It may be called in another thread.
    """
    _TELL.append(tell)
    try:
        yield
    finally:
        if tell in _TELL:
            _TELL.remove(tell)
