"""A job in the schedule: when it starts first, and when it starts again. Pure.

An interval job is first due after a random part of its variance, then
``interval`` + random(0, variance) after the moment when it was last due. A
late start does not delay the following ones. Only if the next start is over
before this one has begun, the job counts from now: a stall is followed by one
start, not by a burst.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from quick_jobs.history.messages import LastStart
    from quick_jobs.registration import RegisteredJob


class ScheduledJob:
    """An interval job. ``due`` is when it starts, or has started, in monotonic seconds.

    ``due_at`` is when it was due for its last start without the variance, and
    ``last_success`` when its last success here started, as POSIX time. Monotonic
    seconds plus ``offset`` are POSIX time.
    """

    __slots__ = (
        "_following",
        "_interval",
        "_nominal",
        "_share",
        "_variance",
        "due",
        "due_at",
        "job",
        "last_success",
        "name",
        "order",
        "timeout",
    )

    #: Whether it follows the wall clock, and must be woken while it runs.
    is_clock_job = False

    def __init__(self, job: RegisteredJob, order: int, due: float) -> None:
        self.job = job
        self.order = order
        self.name = job.name
        self.timeout = None if job.timeout is None else job.timeout.total_seconds()
        self._interval = job.interval.total_seconds()
        self._variance = job.variance.total_seconds()
        self.due = due
        self.due_at = 0.0
        self.last_success: Optional[float] = None
        self._following = self._nominal = due  # the latter without the variance
        self._share = 0.0

    @property
    def wake(self) -> float:
        """When to call :meth:`start`."""
        return self.due

    def begin(self, now: float, offset: float, chance: float) -> None:
        """Wait for the first start, without a last start on record."""
        self._nominal = now
        self.due = now + self._variance * chance

    def resume(self, last: LastStart, now: float, offset: float, chance: float) -> None:
        """Wait for the start after the ``last`` one, by any runner."""
        if last.is_unfinished:
            self.due = self._nominal = now
            return
        self._nominal = min(now, last.started_at - offset) + self._interval
        self.due = max(now, self._nominal + self._variance * chance)

    def start(self, now: float, offset: float, chance: float) -> bool:
        """Start, now that it is due, and decide when to start again; return whether it starts."""
        self.due_at = self._nominal + offset
        self._share = self._variance * chance
        period = self._interval + self._share
        self._following = self.due + period
        if self._following <= now:
            self._following = now + period
        return True

    def end(self, now: float, offset: float, rerun: bool) -> None:
        """Wait for the next start after an execution: at once with ``rerun``."""
        if rerun or self._following < now:
            self.due = self._nominal = now
        else:
            self.due = self._following
            self._nominal = self.due - self._share
