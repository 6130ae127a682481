"""A clock job in the schedule: starts at the times of an ``At``, a ``Cron`` or the like. Pure.

It waits for one time after the other. A time that comes while the job runs is
skipped. Times that pass while the process is suspended or stalled are made up
for by one start, as if the last of them had just come. No time starts twice
when the clock is set back.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Callable, NamedTuple, Optional, Union

from quick_jobs.runner.clock_times import DoneTimes, latest_between
from quick_jobs.runner.scheduled_job import ScheduledJob
from quick_jobs.schedules import Schedule, ScheduleError, next_start

if TYPE_CHECKING:
    from quick_jobs.history.messages import LastStart
    from quick_jobs.registration import RegisteredJob

# Seconds of lateness that a busy runner cannot explain.
_LATE = 1.0


class StartSkipped(NamedTuple):
    """The job ``name`` was still running at ``time``."""

    name: str
    time: dt.datetime


class NoNextStart(NamedTuple):
    """The schedule of the job ``name`` has no next time."""

    name: str
    error: ScheduleError


Notice = Union[StartSkipped, NoNextStart]


class ClockJob(ScheduledJob):
    """A job with a ``schedule`` of times; ``tell`` is called with events that should be logged.

    It is woken when it is due and, while it runs, at the times that are skipped.
    """

    __slots__ = (
        "_done",
        "_follows",
        "_is_rerun",
        "_is_running",
        "_planned",
        "_schedule",
        "_tell",
        "_wake",
    )

    is_clock_job = True

    def __init__(
        self, job: RegisteredJob, order: int, schedule: Schedule, tell: Callable[[Notice], None]
    ) -> None:
        super().__init__(job, order, math.inf)
        self._wake = math.inf
        self._schedule = schedule
        self._tell = tell
        self._planned: Optional[dt.datetime] = None  # the time that comes next
        self._done = DoneTimes()
        self._follows = False  # whether that is the next time after the last one that is done
        self._is_running = False
        self._is_rerun = False

    @property
    def wake(self) -> float:
        return self._wake

    def begin(self, now: float, offset: float, chance: float) -> None:
        self._share = self._variance * chance
        self._plan(lambda moment: next_start(self._schedule, moment), now, offset)
        self._wait(now, offset)

    def resume(self, last: LastStart, now: float, offset: float, chance: float) -> None:
        self._share = self._variance * chance
        due_at = last.started_at if last.due_at is None else last.due_at
        last_at = max(last.started_at, due_at)

        def following(moment: dt.datetime) -> dt.datetime:
            if last.due_at is not None and not last.is_unfinished and last_at <= now + offset:
                self._done.add(_as_datetime(last.due_at), follows_last=False)
            done = min(moment, _as_datetime(last_at))
            missed = latest_between(self._schedule, done, moment)
            if missed is None and last.is_unfinished:
                missed = min(moment, _as_datetime(due_at))
            return missed or next_start(self._schedule, moment)

        self._plan(following, now, offset)
        self._wait(now, offset)
        if last.is_unfinished:
            self.due = self._wake = now

    def start(self, now: float, offset: float, chance: float) -> bool:
        if self._is_rerun:
            self._is_rerun = False
            self.due_at = now + offset
        elif self._planned is None or self._planned > _as_datetime(now + offset):
            self._wait(now, offset)  # the wall clock runs a little slower
            return False
        elif self._is_running:
            self._skip(now, offset)
            self._wait(now, offset)
            return False
        else:
            self._begin_planned(now, offset)
        self._share = self._variance * chance
        self._is_running = True
        self._wait(now, offset)
        return True

    def end(self, now: float, offset: float, rerun: bool) -> None:
        if self._planned is not None and self._planned <= _as_datetime(now + offset):
            self._skip(now, offset)
        self._is_running = False
        self._is_rerun = rerun
        self._wait(now, offset)

    def clock_was_set(self, now: float, offset: float, back: bool) -> None:
        """Wait for the next time by the wall clock, after it was set or the process slept."""
        if back:
            waits_for = self._planned  # it may have come already, and wait for its variance
            self._plan(self._next_not_done, now, offset)
            if waits_for is not None and (self._planned is None or waits_for < self._planned):
                self._planned = waits_for
        self._follows = False
        if not self._is_rerun:
            self._wait(now, offset)

    def _begin_planned(self, now: float, offset: float) -> None:
        """Start for the time that has come, or for the last of those that have passed."""
        time = self._planned
        assert time is not None
        moment = _as_datetime(now + offset)
        if now > self._monotonic(time, offset) + self._share + _LATE:
            try:
                later = latest_between(self._schedule, time, moment)
            except ScheduleError:
                later = None
            if later is not None and later not in self._done:
                time, self._follows = later, False
        self._finish_with(time, now, offset)
        self.due_at = time.timestamp()

    def _skip(self, now: float, offset: float) -> None:
        time = self._planned
        assert time is not None
        self._tell(StartSkipped(self.name, time))
        self._finish_with(time, now, offset)

    def _finish_with(self, time: dt.datetime, now: float, offset: float) -> None:
        self._done.add(time, self._follows)
        self._plan(self._next_not_done, now, offset)
        self._follows = True

    def _next_not_done(self, moment: dt.datetime) -> dt.datetime:
        return self._done.next_after(self._schedule, moment)

    def _plan(
        self, following: Callable[[dt.datetime], dt.datetime], now: float, offset: float
    ) -> None:
        try:
            self._planned = following(_as_datetime(now + offset))
        except ScheduleError as error:
            self._planned = None
            self._tell(NoNextStart(self.name, error))

    def _wait(self, now: float, offset: float) -> None:
        """Wait for the planned time, and the variance unless it is only to be skipped."""
        if self._is_running:
            self._wake = self._monotonic(self._planned, offset)
        elif self._is_rerun:
            self.due = self._wake = now
        else:
            self.due = self._wake = max(now, self._monotonic(self._planned, offset) + self._share)

    def _monotonic(self, time: Optional[dt.datetime], offset: float) -> float:
        return math.inf if time is None else time.timestamp() - offset


def _as_datetime(timestamp: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(timestamp, dt.timezone.utc)
