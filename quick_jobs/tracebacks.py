"""Exceptions and stacks as text that every database can store."""

from __future__ import annotations

import os
import sys
import traceback
from abc import ABCMeta
from types import FrameType, TracebackType
from typing import List, NamedTuple, Optional, Sequence, Set

_MAX_ERROR = 255  # JobExecution.error

# Causes, and members of a group, that a copy of an exception has.
_MOST_COPIES = 20

# What Python and logging look at to show an exception.
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

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def error_line(exc: BaseException) -> str:
    """Return the exception's type and the first line of its message, in at most 255 characters.

    Whatever the exception's own code does, this does not raise.
    """
    try:
        name, message = class_name(type(exc)), _message(exc)[: 2 * _MAX_ERROR].strip()
        line = f"{name}: {message.splitlines()[0]}" if message else name
        line = storable(line, limit=len(line) * 6)
        return line if len(line) <= _MAX_ERROR else line[: _MAX_ERROR - 1] + "…"
    except BaseException:  # no memory
        return "<an error that cannot be shown>"


def class_name(kind: type) -> str:
    """Return the dotted path of a class, without asking its metaclass; builtins by name alone."""
    name = _plain(type.__dict__["__qualname__"].__get__(kind))
    try:
        module = type.__dict__["__module__"].__get__(kind)
    except AttributeError:
        return name
    if not issubclass(type(module), str) or _plain(module) in ("builtins", "__main__"):
        return name
    return f"{_plain(module)}.{name}"


def traceback_text(exc: BaseException, limit: int) -> str:
    """Return the traceback with all causes, as Python prints it, in at most ``limit`` bytes.

    Whatever the exceptions' own code does, this does not raise.
    """
    return shown(exc, limit).traceback


class Shown(NamedTuple):
    """An exception as a text, and an exception that logging can show: itself or a copy."""

    traceback: str
    exception: BaseException


def shown(exc: BaseException, limit: int) -> Shown:
    """Return what is shown of an exception; its text has at most ``limit`` bytes.

    Of exceptions whose own code might raise, lie or never end while they are shown, a copy is
    shown, and the text says why.
    """
    try:
        why = _why_copied(exc)
        if why:
            copy = _copy_with_causes(exc)
            return Shown(storable(f"{_formatted(copy)}(shown by a copy: {why})\n", limit), copy)
        return Shown(storable(_formatted(exc), limit), exc)
    except BaseException as failure:
        return _shown_badly(exc, failure, limit)


def presentable(exc: BaseException) -> BaseException:
    """Return the exception if logging can show it, or else a copy."""
    return shown(exc, _MAX_ERROR).exception


def _shown_badly(exc: BaseException, failure: BaseException, limit: int) -> Shown:
    line = error_line(exc)
    try:
        reason = _plain(repr(failure))
    except BaseException:
        reason = error_line(failure)
    try:
        text = storable(f"{line}\n(no traceback: formatting it raised {reason})\n", limit)
        return Shown(text, _copy(exc))
    except BaseException:  # no memory
        return Shown(line, Exception(line))


def _formatted(exc: BaseException) -> str:
    return "".join(traceback.format_exception(type(exc), exc, traceback_of(exc)))


# Exceptions are looked at by what Python itself has stored. Their attributes, methods and
# metaclasses are the job's code.


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


def _message(exc: BaseException) -> str:
    try:
        return _plain(str(exc))
    except BaseException as failure:
        return f"<its str() raises {_plain(type.__dict__['__name__'].__get__(type(failure)))}>"


def _plain(text: str) -> str:
    """Return the text of a ``str``, or of a subclass with methods of its own, as a ``str``."""
    return str.__str__(text)


def _why_copied(exc: BaseException) -> str:
    """Return why this exception, or one that is shown with it, is not shown itself; or ""."""
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
    """Return what an exception has made its own that Python and logging use to show it, or ""."""
    kind, group = type(exc), _group_class(exc)
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
        return True  # Python says so itself where the message would be


