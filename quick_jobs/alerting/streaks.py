"""Failures in a row, and which of them make an alert. Pure: the caller gives the times.

Times are when executions ended, as POSIX time. A run of failures goes on until
a success, whatever else comes between.
"""

from __future__ import annotations

import math
from typing import Iterable, NamedTuple, Optional, Tuple

from quick_jobs.alerts import FAILING, RECOVERED, STILL_FAILING, TIMED_OUT
from quick_jobs.models import JobExecution

#: Failures that are counted one by one. Of more it is not asked when the first one was.
MOST = 1000

#: The outcomes that go into a streak, and those that end it as well. What did not finish is passed
#: over, and what was lost: an alert of its runner tells that.
FAILED = (JobExecution.FAILED, JobExecution.TIMED_OUT)
TELLING = (JobExecution.SUCCEEDED, *FAILED)


class Streak(NamedTuple):
    """The failures of a job in a row: the first, how many, the last, and what there was to tell.

    ``due_at`` is when there were as many as make an alert, None if there are fewer.
    """

    since: float
    times: int
    last: float
    due_at: Optional[float]
    has_timed_out: bool

    @property
    def is_told(self) -> bool:
        """Whether it has made an alert."""
        return self.due_at is not None or self.has_timed_out


def after_failure(before: Optional[Streak], outcome: str, at: float, alert_after: int) -> Streak:
    """Return the streak with one more failure."""
    times = 1 if before is None else before.times + 1
    due_at = None if before is None else before.due_at
    return Streak(
        at if before is None else before.since,
        times,
        at,
        at if due_at is None and times >= alert_after else due_at,
        outcome == JobExecution.TIMED_OUT or (before is not None and before.has_timed_out),
    )


def streak_of(ends: Iterable[Tuple[str, float]], alert_after: int) -> Optional[Streak]:
    """Return the streak at the end of these outcomes and times, in order; None after a success."""
    streak = None
    for outcome, at in ends:
        if outcome == JobExecution.SUCCEEDED:
            streak = None
        elif outcome in FAILED:
            streak = after_failure(streak, outcome, at, alert_after)
    return streak


def kind_of_failure(before: Optional[Streak], after: Streak, reminder: float) -> Optional[str]:
    """Return the kind of alert that the last failure of ``after`` makes, or None.

    Reminders are due in fixed steps of ``reminder`` seconds from the first alert on: it does not
    take a memory of them to see whether this failure is the first in its step.
    """
    if after.has_timed_out and not (before is not None and before.has_timed_out):
        return TIMED_OUT
    if after.due_at is None:
        return None
    if before is None or before.due_at is None:
        return FAILING
    first = after.due_at if after.times <= MOST else 0.0
    return STILL_FAILING if is_first_in_step(first, before.last, after.last, reminder) else None


def kind_of_success(before: Optional[Streak]) -> Optional[str]:
    """Return the kind of alert that a success makes, or None: it recovers only from an alert."""
    return RECOVERED if before is not None and before.is_told else None


def is_first_in_step(first: float, previous: float, now: float, step: float) -> bool:
    """Return whether, counted in steps from ``first``, ``now`` is in a later one than the last."""
    return math.floor((now - first) / step) > math.floor((previous - first) / step)
