"""Which jobs are due by their schedules and the history, for a runner on a timer. Pure.

The rules are those of jobs that resume, without the variance. An interval job
without a start on record is due. A clock job's times then count from when it was
registered, which the history gives as its last start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Optional

from quick_jobs.runner.clock_job import ClockJob, Notice
from quick_jobs.runner.scheduled_job import ScheduledJob

if TYPE_CHECKING:
    from quick_jobs.history.messages import LastStart
    from quick_jobs.registration import RegisteredJob

# A platform's timer is not exact to the second. So an interval job may start too early by this
# part of its interval, and by this many seconds at most. Otherwise an hourly job on an hourly timer
# would be skipped every other time.
_EARLY_SHARE = 0.1
_MOST_EARLY = 300.0


def due_since(
    job: RegisteredJob,
    last: Optional[LastStart],
    now: float,
    tell: Callable[[Notice], None],
) -> Optional[float]:
    """Return since when ``job`` has been due at ``now``, or None if it is not due.

    Both are POSIX times, as are those of its ``last`` start on record. ``tell``
    is called with events that should be logged.
    """
    if job.schedule is None:
        if last is None:
            return now
        scheduled = ScheduledJob(job, 0, now)
        early = min(job.interval.total_seconds() * _EARLY_SHARE, _MOST_EARLY)
    else:
        scheduled = ClockJob(job, 0, job.schedule, tell)
        early = 0.0
    if last is None:
        scheduled.begin(now, 0.0, 0.0)
    else:
        scheduled.resume(last, now, 0.0, 0.0)
    if scheduled.due > now + early:
        return None
    if scheduled.due > now:
        return now
    scheduled.start(now, 0.0, 0.0)
    return scheduled.due_at
