"""A registered job as a task of Celery."""

from __future__ import annotations

import datetime as dt
import math
import time
from typing import Any, Dict, Optional

from celery import Task

from quick_jobs.contrib.celery import job_process, timetable
from quick_jobs.contrib.celery.beat_schedule import timetable as this_beats
from quick_jobs.contrib.celery.job_process import Due
from quick_jobs.contrib.celery.limits import limits_of
from quick_jobs.contrib.celery.request import JobRequest, number_of
from quick_jobs.environment import RunEnv
from quick_jobs.logs import get_logger
from quick_jobs.models import JobExecution
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner.execution import Execution
from quick_jobs.stop_flag import StopFlag

logger = get_logger(__name__)

# Seconds until a redelivered task tries again to get the lock of the worker that was killed.
_TRY_AGAIN = 5.0

#: The option by which beat says that it sends the task.
BY_SCHEDULE = "by_schedule"


class JobFailed(Exception):
    """The execution is on record as failed or timed out, and its error is in the log."""


class JobTask(Task):
    """The task of a job. It has the job's name, and is sent without arguments.

    It returns the outcome of the execution, and raises :exc:`JobFailed` if it failed.
    """

    Request = JobRequest
    ignore_result = True
    throws = (JobFailed,)

    def __init__(self, job: RegisteredJob) -> None:
        self.job = job
        self.name = job.name
        self.__doc__ = job.description
        limits = limits_of(job)
        if limits is not None:
            self.soft_time_limit, self.time_limit = limits

    def apply_async(
        self, args: Any = None, kwargs: Optional[Dict[str, Any]] = None, **options: Any
    ) -> Any:
        """Send the task. If beat sends it, it expires when the next one is due."""
        now = time.time()
        if options.pop(BY_SCHEDULE, False):
            planned = timetable.caught_up(self.job, this_beats.current(self.name, now), now)
            kwargs = {"due_at": planned.due_at, "due": planned.due}
            expires_at = timetable.expires_at(self.job, planned, now)
            if expires_at != math.inf:
                options.setdefault("expires", _as_datetime(expires_at))
        return super().apply_async(args, kwargs, **options)

    def run(
        self, due_at: Optional[float] = None, due: Optional[float] = None, waits: bool = False
    ) -> str:
        """Run the job; both times are POSIX times, without and with the variance.

        With ``waits``, the task is sent again until no other execution of the job runs.
        """
        now = time.time()
        due_at = now if due_at is None else due_at
        start = Due(number_of(self.request), due_at if due is None else due, due_at)
        process = job_process.current()
        if process is None:
            return self._run_outside_of_workers(start)
        waits = waits or bool((self.request.delivery_info or {}).get("redelivered"))
        execution = process.run(self.job, start, waits)
        if execution is None:
            if waits:
                self._try_again(start)
            return "skipped"
        if execution.env.rerun_requested:
            self._send(f"{self.name} cannot be started again")
        return _outcome(execution)

    def _run_outside_of_workers(self, start: Due) -> str:
        """Run the job here and now, without a record, as :meth:`apply` does in a test."""
        self.job(RunEnv(StopFlag(), start.due_at))
        return JobExecution.SUCCEEDED

    def _try_again(self, start: Due) -> None:
        """Send the task again, for a little later: the lock may be that of a killed worker."""
        expires = self.request.expires
        self._send(
            f"{self.name}, which the broker delivered again, cannot wait for its turn",
            {"due_at": start.due_at, "due": start.due, "waits": True},
            countdown=_TRY_AGAIN,
            expires=dt.datetime.fromisoformat(expires) if isinstance(expires, str) else expires,
        )

    def _send(self, problem: str, kwargs: Optional[Dict[str, Any]] = None, **options: Any) -> None:
        try:
            self.apply_async(kwargs=kwargs, **options)
        except Exception as error:
            logger.error("%s: the broker fails: %s", problem, error)


def _outcome(execution: Execution) -> str:
    if execution.outcome in (JobExecution.FAILED, JobExecution.TIMED_OUT):
        raise JobFailed(execution.error)
    return execution.outcome


def _as_datetime(timestamp: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(timestamp, dt.timezone.utc)
