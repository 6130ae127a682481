"""Exceptions and stacks as text that every database can store."""

from __future__ import annotations

import os
import sys
import traceback
from types import FrameType, TracebackType
from typing import List, Optional

_MAX_ERROR = 255  # JobExecution.error
_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def error_line(exc: BaseException) -> str:
    """Return the exception's type and the first line of its message, in at most 255 characters."""
    kind = type(exc)
    name = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__"):
        name = f"{kind.__module__}.{name}"
    try:
        message = str(exc)[: 2 * _MAX_ERROR].strip()
    except BaseException as failure:  # the job's code, like the exception itself
        message = f"<its str() raises {type(failure).__name__}>"
    line = f"{name}: {message.splitlines()[0]}" if message else name
    line = storable(line, limit=len(line) * 6)
    return line if len(line) <= _MAX_ERROR else line[: _MAX_ERROR - 1] + "…"


def traceback_text(exc: BaseException, limit: int) -> str:
    """Return the traceback with all causes, as Python prints it, in at most ``limit`` bytes."""
    try:
        lines = traceback.format_exception(type(exc), exc, exc.__traceback__)
    except Exception as failure:
        lines = [f"{error_line(exc)}\n(no traceback: formatting it raised {failure!r})\n"]
    return storable("".join(lines), limit)


def stack_text(thread_id: Optional[int], limit: int) -> str:
    """Return where the thread is just now, without this package's frames, as Python prints it."""
    frame = sys._current_frames().get(thread_id) if thread_id is not None else None
    if frame is None:
        return ""
    lines = traceback.format_stack(frame)[_frames_below_job(frame) :]
    return storable("Stack (most recent call last):\n" + "".join(lines), limit)


def user_traceback(exc: BaseException) -> Optional[TracebackType]:
    """Return the exception's traceback from the first frame on that is not this package's."""
    tb = exc.__traceback__
    while tb is not None and _is_own(tb.tb_frame):
        tb = tb.tb_next
    return tb or exc.__traceback__


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
    return frame.f_code.co_filename.startswith(_PACKAGE)
