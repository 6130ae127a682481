"""What to write of a text that a database, or a line of the log, may not take."""

from __future__ import annotations

from typing import List

from quick_jobs.tracebacks import storable


def in_ascii(text: str) -> str:
    """Return ``text`` with every other character written as an escape."""
    return text.encode("ascii", "backslashreplace").decode("ascii")


def in_every_form(text: str, length: int) -> List[str]:
    """Return ``text`` as it is and in ASCII, in at most ``length`` characters.

    NUL and lone surrogates, which no database takes, are escapes in both.
    """
    whole = storable(text, limit=len(text) * 6 + 1024)
    forms = [whole[:length], in_ascii(whole)[:length]]
    return forms if forms[0] != forms[1] else forms[:1]


def one_line(exc: Exception) -> str:
    """Return the type and the message of ``exc``, for a line of the log."""
    return f"{type(exc).__name__}: {' '.join(str(exc).split())}"
