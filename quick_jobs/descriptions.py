"""What a job does, by the first line of its docstring."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from django.utils.functional import Promise

#: As many characters as the history keeps of a description.
LONGEST_DESCRIPTION = 255


def description_of(func: object) -> str:
    """Return the first line of the docstring in at most 255 characters, cut at a word.

    It is empty without a docstring, and when it is no text. Whatever its own code does, this
    does not raise.
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
