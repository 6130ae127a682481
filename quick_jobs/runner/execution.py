"""One execution of a job: runs the function, catches everything, measures, and tidies up."""

from __future__ import annotations

import contextvars
import datetime as dt
import os
import threading
import time
from types import FrameType
from typing import Callable, List, Mapping, Optional

from django.conf import settings
from django.urls import set_script_prefix, set_urlconf
from django.utils import timezone, translation

from quick_jobs.async_threads import AsyncThread
from quick_jobs.caches import close_caches
from quick_jobs.capture import Capture, Capturing, new_capture
from quick_jobs.compat import CONTEXT_HOLDS_ACTIVE_SETTINGS
from quick_jobs.connections import leave_connections_clean, prepare_connections, reset_connections
from quick_jobs.durations import format_duration
from quick_jobs.environment import RunEnv, is_interruption
from quick_jobs.history.record import Record
from quick_jobs.history.texts import stored_note
from quick_jobs.logs import get_logger
from quick_jobs.models import JobExecution
from quick_jobs.runner.execution_record import record_of
from quick_jobs.runner.job_call import JobCall
from quick_jobs.runner.results import take_result
from quick_jobs.runner.scheduled_job import ScheduledJob
from quick_jobs.runner.turn import Turn
from quick_jobs.signals import execution_finished, execution_started, send
from quick_jobs.text_filter import filtered, filtered_line
from quick_jobs.tracebacks import (
    MAX_ERROR,
    error_line,
    fingerprint_of,
    fingerprint_of_outcome,
    frames_text,
    job_frames,
    shown,
    threads_frames,
    user_traceback,
)

# Its public name, whatever the module is called.
logger = get_logger("quick_jobs.execution")


class Execution:
    """An execution from the moment when it is due. A worker fills it in, then the loop reads it.

    ``due`` and ``entered`` are monotonic, ``due_at`` and ``started_at`` are POSIX time, all in
    seconds. ``entered`` and ``thread_id`` are None until a worker has begun. ``capture`` keeps what
    the job logs and prints, or is None. ``log`` and ``note`` are set at the end, as stored.
    ``was_observed`` is set if observations may be on record that its end must replace.
    """

    __slots__ = (
        "call",
        "capture",
        "due",
        "due_at",
        "duration",
        "entered",
        "env",
        "error",
        "fingerprint",
        "log",
        "note",
        "number",
        "outcome",
        "scheduled",
        "signals_end",
        "started_at",
        "thread_id",
        "traceback",
        "was_observed",
    )

    def __init__(self, number: int, scheduled: ScheduledJob, env: RunEnv, started_at: float):
        self.number = number
        self.scheduled = scheduled
        self.env = env
        self.due = scheduled.due
        self.due_at = scheduled.due_at
        self.started_at = started_at
        self.entered: Optional[float] = None
        self.thread_id: Optional[int] = None
        self.call = JobCall()
        self.capture: Optional[Capture] = None
        self.outcome = JobExecution.RUNNING
        self.duration: Optional[float] = None
        self.error = ""
        self.traceback = ""
        self.log = ""
        self.note = ""
        self.fingerprint = ""
        self.was_observed = False
        self.signals_end = Turn([None])  # the worker or the loop

    @property
    def name(self) -> str:
        return self.scheduled.name

    def ran_over(self) -> bool:
        """Return whether it has ended later than its job's timeout allows."""
        return self.outcome == JobExecution.TIMED_OUT

    @property
    def overrun(self) -> str:
        """The error of an execution that has timed out."""
        timeout = dt.timedelta(seconds=self.scheduled.timeout or 0.0)
        return f"ran over its timeout of {format_duration(timeout)}"

    def stack(self, limit: int) -> str:
        """Return its current stack as text, in at most ``limit`` bytes; "" if it does not run."""
        return frames_text(self.frames(threads_frames()), limit)

    def frames(self, threads: Mapping[int, FrameType]) -> List[FrameType]:
        """Return its current frames, the outermost first; none if it does not run.

        ``threads`` are the innermost frames of all threads.
        """
        return self.call.frames(threads) or job_frames(threads.get(self.thread_id or 0))

    def record(self) -> Record:
        """Return what is known of it now."""
        return record_of(self)

    def end(self, outcome: str, duration: float, error: str = "", traceback: str = "") -> None:
        """Set how it ended. If it took longer than its job's timeout, it has timed out."""
        timeout = self.scheduled.timeout
        if timeout is not None and duration > timeout:
            outcome, error = JobExecution.TIMED_OUT, self.overrun
            self.fingerprint = fingerprint_of_outcome(outcome, self.name)
        self.outcome = outcome
        self.note = stored_note(self.env.noted)
        self.error = filtered_line(error, MAX_ERROR)
        self.traceback = traceback
        if self.capture is not None:
            self.log = self.capture.final_text(outcome == JobExecution.SUCCEEDED)
        self.duration = duration  # set last: it tells the loop that all the rest is set


