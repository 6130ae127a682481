"""For the tests of jobs: an ``env`` that never waits, and a way to run a job once.

A job can be called like the function that it is::

    env = FakeEnv()
    send_emails(env)
    assert env.sleeps == [60]

:func:`run_job` runs it as a runner does, and returns how it ended.
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
    """An ``env`` that shows what a job does with it, and does what the test says.

    Its ``sleep()`` and ``asleep()`` return at once. ``sleeps`` are the times, in
    seconds, for which they were called, and ``on_sleep``, if given, is called with each of them.
    ``rerun_requested``, ``stop_requested`` and ``fatal_errors_requested`` say
    what the job has requested. ``notes`` are all its notes, ``reached`` is its last
    progress: a pair of what is done and the total, or None.

    The runner stops when the test calls :meth:`stop`, or with ``stop_at=n``
    when the job looks for the nth time, by ``is_stopping``,
    ``raise_if_stopping()``, ``sleep()`` or ``asleep()``: with 1 it is stopping from the start.
    Without either, a job that goes on until it is stopped never ends.

    ``due_at`` and ``previous_success`` are what the job reads there: aware
    datetimes; by default the present and None.
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
        """Have the runner stop from now on."""
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
    """How a job ended that a test has run.

    ``outcome`` is one of ``JobExecution``'s. ``exception`` is what it failed
    with, or None, and ``error`` that in one line, as the history tells it.
    ``execution`` is its row in the history, or None if that was not wanted.
    ``log`` is what it has logged and printed, as the history has it, and ``note`` what it
    left with ``env.note()`` or returned, or "".
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
    """Run a registered job once, in this thread, with its signals; return how it ended.

    ``env`` is a new :class:`FakeEnv` if not given. What the job fails with is
    raised, unless ``catch_exceptions`` is true; then it is in the result. But
    only an ``Exception`` and ``SystemExit`` are ever caught: Ctrl-C and what
    test frameworks end a test with are not. That the job was interrupted is no
    failure.

    With ``history`` the execution, its job and a runner that has stopped since
    are put on record, also when the exception is raised; it is not among the
    queries that Django's ``assertNumQueries`` counts. A job that breaks the
    transaction in which the test runs, by an error of the database, cannot be
    put on record: there, its exception is always raised.

    Nothing is run at another time or by another thread: no schedule, no second
    run after ``request_rerun()``, and a job that hangs is not timed out. One
    that took longer than its timeout has timed out nevertheless.

    An ``async def`` job has an event loop and a thread of its own, and what is not async in
    it, such as the ORM, runs in this thread. In an async test, write
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
            closed.result()  # a session that is still open would keep the test database
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
    """The execution on record; its start from the beginning, as in a runner."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._runner = RunnerIdentity.of_this_process()
        self._storage = Storage(self._runner, [execution.scheduled.job])
        with self._uncounted():
            self._storage.register()
            self._storage.write([execution.record()])

    def finish(self) -> JobExecution:
        """Put on record how it ended, and return its row."""
        with self._uncounted():
            self._storage.write([self._execution.record()])
            self._storage.stop(JobRunner.STOP_AFTER, "", time.time(), dropped_executions=0)
            rows = JobExecution.objects.using(self._storage.using)
            row: JobExecution = rows.get(runner__key=self._runner.key)
            return row

    @contextlib.contextmanager
    def _uncounted(self) -> Iterator[None]:
        """Keep what happens in here out of the connection's list of queries."""
        connection = connections[self._storage.using]
        queries = connection.queries_log
        connection.queries_log = deque()
        try:
            yield
        finally:
            connection.queries_log = queries
