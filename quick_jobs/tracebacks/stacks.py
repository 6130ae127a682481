"""Stacks and tracebacks without the frames of this package."""

from __future__ import annotations

import os
import sys
import traceback
from types import FrameType, TracebackType
from typing import List, Optional

from quick_jobs.tracebacks.exceptions import traceback_of
from quick_jobs.tracebacks.texts import storable

# The folder of quick_jobs itself, which this file is two levels below.
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


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
