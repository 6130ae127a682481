"""Texts in a form that databases, or lines of the log, accept."""

from __future__ import annotations

from typing import List

from quick_jobs.text_filter import filtered
from quick_jobs.tracebacks import storable

_LONGEST_NOTE = 255  # JobExecution.note


def in_ascii(text: str) -> str:
    """Return ``text`` with all other characters escaped."""
    return text.encode("ascii", "backslashreplace").decode("ascii")


def in_every_form(text: str, length: int) -> List[str]:
    """Return ``text`` as it is and in ASCII, in at most ``length`` characters.

    NUL and lone surrogates, which no database accepts, are escaped in both.
    """
    whole = storable(text, limit=len(text) * 6 + 1024)
    forms = [whole[:length], in_ascii(whole)[:length]]
    return forms if forms[0] != forms[1] else forms[:1]


def stored_note(note: str) -> str:
    """Return a job's note as it is stored: filtered, on one line, in at most 255 characters."""
    if not note:
        return ""
    line = " ".join(filtered(note).split())
    text = storable(line, limit=len(line) * 6 + 1024)
    return text if len(text) <= _LONGEST_NOTE else text[: _LONGEST_NOTE - 1] + "…"


def one_line(exc: Exception) -> str:
    """Return the type and the message of ``exc``, for a line of the log."""
    return f"{type(exc).__name__}: {' '.join(str(exc).split())}"
