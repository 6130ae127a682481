"""The time limits that Celery sets executions of a job, in the prefork pool."""

from __future__ import annotations

from typing import NamedTuple, Optional

from quick_jobs.conf import conf
from quick_jobs.registration import RegisteredJob

# Seconds from the soft limit, at which a job is interrupted, to the hard one, at which its process
# is killed: as many as a runner waits for its jobs when it stops.
_GRACE = 5.0

# Seconds that pass at most before a job is entered, besides the wait for its record.
_MARGIN = 0.25

#: The pools that know no limits.
WITHOUT_LIMITS = ("threads", "solo")


class Limits(NamedTuple):
    """Seconds from when a child takes the task."""

    soft: float
    hard: float


def limits_of(job: RegisteredJob) -> Optional[Limits]:
    """Return the limits for the job's timeout, or None if it has none.

    The soft one is later than the timeout by as much as the start may wait for its record.
    """
    if job.timeout is None:
        return None
    soft = job.timeout.total_seconds() + conf.start_record_timeout.total_seconds() + _MARGIN
    return Limits(soft, soft + _GRACE)
