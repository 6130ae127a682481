"""Tools for tests of jobs: an ``env`` that never waits, and a function that runs a job once.

A job can be called like a plain function::

    env = FakeEnv()
    send_emails(env)
    assert env.sleeps == [60]

:func:`run_job` runs it as a runner does, and returns the result.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import datetime as dt
import time
from collections import deque
from typing import TYPE_CHECKING, Callable, Iterator, List, NamedTuple, Optional

from django.db import DatabaseError, connections
from django.urls import get_script_prefix, set_script_prefix

from quick_jobs.async_threads import AsyncThread
from quick_jobs.capture import installed
from quick_jobs.conf import conf
from quick_jobs.discovery import check_runnable
from quick_jobs.durations import Duration, to_timedelta
from quick_jobs.environment import RunEnv
from quick_jobs.history.identity import RunnerIdentity
from quick_jobs.history.storage import Storage
from quick_jobs.holders import job_below
from quick_jobs.models import JobExecution, JobRunner
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner.execution import Execution, perform
from quick_jobs.runner.scheduled_job import ScheduledJob
from quick_jobs.stop_flag import StopFlag

if TYPE_CHECKING:
    from quick_jobs.registration import JobFunction

__all__ = ["FakeEnv", "JobRun", "run_job"]


class FakeEnv(RunEnv):
    """An ``env`` that records what a job does with it, and is controlled by the test.

    Its ``sleep()`` and ``asleep()`` return at once. ``sleeps`` are the times, in
    seconds, for which they were called, and ``on_sleep``, if given, is called with each of them.
    ``rerun_requested``, ``stop_requested`` and ``fatal_errors_requested`` say
    what the job has requested. ``notes`` are all its notes, ``reached`` is its last
    progress: a pair of what is done and the total, or None.

    The runner stops when the test calls :meth:`stop`, or with ``stop_at=n``
    when the job checks for the nth time, by ``is_stopping``,
    ``raise_if_stopping()``, ``sleep()`` or ``asleep()``. With 1 it is stopping from the start.
    Without either, a job that runs until it is stopped never ends.

    ``due_at`` and ``previous_success`` are the values that the job reads: aware
    datetimes, by default now and None.
    """

    def __init__(
        self,
        stop_at: Optional[int] = None,
        on_sleep: Optional[Callable[[float], object]] = None,
        due_at: Optional[dt.datetime] = None,
        previous_success: Optional[dt.datetime] = None,
    ) -> None:
        due = time.time() if due_at is None else _aware(due_at, "due_at").timestamp()
        if previous_success is not None:
            previous_success = _aware(previous_success, "previous_success")
        super().__init__(StopFlag(), due, previous_success)
        self.sleeps: List[float] = []
        self.notes: List[str] = []
        self._looks = 0
        self._stop_at = stop_at
        self._on_sleep = on_sleep

    def stop(self) -> None:
        """Let the runner be stopping from now on."""
        self._stopping.set()

    @property
    def is_stopping(self) -> bool:
        self._look()
        return super().is_stopping

    def raise_if_stopping(self) -> None:
        self._look()
        super().raise_if_stopping()

    def sleep(self, time: Duration) -> None:
        seconds = to_timedelta(time, "time").total_seconds()
        self.sleeps.append(seconds)
        if self._on_sleep is not None:
            self._on_sleep(seconds)
        self.raise_if_stopping()

    def note(self, text: object) -> None:
        super().note(text)
        self.notes.append(self.noted)

    async def asleep(self, time: Duration) -> None:
        self.sleep(time)
        await asyncio.sleep(0)  # other tasks have their turn

    def _look(self) -> None:
        self._looks += 1
        if self._looks == self._stop_at:
            self.stop()


def _aware(moment: dt.datetime, what: str) -> dt.datetime:
    if not isinstance(moment, dt.datetime) or moment.utcoffset() is None:
        raise ValueError(f"{what} must be an aware datetime, not {moment!r}")
    return moment.astimezone(dt.timezone.utc)


class JobRun(NamedTuple):
    """The result of a job that a test has run.

    ``outcome`` is one of ``JobExecution``'s. ``exception`` is the exception with
    which it failed, or None, and ``error`` that in one line, as in the history.
    ``execution`` is its row in the history, None without ``history``.
    ``log`` is what it logged and printed, as in the history, and ``note`` is what it
    passed to ``env.note()`` or returned, or "".
    """

    outcome: str
    duration: dt.timedelta
    exception: Optional[BaseException]
    error: str
    env: RunEnv
    execution: Optional[JobExecution]
    log: str
    note: str


def run_job(
    job: JobFunction,
    env: Optional[RunEnv] = None,
    history: bool = False,
    catch_exceptions: bool = False,
) -> JobRun:
    """Run a registered job once, in this thread, with its signals; return the result.

    ``env`` is a new :class:`FakeEnv` by default. The job's exception is raised,
    unless ``catch_exceptions`` is true: then it is in the result. Only an
    ``Exception`` and ``SystemExit`` are caught, not Ctrl-C or the exceptions with
    which test frameworks end a test. An interrupted job has not failed.

    With ``history``, the execution, its job and a stopped runner are recorded,
    even if the exception is raised. Django's ``assertNumQueries`` does not count
    these queries. If the job breaks the test's transaction by a database error,
    it cannot be recorded, and its exception is always raised.

    Nothing is run later or in another thread: there is no schedule, no second
    run after ``request_rerun()``, and no end of a job that hangs. The outcome of a
    job that took longer than its timeout is ``timed_out``.

    An ``async def`` job has an event loop and a thread of its own. Its synchronous code,
    such as the ORM, runs in this thread. In an async test, write
    ``await sync_to_async(run_job)(job)``.

    Raises TypeError if ``job`` is not registered, ``JobsError`` if a runner
    would refuse it, and RuntimeError if it is an ``async def`` and this thread has a running
    event loop.
    """
    if not isinstance(job, RegisteredJob):
        below = job_below(job)
        hint = "" if below is None else f": put it above the other decorators of {below.name}"
        raise TypeError(f"run_job needs a function with @register_job(interval), not {job!r}{hint}")
    check_runnable([job])
    if job.is_async and _has_running_loop():
        raise RuntimeError(
            f"run_job cannot run {job.name}, an async def, in a running event loop: "
            "write await sync_to_async(run_job)(job), or await the job itself"
        )
    if env is None:
        env = FakeEnv()
    scheduled = ScheduledJob(job, 0, time.monotonic())
    scheduled.due_at = env.due_at.timestamp()
    execution = Execution(1, scheduled, env, time.time())
    record = _Record(execution) if history else None
    async_thread = AsyncThread()
    script_prefix = get_script_prefix()
    try:
        with installed():
            exception = contextvars.copy_context().run(
                perform, execution, conf.max_traceback, lambda name: None, async_thread
            )
    finally:
        set_script_prefix(script_prefix)
        closed = async_thread.leave(job.name)
        if closed is not None:
            closed.result()  # an open session would keep the test database from being deleted
    row = None
    if record is not None:
        try:
            row = record.finish()
        except DatabaseError:
            if exception is None:
                raise
            catch_exceptions = False  # it has broken the transaction of the test
    is_caught = catch_exceptions and issubclass(type(exception), (Exception, SystemExit))
    if exception is not None and not is_caught:
        raise exception
    duration = dt.timedelta(seconds=execution.duration or 0.0)
    error, log, note = execution.error, execution.log, execution.note
    return JobRun(execution.outcome, duration, exception, error, env, row, log, note)


def _has_running_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _Record:
    """The recorded execution. Its start is recorded first, as in a runner."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._runner = RunnerIdentity.of_this_process()
        self._storage = Storage(self._runner, [execution.scheduled.job])
        with self._uncounted():
            self._storage.register()
            self._storage.write([execution.record()])

    def finish(self) -> JobExecution:
        """Record how it ended, and return its row."""
        with self._uncounted():
            self._storage.write([self._execution.record()])
            self._storage.stop(JobRunner.STOP_AFTER, "", time.time(), dropped_executions=0)
            rows = JobExecution.objects.using(self._storage.using)
            row: JobExecution = rows.get(runner__key=self._runner.key)
            return row

    @contextlib.contextmanager
    def _uncounted(self) -> Iterator[None]:
        """Keep queries in this block out of the connection's list of queries."""
        connection = connections[self._storage.using]
        queries = connection.queries_log
        connection.queries_log = deque()
        try:
            yield
        finally:
            connection.queries_log = queries
