"""Exceptions as text, and as exceptions that logging can show safely."""

from __future__ import annotations

import traceback
from typing import Callable, NamedTuple

from quick_jobs.tracebacks.copies import copy_of, copy_with_causes, why_copied
from quick_jobs.tracebacks.exceptions import MAX_ERROR, error_line, plain, traceback_of
from quick_jobs.tracebacks.texts import storable


def traceback_text(exc: BaseException, limit: int) -> str:
    """Return the traceback with all causes, as Python prints it, in at most ``limit`` bytes.

    Never raises, whatever the exceptions' own code does.
    """
    return shown(exc, limit).traceback


class Shown(NamedTuple):
    """An exception as a text, and an exception that logging can show: itself or a copy."""

    traceback: str
    exception: BaseException


def shown(exc: BaseException, limit: int, edit: Callable[[str], str] = str) -> Shown:
    """Return an exception as it is shown; its text has at most ``limit`` bytes.

    ``edit`` gets the text before it is cut, and never raises.

    If an exception's own code might raise, lie or never end when it is shown, a copy is shown
    instead, and the text says why.
    """

    def as_text(whole: str) -> str:
        return storable(edit(whole), limit)

    try:
        why = why_copied(exc)
        if why:
            copy = copy_with_causes(exc)
            return Shown(as_text(f"{_formatted(copy)}(shown by a copy: {why})\n"), copy)
        return Shown(as_text(_formatted(exc)), exc)
    except BaseException as failure:
        return _shown_badly(exc, failure, as_text)


def presentable(exc: BaseException) -> BaseException:
    """Return the exception if logging can show it, or else a copy."""
    return shown(exc, MAX_ERROR).exception


def _shown_badly(
    exc: BaseException, failure: BaseException, as_text: Callable[[str], str]
) -> Shown:
    line = error_line(exc)
    try:
        reason = plain(repr(failure))
    except BaseException:
        reason = error_line(failure)
    try:
        text = as_text(f"{line}\n(no traceback: formatting it raised {reason})\n")
        return Shown(text, copy_of(exc))
    except BaseException:  # out of memory
        return Shown(line, Exception(line))


def _formatted(exc: BaseException) -> str:
    return "".join(traceback.format_exception(type(exc), exc, traceback_of(exc)))
