"""The time limits that Celery sets for executions of a job, in the pool prefork."""

from __future__ import annotations

from typing import NamedTuple, Optional

from quick_jobs.conf import conf
from quick_jobs.registration import RegisteredJob

# Seconds from the soft limit, at which a job is interrupted, to the hard limit, at which its
# process is killed. A stopping runner gives its jobs as much.
_GRACE = 5.0

# Seconds that pass at most before a job is entered, without the wait for its record.
_MARGIN = 0.25

#: The pools that have no time limits.
WITHOUT_LIMITS = ("threads", "solo")


class Limits(NamedTuple):
    """Seconds from the moment when a child takes the task."""

    soft: float
    hard: float


def limits_of(job: RegisteredJob) -> Optional[Limits]:
    """Return the limits for the job's timeout, or None if it has none.

    The soft limit includes the time for which the start may wait for its record.
    """
    if job.timeout is None:
        return None
    soft = job.timeout.total_seconds() + conf.start_record_timeout.total_seconds() + _MARGIN
    return Limits(soft, soft + _GRACE)
