"""A job's schedule as a schedule of Celery, and the starts that beat is about to send."""

from __future__ import annotations

import datetime as dt
import random
import time
from typing import Any, Optional, Tuple

from celery.schedules import BaseSchedule, schedstate

from quick_jobs.contrib.celery.timetable import Timetable
from quick_jobs.registration import RegisteredJob, registered_as

# Seconds until a start that never comes: years.
_NEVER = 1e9

#: The timetable of this process, which may be a beat. Made when the jobs are installed.
timetable = Timetable(time.time(), random.random)


class JobSchedule(BaseSchedule):
    """The schedule of the registered job ``job_name``, whatever kind it is.

    Beat's file keeps only the name, so a changed schedule applies from the next start on.
    """

    def __init__(self, job_name: str) -> None:
        super().__init__()
        self.job_name = job_name

    @property
    def job(self) -> Optional[RegisteredJob]:
        registered = registered_as(self.job_name)
        return registered[-1] if registered else None

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.timezone.utc)

    def is_due(self, last_run_at: dt.datetime) -> Any:
        """Return whether to send the task now, and in how many seconds the next start is due.

        Beat sorts its entries by that, and sleeps until the first one is due.
        """
        job, now = self.job, time.time()
        if job is None:  # beat's file still has it
            return schedstate(False, _NEVER)
        planned = timetable.planned(job, last_run_at.timestamp(), now)
        is_due = planned.due <= now
        start = timetable.following(job, now) if is_due else planned
        return schedstate(is_due, min(max(0.0, start.due - now), _NEVER))

    def remaining_estimate(self, last_run_at: dt.datetime) -> dt.timedelta:
        is_due, seconds = self.is_due(last_run_at)
        return dt.timedelta(seconds=0 if is_due else seconds)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JobSchedule) and other.job_name == self.job_name

    def __hash__(self) -> int:
        return hash(self.job_name)

    def __reduce__(self) -> Tuple[Any, ...]:
        return (type(self), (self.job_name,))

    def __repr__(self) -> str:
        return f"<schedule of {self.job_name}>"
