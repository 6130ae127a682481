"""When beat sends a job's task: the rules of ``run_jobs``, by the wall clock.

Pure, except for the :class:`Timetable`, which remembers one planned start for each job: the caller
gives the time and the randomness. All times are POSIX times, in seconds.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Callable, Dict, NamedTuple, Tuple

from quick_jobs.logs import get_logger
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner.clock_times import latest_between
from quick_jobs.schedules import ScheduleError, next_start

logger = get_logger(__name__)

# The interval of a job with interval 0: beat cannot know when its last execution has ended.
LEAST_INTERVAL = 1.0

# Seconds of lateness that a busy beat cannot explain.
_LATE = 1.0


class Planned(NamedTuple):
    """A start: when it is due, and when it is due without the variance."""

    due: float
    due_at: float


def first(job: RegisteredJob, last: float, began_at: float, chance: float) -> Planned:
    """Return the first start in a beat that ``began_at`` this time; ``last`` is from its file.

    Raises ``ScheduleError`` when there is none.
    """
    share = job.variance.total_seconds() * chance
    resumes = job.resume and last < began_at
    if job.schedule is not None:
        due_at = _next(job, last if resumes else max(last, began_at))
        return Planned(due_at + share, due_at)
    if not resumes:
        return Planned(began_at + share, began_at)
    due_at = last + _interval(job)
    return Planned(max(began_at, due_at + share), due_at)


def following(job: RegisteredJob, sent: Planned, now: float, chance: float) -> Planned:
    """Return the start after the one that was ``sent`` at ``now``.

    It counts from when the last one was due, so lateness does not add up. If that time is over
    already, it counts from ``now``.
    """
    share = job.variance.total_seconds() * chance
    if job.schedule is not None:
        due_at = _next(job, max(sent.due_at, now))
        return Planned(due_at + share, due_at)
    period = _interval(job) + share
    due = sent.due + period
    if not now < due <= now + period:  # after a stall, or when the clock was set
        due = now + period
    return Planned(due, due - share)


def caught_up(job: RegisteredJob, planned: Planned, now: float) -> Planned:
    """Return ``planned``, which is sent ``now``, moved to the latest time of its schedule."""
    if job.schedule is None or now <= planned.due + _LATE:
        return planned
    latest = latest_between(job.schedule, _as_datetime(planned.due_at), _as_datetime(now))
    return planned if latest is None else planned._replace(due_at=latest.timestamp())


def expires_at(job: RegisteredJob, planned: Planned, now: float) -> float:
    """Return when the next start is due at the earliest: from then on, this one is pointless.

    For an interval, that counts from ``now``, when the task is sent. Otherwise nothing would run
    if beat were always late by almost an interval.
    """
    if job.schedule is None:
        return max(now, planned.due) + _interval(job)
    try:
        return following(job, planned, now, 0.0).due
    except ScheduleError:
        return math.inf


class Timetable:
    """The next start of each job, for a beat that ``began_at`` this time.

    Beat asks repeatedly, and gives only the time of its last sending. So each plan is remembered.
    """

    def __init__(self, began_at: float, random: Callable[[], float]) -> None:
        self._began_at = began_at
        self._random = random
        self._plans: Dict[str, Tuple[float, Planned]] = {}
        self._following: Dict[str, Planned] = {}  # those after the plans that are due

    def planned(self, job: RegisteredJob, last_sent: float, now: float) -> Planned:
        """Return the next start after the task was ``last_sent``; infinity if there is none."""
        known = self._plans.get(job.name)
        if known is None:
            plan = self._plan(job, lambda: first(job, last_sent, self._began_at, self._random()))
        elif known[0] == last_sent:
            plan = known[1]
        else:
            plan = self.following(job, last_sent)
            del self._following[job.name]
        if job.schedule is None and plan.due - now > _longest(job):  # the clock was set back
            plan = Planned(now, now)
        self._plans[job.name] = (last_sent, plan)
        return plan

    def following(self, job: RegisteredJob, now: float) -> Planned:
        """Return the start after the planned one, which is sent ``now``."""
        if job.name not in self._following:
            sent = self._plans[job.name][1]
            self._following[job.name] = self._plan(
                job, lambda: following(job, sent, now, self._random())
            )
        return self._following[job.name]

    def current(self, name: str, now: float) -> Planned:
        """Return the start that is being sent."""
        return self._plans[name][1] if name in self._plans else Planned(now, now)

    def _plan(self, job: RegisteredJob, plan: Callable[[], Planned]) -> Planned:
        try:
            return plan()
        except ScheduleError as error:
            logger.error("%s will not start again: %s", job.name, error)
            return Planned(math.inf, math.inf)


def _interval(job: RegisteredJob) -> float:
    return job.interval.total_seconds() or LEAST_INTERVAL


def _longest(job: RegisteredJob) -> float:
    return _interval(job) + job.variance.total_seconds()


def _next(job: RegisteredJob, after: float) -> float:
    assert job.schedule is not None
    return next_start(job.schedule, _as_datetime(after)).timestamp()


def _as_datetime(timestamp: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(timestamp, dt.timezone.utc)
