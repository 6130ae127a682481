"""Stacks and tracebacks without the frames of this package."""

from __future__ import annotations

import os
import sys
import traceback
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType, TracebackType
from typing import Any, Iterator, List, Optional

from quick_jobs.tracebacks.exceptions import traceback_of
from quick_jobs.tracebacks.texts import storable

# What is shown of a coroutine that awaits others without end.
_MOST_FRAMES = 1000

# The folder of quick_jobs itself, which this file is two levels below.
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def stack_text(thread_id: Optional[int], limit: int) -> str:
    """Return where the thread is just now, without this package's frames, as Python prints it."""
    frame = sys._current_frames().get(thread_id) if thread_id is not None else None
    if frame is None:
        return ""
    return _as_text(traceback.format_stack(frame)[_frames_below_job(frame) :], limit)


def coroutine_stack_text(coroutine: object, thread_id: Optional[int], limit: int) -> str:
    """Return where a coroutine is just now, as Python prints the stack of a thread.

    That is in the code that it runs, in the thread with ``thread_id``, or at what it awaits.
    """
    awaiting = list(_frames_awaiting(coroutine))
    if not awaiting:
        return ""
    frame = sys._current_frames().get(thread_id) if thread_id is not None else None
    running: List[FrameType] = []
    while frame is not None:
        running.insert(0, frame)
        if frame is awaiting[0]:
            awaiting = running
            break
        frame = frame.f_back
    places = [(each, each.f_lineno) for each in awaiting if each.f_lineno is not None]
    return _as_text(traceback.StackSummary.extract(iter(places)).format(), limit)


def _frames_awaiting(awaited: Any) -> Iterator[FrameType]:
    """Return the frames of a coroutine and of what it awaits, the outermost first."""
    for _ in range(_MOST_FRAMES):
        kind = type(awaited)  # the attributes of others would be the job's code
        if kind is CoroutineType:
            frame, awaited = awaited.cr_frame, awaited.cr_await
        elif kind is GeneratorType:
            frame, awaited = awaited.gi_frame, awaited.gi_yieldfrom
        elif kind is AsyncGeneratorType:
            frame, awaited = awaited.ag_frame, awaited.ag_await
        else:
            return
        if frame is not None:
            yield frame


def _as_text(lines: List[str], limit: int) -> str:
    return storable("Stack (most recent call last):\n" + "".join(lines), limit)


def user_traceback(exc: BaseException) -> Optional[TracebackType]:
    """Return the exception's traceback from the first frame on that is not this package's."""
    whole = tb = traceback_of(exc)
    while tb is not None and _is_own(tb.tb_frame):
        tb = tb.tb_next
    return tb or whole


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
