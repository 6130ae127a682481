"""Copies of exceptions whose own code might raise, lie or never end when they are shown."""

from __future__ import annotations

from abc import ABCMeta
from typing import List, Optional, Set

from quick_jobs.tracebacks.exceptions import (
    MAX_ERROR,
    class_name,
    error_line,
    group_class,
    members_of,
    message_of,
    next_in_chain,
    traceback_of,
)
from quick_jobs.tracebacks.texts import storable

# Causes, and members of a group, in a copy of an exception.
_MOST_COPIES = 20

# The attributes that Python and logging read to show an exception.
_READ_WHEN_SHOWN = (
    "__bool__",
    "__cause__",
    "__class__",
    "__context__",
    "__getattribute__",
    "__len__",
    "__notes__",
    "__suppress_context__",
    "__traceback__",
)


def why_copied(exc: BaseException) -> str:
    """Return why this exception, or one shown with it, is replaced by a copy; or ""."""
    waiting: List[Optional[BaseException]] = [exc]
    seen: Set[int] = set()
    while waiting:
        error = waiting.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        why = _own_ways(error)
        if why:
            return f"{class_name(type(error))} {why}"
        waiting.append(next_in_chain(error))
        waiting += members_of(error)
    return ""


def _own_ways(exc: BaseException) -> str:
    """Return what an exception overrides that Python and logging use to show it, or ""."""
    kind, group = type(exc), group_class(exc)
    if type(kind) not in (type, ABCMeta):
        return "has a metaclass"
    for cls in kind.__mro__:
        if cls is BaseException:
            break
        for name in _READ_WHEN_SHOWN:
            if name in cls.__dict__:
                return f"has its own {name}"
        if group is not None and group is not cls and "exceptions" in cls.__dict__:
            return "has its own exceptions"
    if not _has_plain_message(exc):
        return "has a message with methods of its own"
    try:
        notes = getattr(exc, "__notes__", None)
    except BaseException as failure:
        return f"raises {class_name(type(failure))} when it is asked for __notes__"
    if notes is not None and type(notes) not in (list, tuple):
        return "has its own __notes__"
    return ""


def _has_plain_message(exc: BaseException) -> bool:
    try:
        return type(str(exc)) is str
    except BaseException:
        return True  # Python itself shows that in place of the message


def copy_with_causes(exc: BaseException) -> BaseException:
    """Return a plain exception with the texts and tracebacks of ``exc`` and of its causes."""
    first = copy = copy_of(exc)
    seen = {id(exc)}
    current: Optional[BaseException] = next_in_chain(exc)
    while current is not None and id(current) not in seen and len(seen) < _MOST_COPIES:
        seen.add(id(current))
        previous = copy_of(current)
        if BaseException.__dict__["__cause__"].__get__(exc) is current:
            copy.__cause__ = previous
        else:
            copy.__context__ = previous
        exc, copy, current = current, previous, next_in_chain(current)
    return first


def copy_of(exc: BaseException) -> BaseException:
    """Return a plain exception with the class's name, the message and the traceback of ``exc``."""
    module, _, name = storable(class_name(type(exc)), MAX_ERROR).rpartition(".")
    message = message_of(exc)
    for member in members_of(exc)[:_MOST_COPIES]:
        message += f"\n  | {error_line(member)}"
    copy: BaseException = type(name, (Exception,), {"__module__": module or "builtins"})(message)
    return copy.with_traceback(traceback_of(exc))
