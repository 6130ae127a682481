"""Facts about exceptions, and exceptions in one line, without running their own code.

Only what Python itself stores is read. Attributes, methods and metaclasses of
exceptions are the job's code.
"""

from __future__ import annotations

from types import TracebackType
from typing import Optional, Sequence

from quick_jobs.tracebacks.texts import storable

MAX_ERROR = 255  # JobExecution.error


def error_line(exc: BaseException) -> str:
    """Return the exception's type and the first line of its message, in at most 255 characters.

    Never raises, whatever the exception's own code does.
    """
    try:
        name, message = class_name(type(exc)), message_of(exc)[: 2 * MAX_ERROR].strip()
        line = f"{name}: {message.splitlines()[0]}" if message else name
        line = storable(line, limit=len(line) * 6)
        return line if len(line) <= MAX_ERROR else line[: MAX_ERROR - 1] + "…"
    except BaseException:  # out of memory
        return "<an error that cannot be shown>"


def class_name(kind: type) -> str:
    """Return the dotted path of a class, without calling its metaclass; builtins by name alone."""
    name = plain(type.__dict__["__qualname__"].__get__(kind))
    try:
        module = type.__dict__["__module__"].__get__(kind)
    except AttributeError:
        return name
    if not issubclass(type(module), str) or plain(module) in ("builtins", "__main__"):
        return name
    return f"{plain(module)}.{name}"


def traceback_of(exc: BaseException) -> Optional[TracebackType]:
    """Return the exception's traceback."""
    tb: Optional[TracebackType] = BaseException.__dict__["__traceback__"].__get__(exc)
    return tb


def next_in_chain(exc: BaseException) -> Optional[BaseException]:
    """Return the exception that Python shows before this one: its cause, or its context."""
    stored = BaseException.__dict__
    cause: Optional[BaseException] = stored["__cause__"].__get__(exc)
    if cause is None and not stored["__suppress_context__"].__get__(exc):
        cause = stored["__context__"].__get__(exc)
    return cause


def members_of(exc: BaseException) -> Sequence[BaseException]:
    """Return the exceptions of an exception group, as it was created; none for others.

    Groups are recognized by name: Python has them from 3.11 on, before the package exceptiongroup.
    """
    cls = group_class(exc)
    if cls is None:
        return ()
    stored = type.__dict__["__dict__"].__get__(cls).get("exceptions")
    members = exc.exceptions if stored is None else stored.__get__(exc, cls)  # type: ignore[attr-defined]
    if type(members) not in (tuple, list):
        return ()
    result: Sequence[BaseException] = members
    return result


def message_of(exc: BaseException) -> str:
    """Return the exception's message, or a notice if its ``str()`` raises."""
    try:
        return plain(str(exc))
    except BaseException as failure:
        return f"<its str() raises {plain(type.__dict__['__name__'].__get__(type(failure)))}>"


def plain(text: str) -> str:
    """Return the text of a ``str``, or of a subclass with methods of its own, as a ``str``."""
    return str.__str__(text)


def group_class(exc: BaseException) -> Optional[type]:
    """Return ``BaseExceptionGroup`` if the exception is a group, or else None."""
    for cls in type.__dict__["__mro__"].__get__(type(exc)):
        if type.__dict__["__name__"].__get__(cls) == "BaseExceptionGroup":
            return cls  # type: ignore[no-any-return]
    return None