def _copy_with_causes(exc: BaseException) -> BaseException:
    """Return a plain exception with the texts and tracebacks of ``exc`` and of its causes."""
    first = copy = _copy(exc)
    seen = {id(exc)}
    current: Optional[BaseException] = next_in_chain(exc)
    while current is not None and id(current) not in seen and len(seen) < _MOST_COPIES:
        seen.add(id(current))
        previous = _copy(current)
        if BaseException.__dict__["__cause__"].__get__(exc) is current:
            copy.__cause__ = previous
        else:
            copy.__context__ = previous
        exc, copy, current = current, previous, next_in_chain(current)
    return first


def _copy(exc: BaseException) -> BaseException:
    module, _, name = storable(class_name(type(exc)), _MAX_ERROR).rpartition(".")
    message = _message(exc)
    for member in members_of(exc)[:_MOST_COPIES]:
        message += f"\n  | {error_line(member)}"
    copy: BaseException = type(name, (Exception,), {"__module__": module or "builtins"})(message)
    return copy.with_traceback(traceback_of(exc))


def members_of(exc: BaseException) -> Sequence[BaseException]:
    """Return the exceptions of an exception group, as it was made; none of other exceptions.

    Groups are known by name: Python has them from 3.11 on, and the package exceptiongroup before.
    """
    cls = _group_class(exc)
    if cls is None:
        return ()
    stored = type.__dict__["__dict__"].__get__(cls).get("exceptions")
    members = exc.exceptions if stored is None else stored.__get__(exc, cls)  # type: ignore[attr-defined]
    if type(members) not in (tuple, list):
        return ()
    result: Sequence[BaseException] = members
    return result


def _group_class(exc: BaseException) -> Optional[type]:
    for cls in type.__dict__["__mro__"].__get__(type(exc)):
        if type.__dict__["__name__"].__get__(cls) == "BaseExceptionGroup":
            return cls  # type: ignore[no-any-return]
    return None


def stack_text(thread_id: Optional[int], limit: int) -> str:
    """Return where the thread is just now, without this package's frames, as Python prints it."""
    frame = sys._current_frames().get(thread_id) if thread_id is not None else None
    if frame is None:
        return ""
    lines = traceback.format_stack(frame)[_frames_below_job(frame) :]
    return storable("Stack (most recent call last):\n" + "".join(lines), limit)


def user_traceback(exc: BaseException) -> Optional[TracebackType]:
    """Return the exception's traceback from the first frame on that is not this package's."""
    whole = tb = traceback_of(exc)
    while tb is not None and _is_own(tb.tb_frame):
        tb = tb.tb_next
    return tb or whole


def storable(text: str, limit: int) -> str:
    """Return ``text`` as every database takes it, in at most ``limit`` bytes of UTF-8.

    NUL and lone surrogates are written as escapes. Of a text that is too long
    both ends stay, as the cause stands at the one and the place at the other.
    """
    data = text.encode("utf-8", "backslashreplace").replace(b"\0", b"\\x00")
    if len(data) > limit:
        notice = f"\n… {len(data) - limit} bytes and more left out …\n".encode()
        half = (limit - len(notice)) // 2
        data = data[:half] + notice + data[-half:]
    return data.decode("utf-8", "ignore")


def _frames_below_job(frame: FrameType) -> int:
    """Return how many frames, from the bottom on, led into the job: the thread's and ours."""
    frames: List[FrameType] = []
    current: Optional[FrameType] = frame
    while current is not None:
        frames.insert(0, current)
        current = current.f_back
    below = 0
    while below < len(frames) and not _is_own(frames[below]):
        below += 1
    while below < len(frames) and _is_own(frames[below]):
        below += 1
    return below if below < len(frames) else 0


def _is_own(frame: FrameType) -> bool:
    return str.startswith(frame.f_code.co_filename, _PACKAGE)
