"""One execution of a job: runs the function, catches everything, measures, and tidies up."""

from __future__ import annotations

import contextvars
import logging
import os
import threading
import time
from typing import Optional

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone, translation

from quick_jobs.backlog import Record
from quick_jobs.compat import check_before_next_use, initialized_connections, was_used
from quick_jobs.environment import RunEnv, RunInterrupted
from quick_jobs.models import JobExecution
from quick_jobs.schedule import ScheduledJob
from quick_jobs.tracebacks import error_line, traceback_text, user_traceback

logger = logging.getLogger(__name__)


class Execution:
    """An execution from the moment it is due; a worker fills it in, then the loop reads it.

    ``due`` and ``entered`` are monotonic, ``started_at`` is POSIX time, all in
    seconds. ``entered`` and ``thread_id`` are None until a worker has begun.
    """

    __slots__ = (
        "due",
        "duration",
        "entered",
        "env",
        "error",
        "number",
        "outcome",
        "scheduled",
        "started_at",
        "thread_id",
        "traceback",
    )

    def __init__(self, number: int, scheduled: ScheduledJob, env: RunEnv, started_at: float):
        self.number = number
        self.scheduled = scheduled
        self.env = env
        self.due = scheduled.due
        self.started_at = started_at
        self.entered: Optional[float] = None
        self.thread_id: Optional[int] = None
        self.outcome = JobExecution.RUNNING
        self.duration: Optional[float] = None
        self.error = ""
        self.traceback = ""

    @property
    def name(self) -> str:
        return self.scheduled.job.name

    def ran_over(self) -> bool:
        """Return whether it has ended, and later than its job's timeout allows."""
        timeout = self.scheduled.timeout
        return timeout is not None and self.duration is not None and self.duration > timeout

    def record(self) -> Record:
        """Return what is known of it now."""
        lateness = None if self.entered is None else max(0.0, self.entered - self.due)
        return Record(
            number=self.number,
            job=self.name,
            started_at=self.started_at,
            finished_at=None if self.duration is None else self.started_at + self.duration,
            duration=self.duration,
            lateness=lateness,
            outcome=self.outcome,
            error=self.error,
            traceback=self.traceback,
        )

    def record_given_up(self, outcome: str, now: float, error: str, stack: str) -> Record:
        """Return the record of an execution that the runner gives up on while it still runs."""
        duration = 0.0 if self.entered is None else now - self.entered
        return self.record()._replace(
            finished_at=self.started_at + duration,
            duration=duration,
            outcome=outcome,
            error=error,
            traceback=stack,
        )

    def end(self, outcome: str, duration: float, error: str = "", traceback: str = "") -> None:
        """Settle how it ended."""
        self.outcome = outcome
        self.error = error
        self.traceback = traceback
        self.duration = duration


def execute(execution: Execution, context: contextvars.Context, max_traceback: int) -> None:
    """Run the job in this thread, in ``context``, and settle how the execution ended.

    Nothing that the job raises gets out, and nothing that it leaves behind in
    the thread reaches the next: context variables, an open transaction, a
    broken connection, an activated language or time zone.
    """
    pid = os.getpid()
    _prepare_connections()
    execution.thread_id = threading.get_ident()
    try:
        context.run(_call, execution, max_traceback)
    finally:
        if os.getpid() != pid:
            os._exit(0)  # the job forked, and this is the child: it must not go on as a runner
        execution.thread_id = None
    _leave_clean(execution.name)


def _call(execution: Execution, max_traceback: int) -> None:
    logger.debug("%s starts", execution.name)
    execution.started_at = time.time()
    execution.entered = entered = time.monotonic()
    try:
        execution.scheduled.job(execution.env)
    except RunInterrupted:
        execution.end(JobExecution.INTERRUPTED, time.monotonic() - entered)
        logger.info("%s was interrupted after %.3f s", execution.name, execution.duration)
    except BaseException as exc:
        duration = time.monotonic() - entered
        exc.with_traceback(user_traceback(exc))  # a frozen dataclass refuses an assignment
        execution.end(
            JobExecution.FAILED, duration, error_line(exc), traceback_text(exc, max_traceback)
        )
        logger.error("%s failed after %.3f s", execution.name, duration, exc_info=exc)
    else:
        execution.end(JobExecution.SUCCEEDED, time.monotonic() - entered)
        logger.info("%s succeeded in %.3f s", execution.name, execution.duration)


def _prepare_connections() -> None:
    for connection in initialized_connections():
        try:
            connection.close_if_unusable_or_obsolete()
            check_before_next_use(connection)
        except Exception:
            _discard(connection)


def _leave_clean(name: str) -> None:
    for connection in initialized_connections():
        if connection.in_atomic_block:
            logger.warning("%s left a transaction open; it is rolled back", name)
            _discard(connection)
            continue
        try:
            if was_used(connection):
                # Django knows nothing of a transaction that was begun by hand, which this ends,
                # nor of a driver's connection that was closed, with which it fails.
                connection.rollback()
            connection.close_if_unusable_or_obsolete()
        except Exception:
            _discard(connection)
        connection.queries_log.clear()
    translation.deactivate()
    timezone.deactivate()


def _discard(connection: BaseDatabaseWrapper) -> None:
    """Close a connection for good: one closed inside a transaction would stay unusable."""
    try:
        connection.close()
    except Exception:
        logger.debug("Closing a connection failed", exc_info=True)
    finally:
        del connections[connection.alias]
