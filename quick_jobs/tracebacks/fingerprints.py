"""Fingerprints, which similar failures have in common."""

from __future__ import annotations

import os
import re
import sysconfig
from types import CodeType, FrameType
from typing import Optional

from quick_jobs.tracebacks.exceptions import MAX_ERROR, class_name, plain, traceback_of

# Folders of code that is not the project's: installed packages, and Python's own.
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_PYTHON = tuple(
    os.path.join(path, "")
    for name, path in sysconfig.get_paths().items()
    if name in ("stdlib", "platstdlib")
)
_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")

# The parts that differ between similar failures, in the order in which they are replaced.
_VALUES = (
    # A quote within a word is an apostrophe.
    (re.compile(r"(?<!\w)'[^'\n]*'(?!\w)"), "'…'"),
    (re.compile(r'(?<!\w)"[^"\n]*"(?!\w)'), '"…"'),
    (re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "…"),
    (re.compile(r"\b0[xX][0-9a-fA-F]+\b"), "…"),
    (re.compile(r"\b(?=[a-f]*[0-9])[0-9a-f]{8,}\b"), "…"),  # a hash or a key
    (re.compile(r"(?<![\w.])-?\d+(?:[.,:]\d+)*"), "…"),
)


def fingerprint_of(exc: BaseException) -> str:
    """Return the kind of a failure: the exception's type, and the function in which it failed.

    It is the innermost function of the project, or the innermost one if there is none. The line
    is left out, because it changes with each release. ASCII, at most 255 characters. Never
    raises, whatever the exception's own code does.
    """
    try:
        return _fitting(f"{class_name(type(exc))} in {_place(exc)}")
    except BaseException:  # out of memory
        return ""


def fingerprint_of_outcome(outcome: str, job_name: str) -> str:
    """Return the kind of a failure without an exception, such as a timeout."""
    return _fitting(f"{outcome} in {job_name}")


def without_values(message: str) -> str:
    """Return ``message`` with "…" for its numbers, addresses, UUIDs, hashes and quoted values."""
    for pattern, placeholder in _VALUES:
        message = pattern.sub(placeholder, message)
    return message


def _place(exc: BaseException) -> str:
    innermost: Optional[FrameType] = None
    found: Optional[FrameType] = None
    tb = traceback_of(exc)
    while tb is not None:
        innermost = tb.tb_frame
        if _is_of_project(innermost.f_code):
            found = innermost
        tb = tb.tb_next
    frame = found or innermost
    if frame is None:
        return "?"
    module = frame.f_globals.get("__name__")
    where = plain(module) if type(module) is str else os.path.basename(frame.f_code.co_filename)
    return f"{where}.{frame.f_code.co_name}"


def _is_of_project(code: CodeType) -> bool:
    path = code.co_filename
    if path.startswith(("<", _PACKAGE)):  # frozen, or made at run time
        return False
    return not (path.startswith(_PYTHON) or any(folder in path for folder in _INSTALLED))


def _fitting(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode("ascii").replace("\0", "?")[:MAX_ERROR]
