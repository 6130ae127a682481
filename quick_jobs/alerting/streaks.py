"""Failures in a row, and which of them make an alert. Pure: the caller gives the times.

Times are the ends of executions, as POSIX time. A streak of failures lasts until
a success; other outcomes do not end it.
"""

from __future__ import annotations

import math
from typing import Iterable, NamedTuple, Optional, Tuple

from quick_jobs.alerts import FAILING, RECOVERED, STILL_FAILING, TIMED_OUT
from quick_jobs.models import JobExecution

#: Failures that are counted. If there are more, the time of the first one is not read.
MOST = 1000

#: The outcomes that make a streak, and with them the one that ends it. Executions that did not
#: finish are ignored, as are lost ones, which an alert of their runner reports.
FAILED = (JobExecution.FAILED, JobExecution.TIMED_OUT)
TELLING = (JobExecution.SUCCEEDED, *FAILED)


class Streak(NamedTuple):
    """A job's failures in a row: the time of the first, how many, and the time of the last.

    ``due_at`` is when they were enough for an alert, None if they are fewer.
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

    Reminders are due in fixed steps of ``reminder`` seconds from the first alert on. So no memory
    is needed to see whether this failure is the first in its step.
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
    """Return the kind of alert that a success makes, None if the failures made no alert."""
    return RECOVERED if before is not None and before.is_told else None


def is_first_in_step(first: float, previous: float, now: float, step: float) -> bool:
    """Return whether ``now`` is in a later step than ``previous``, counted from ``first``."""
    return math.floor((now - first) / step) > math.floor((previous - first) / step)
