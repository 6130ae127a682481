"""Stacks and tracebacks without the frames of this package."""

from __future__ import annotations

import os
import sys
import traceback
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType, TracebackType
from typing import Any, Iterator, List, Mapping, Optional, Sequence, Tuple

from quick_jobs.tracebacks.exceptions import traceback_of
from quick_jobs.tracebacks.texts import storable

#: A frame in a form to keep and compare: its file, line and function.
Place = Tuple[str, int, str]

# Frames that are shown of endlessly awaiting coroutines, and kept of a deep recursion.
_MOST_FRAMES = 1000

# The folder of quick_jobs itself, which this file is two levels below.
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def threads_frames() -> Mapping[int, FrameType]:
    """Return the innermost frame of each thread, by the thread's id."""
    return sys._current_frames()


def job_frames(frame: Optional[FrameType]) -> List[FrameType]:
    """Return the frames up to ``frame``, the outermost first, without the thread's and ours."""
    frames = _frames_up_to(frame)
    return frames[_frames_below_job(frames) :]


def coroutine_frames(coroutine: object, frame: Optional[FrameType]) -> List[FrameType]:
    """Return a coroutine's current frames, the outermost first; empty if it has ended.

    They end in the code that it runs, if ``frame``, the innermost one of its thread, is in there,
    or else at what it awaits.
    """
    awaiting = list(_frames_awaiting(coroutine))
    running: List[FrameType] = []
    while awaiting and frame is not None:
        running.append(frame)
        if frame is awaiting[0]:
            running.reverse()
            return running
        frame = frame.f_back
    return awaiting


def frames_text(frames: Sequence[FrameType], limit: int) -> str:
    """Return frames as Python prints the stack of a thread, in at most ``limit`` bytes."""
    places = [(frame, frame.f_lineno) for frame in frames if frame.f_lineno is not None]
    return _as_text(traceback.StackSummary.extract(iter(places)), limit)


def places_of(frames: Sequence[FrameType]) -> Tuple[Place, ...]:
    """Return frames in a form to keep and compare; of a deep recursion, the innermost."""
    return tuple(
        (frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_name)
        for frame in frames[-_MOST_FRAMES:]
    )


def places_text(places: Sequence[Place], limit: int) -> str:
    """Return places as :func:`frames_text` returns frames."""
    frames = [traceback.FrameSummary(*place, lookup_line=False) for place in places]
    return _as_text(traceback.StackSummary.from_list(frames), limit)


def _frames_awaiting(awaited: Any) -> Iterator[FrameType]:
    """Return the frames of a coroutine and of what it awaits, the outermost first."""
    for _ in range(_MOST_FRAMES):
        kind = type(awaited)  # attributes of other objects would be the job's code
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


def _as_text(stack: traceback.StackSummary, limit: int) -> str:
    if not stack:
        return ""
    return storable("Stack (most recent call last):\n" + "".join(stack.format()), limit)


def user_traceback(exc: BaseException) -> Optional[TracebackType]:
    """Return the exception's traceback from the first frame outside this package."""
    whole = tb = traceback_of(exc)
    while tb is not None and _is_own(tb.tb_frame):
        tb = tb.tb_next
    return tb or whole


def _frames_up_to(frame: Optional[FrameType]) -> List[FrameType]:
    frames: List[FrameType] = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    frames.reverse()
    return frames


def _frames_below_job(frames: Sequence[FrameType]) -> int:
    """Return how many frames, from the bottom on, led into the job: the thread's and ours."""
    below = 0
    while below < len(frames) and not _is_own(frames[below]):
        below += 1
    while below < len(frames) and _is_own(frames[below]):
        below += 1
    return below if below < len(frames) else 0


def _is_own(frame: FrameType) -> bool:
    return str.startswith(frame.f_code.co_filename, _PACKAGE)
