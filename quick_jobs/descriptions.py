"""The description of a job: the first line of its docstring."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from django.utils.functional import Promise

#: Characters of a description that the history keeps.
LONGEST_DESCRIPTION = 255


def description_of(func: object) -> str:
    """Return the first line of the docstring in at most 255 characters, cut at a word.

    It is empty without a docstring, or if that is not text. This never raises, whatever the
    docstring's own code does.
    """
    try:
        doc = _docstring(func).replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
        lines = inspect.cleandoc(doc).splitlines()
        return _shortened(" ".join(lines[0].split())) if lines else ""
    except Exception:
        return ""


def _docstring(func: Any) -> str:
    doc = func.__doc__
    while isinstance(func, functools.partial) and doc == functools.partial.__doc__:
        func = func.func
        doc = func.__doc__
    if issubclass(type(doc), Promise):  # a text to be translated
        doc = str(doc)
    return str.__str__(doc)  # of a str, or of a subclass with methods of its own


def _shortened(line: str) -> str:
    if len(line) <= LONGEST_DESCRIPTION:
        return line
    words = line[:LONGEST_DESCRIPTION].rpartition(" ")[0] or line[: LONGEST_DESCRIPTION - 1]
    return f"{words}…"