def execute(
    execution: Execution,
    context: contextvars.Context,
    max_traceback: int,
    clock: Callable[[], float] = time.monotonic,
    wall_clock: Callable[[], float] = time.time,
) -> None:
    """Run the job in this thread, in ``context``, and set how the execution ended.

    No exception of the job gets out, and nothing that it leaves behind in the
    thread reaches the next job: context variables, an open transaction, a
    broken connection, changes to Django's connections, an activated language,
    time zone or URLconf, the threads of its async code. The same applies to the
    receivers of its signals.
    """
    prepare_connections()
    async_thread = AsyncThread()
    execution.thread_id = threading.get_ident()
    try:
        context.run(
            perform,
            execution,
            max_traceback,
            leave_connections_clean,
            async_thread,
            clock,
            wall_clock,
        )
    finally:
        execution.thread_id = None
    async_thread.leave(execution.scheduled.name)
    reset_connections()
    context.run(close_caches)
    if not CONTEXT_HOLDS_ACTIVE_SETTINGS:
        translation.deactivate()
        timezone.deactivate()
        set_urlconf(None)


def perform(
    execution: Execution,
    max_traceback: int,
    clean_up: Callable[[str], None],
    async_thread: AsyncThread,
    clock: Callable[[], float] = time.monotonic,
    wall_clock: Callable[[], float] = time.time,
) -> Optional[BaseException]:
    """Send the signals and call the job between them; return the exception if it failed.

    ``clean_up`` is called, with the culprit's name, after each that may have left a connection in
    disorder. In all of them, URLs are reversed as in views, and ``async_thread`` is used.
    """
    async_thread.enter()
    if settings.FORCE_SCRIPT_NAME or not CONTEXT_HOLDS_ACTIVE_SETTINGS:  # which begin with "/"
        set_script_prefix(settings.FORCE_SCRIPT_NAME or "/")
    job = execution.scheduled.job
    if execution_started.receivers:
        send(execution_started, job, job_name=job.name)
        clean_up(f"a receiver of execution_started for {job.name}")
    exception = _call(execution, max_traceback, clock, wall_clock)
    clean_up(job.name)
    if execution_finished.receivers and execution.signals_end.take():
        send(
            execution_finished,
            job,
            job_name=job.name,
            outcome=execution.outcome,
            duration=dt.timedelta(seconds=execution.duration or 0.0),
            exception=exception,
        )
        clean_up(f"a receiver of execution_finished for {job.name}")
    return exception


def _call(
    execution: Execution,
    max_traceback: int,
    clock: Callable[[], float],
    wall_clock: Callable[[], float],
) -> Optional[BaseException]:
    name = execution.scheduled.name
    logger.debug("%s starts", name)
    pid = os.getpid()
    execution.capture = new_capture()
    execution.started_at = wall_clock()
    execution.entered = entered = clock()
    try:
        with Capturing(execution.capture):
            result = execution.call.run(execution.scheduled.job, execution.env)
            if result is not None:
                take_result(result, execution.env)
    except BaseException as exc:
        duration = clock() - entered
        if is_interruption(exc):
            execution.end(JobExecution.INTERRUPTED, duration)
            logger.info("%s was interrupted after %.3f s", name, duration)
            return None
        # Its own method may be overridden, and a frozen dataclass refuses an assignment.
        BaseException.with_traceback(exc, user_traceback(exc))
        seen = shown(exc, max_traceback, filtered)
        execution.fingerprint = fingerprint_of(exc)
        execution.end(JobExecution.FAILED, duration, error_line(exc), seen.traceback)
        logger.error("%s failed after %.3f s", name, duration, exc_info=seen.exception)
        return exc
    else:
        execution.end(JobExecution.SUCCEEDED, clock() - entered)
        logger.info("%s succeeded in %.3f s", name, execution.duration)
    finally:
        if os.getpid() != pid:
            os._exit(0)  # the job forked; this is the child, and must not go on as a runner
    return None
