"""Calls a job's function, and runs the coroutine of an ``async def`` job to its end."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Awaitable, Coroutine
from types import FrameType
from typing import TYPE_CHECKING, Any, List, Mapping, Optional, Tuple

from quick_jobs.compat import run_async
from quick_jobs.tracebacks import coroutine_frames

if TYPE_CHECKING:
    from quick_jobs.environment import RunEnv
    from quick_jobs.registration import RegisteredJob


class JobCall:
    """A call of a job. A coroutine gets an event loop and a thread of its own.

    The calling thread waits meanwhile, and runs code that is not async, such as the
    ORM. ``cpu_time`` is the CPU time of both threads in seconds, None until the job
    has ended.
    """

    __slots__ = ("_coroutine", "_loop_cpu_time", "_loop_thread_id", "cpu_time")

    def __init__(self) -> None:
        self._coroutine: Any = None
        self._loop_thread_id: Optional[int] = None
        self._loop_cpu_time = 0.0
        self.cpu_time: Optional[float] = None

    def run(self, job: RegisteredJob, env: RunEnv) -> object:
        """Return the job's result, or raise its exception, with only its frames and ours."""
        began = time.thread_time()
        try:
            result = job(env)
            if job.is_async and _is_a(result, Awaitable):  # else its decorator has run it
                return self._run_to_end(result)
            return result
        finally:
            self.cpu_time = time.thread_time() - began + self._loop_cpu_time

    def frames(self, threads: Mapping[int, FrameType]) -> List[FrameType]:
        """Return the coroutine's current frames, the outermost first; none without a coroutine.

        ``threads`` are the innermost frames of all threads.
        """
        coroutine = self._coroutine
        if coroutine is None:
            return []
        return coroutine_frames(coroutine, threads.get(self._loop_thread_id or 0))

    def _run_to_end(self, awaitable: Any) -> object:
        coroutine = awaitable if _is_a(awaitable, Coroutine) else _awaiting(awaitable)
        error: Optional[BaseException] = None
        try:
            self._coroutine = coroutine
            result, error = run_async(self._watched)
            if error is not None:
                raise error
            return result
        finally:
            del error  # whose traceback has this frame
            if self._loop_thread_id is None:  # the machine has no thread for it
                with contextlib.suppress(BaseException):
                    coroutine.close()
            self._coroutine = None

    async def _watched(self) -> Tuple[object, Optional[BaseException]]:
        # Exceptions are returned, not raised: SystemExit and KeyboardInterrupt would end the event
        # loop at once, and asgiref would add its frames to the traceback.
        self._loop_thread_id = threading.get_ident()
        pid = os.getpid()
        began = time.thread_time()
        try:
            return await self._coroutine, None
        except BaseException as exc:
            return None, exc
        finally:
            self._loop_cpu_time = time.thread_time() - began
            if os.getpid() != pid:
                os._exit(0)  # the job forked, and this is the child, where nobody waits for it


async def _awaiting(awaitable: Awaitable[object]) -> object:
    return await awaitable


def _is_a(result: object, kind: type) -> bool:
    try:
        return issubclass(type(result), kind)  # isinstance() would evaluate a lazy object
    except BaseException:  # its metaclass is the job's code
        return False
