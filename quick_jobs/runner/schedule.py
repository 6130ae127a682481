"""Which job is due, and when it will be next. Pure: the caller gives the time and the chance.

A job is due for the first time after a random part of its variance, then
``interval`` + random(0, variance) after the moment it was last due. A start
that comes late does not push the following ones. Only when the next start is
over before this one has begun does the job count from the present again: a
stall is followed by one start, not by a burst.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, Callable, Iterable, List, Optional, Tuple

if TYPE_CHECKING:
    from quick_jobs.registration import RegisteredJob


class ScheduledJob:
    """A job and when it is due, all in seconds, of the clock that the caller reads."""

    __slots__ = ("_following", "_order", "due", "job", "name", "timeout")

    def __init__(self, job: RegisteredJob, order: int, due: float) -> None:
        self.job = job
        self.name = job.name
        self.timeout = None if job.timeout is None else job.timeout.total_seconds()
        self.due = due
        self._following = due
        self._order = order

    def period(self, chance: float) -> float:
        """Return the seconds from one due time to the next, with this share of the variance."""
        return self.job.interval.total_seconds() + self.job.variance.total_seconds() * chance


class Schedule:
    """The jobs that wait for their next start, the soonest first."""

    def __init__(
        self, jobs: Iterable[RegisteredJob], now: float, random: Callable[[], float]
    ) -> None:
        self._random = random
        self._waiting: List[Tuple[float, int, ScheduledJob]] = []
        for order, job in enumerate(jobs):
            scheduled = ScheduledJob(job, order, now)
            scheduled.due += job.variance.total_seconds() * random()
            self._wait(scheduled)

    def next_due(self) -> Optional[float]:
        """Return when the next job is due, or None while all of them are running."""
        return self._waiting[0][0] if self._waiting else None

    def due_after(self, moment: float) -> List[ScheduledJob]:
        """Return the jobs whose next start is later than ``moment``, the soonest first."""
        return [scheduled for due, _, scheduled in sorted(self._waiting) if due > moment]

    def start_due(self, now: float, at_most: float = math.inf) -> List[ScheduledJob]:
        """Take out the jobs that are due, the first ones; each comes back with :meth:`ended`."""
        due: List[ScheduledJob] = []
        while self._waiting and self._waiting[0][0] <= now and len(due) < at_most:
            scheduled = heapq.heappop(self._waiting)[2]
            period = scheduled.period(self._random())
            scheduled._following = scheduled.due + period
            if scheduled._following <= now:
                scheduled._following = now + period
            due.append(scheduled)
        return due

    def ended(self, scheduled: ScheduledJob, now: float, rerun: bool) -> None:
        """Let a job wait again: until it is due, or not at all with ``rerun``."""
        scheduled.due = now if rerun else max(now, scheduled._following)
        self._wait(scheduled)

    def _wait(self, scheduled: ScheduledJob) -> None:
        heapq.heappush(self._waiting, (scheduled.due, scheduled._order, scheduled))
