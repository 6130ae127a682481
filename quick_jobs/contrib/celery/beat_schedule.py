"""Any schedule of a job as a schedule of Celery, and the starts that beat is about to send."""

from __future__ import annotations

import datetime as dt
import random
import time
from typing import Any, Optional, Tuple

from celery.schedules import BaseSchedule, schedstate

from quick_jobs.contrib.celery.timetable import Timetable
from quick_jobs.registration import RegisteredJob, registered_as

# Seconds until beat asks again about a job that will not start: a clock may be set.
_ASK_AGAIN = 300.0

#: Of this process, which may be a beat: made when the jobs are installed.
timetable = Timetable(time.time(), random.random)


class JobSchedule(BaseSchedule):
    """The schedule of the registered job ``job_name``, whatever kind it is.

    Beat's file keeps only the name, so that a changed schedule holds from the next start on.
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
        """Return whether to send the task now, and after how many seconds to ask again."""
        seconds = self._seconds_left(last_run_at)
        if seconds > 0:
            return schedstate(False, min(seconds, _ASK_AGAIN))
        return schedstate(True, 0.0)

    def remaining_estimate(self, last_run_at: dt.datetime) -> dt.timedelta:
        return dt.timedelta(seconds=min(self._seconds_left(last_run_at), _ASK_AGAIN))

    def _seconds_left(self, last_run_at: dt.datetime) -> float:
        job, now = self.job, time.time()
        if job is None:  # beat's file has it from before
            return _ASK_AGAIN
        return timetable.planned(job, last_run_at.timestamp(), now).due - now

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JobSchedule) and other.job_name == self.job_name

    def __hash__(self) -> int:
        return hash(self.job_name)

    def __reduce__(self) -> Tuple[Any, ...]:
        return (type(self), (self.job_name,))

    def __repr__(self) -> str:
        return f"<schedule of {self.job_name}>"
