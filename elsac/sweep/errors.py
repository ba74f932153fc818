"""The error of sweeps, and words near to a wrong one."""

import difflib
from collections.abc import Iterable


class SweepError(Exception):
    """A sweep that cannot begin or go on; one line, with a remedy."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?", or the names that there are."""
    names = list(known)
    close = difflib.get_close_matches(word, names, 1)
    return f"; did you mean '{close[0]}'?" if close else f"; expected one of {', '.join(names)}"
