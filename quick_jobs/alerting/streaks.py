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

# Seconds in which an alert is left to the runner that saw its event: mail_admins gives an SMTP
# server as many. After them, any runner that sees a failure sends what nobody has sent.
_TIME_TO_TELL = 30.0

#: The outcomes that go into a streak, and those that end it as well. What did not finish is passed
#: over, and what was lost: an alert of its runner tells that.
FAILED = (JobExecution.FAILED, JobExecution.TIMED_OUT)
TELLING = (JobExecution.SUCCEEDED, *FAILED)


class Streak(NamedTuple):
    """A job's failures in a row: the time of the first, how many, and the time of the last.

    ``due_at`` is when there were as many as make an alert, ``timed_out_at`` when the first of them
    timed out; None if that has not happened.
    """

    since: float
    times: int
    last: float
    due_at: Optional[float]
    timed_out_at: Optional[float]

    @property
    def event_at(self) -> Optional[float]:
        """When there was first something to tell, None if there was nothing."""
        return min((at for at in (self.due_at, self.timed_out_at) if at is not None), default=None)


def after_failure(before: Optional[Streak], outcome: str, at: float, alert_after: int) -> Streak:
    """Return the streak with one more failure."""
    since, times, _, due_at, timed_out_at = before or Streak(at, 0, at, None, None)
    times += 1
    if due_at is None and times >= alert_after:
        due_at = at
    if timed_out_at is None and outcome == JobExecution.TIMED_OUT:
        timed_out_at = at
    return Streak(since, times, at, due_at, timed_out_at)


def streak_of(ends: Iterable[Tuple[str, float]], alert_after: int) -> Optional[Streak]:
    """Return the streak at the end of these outcomes and times, in order; None after a success."""
    streak = None
    for outcome, at in ends:
        if outcome == JobExecution.SUCCEEDED:
            streak = None
        elif outcome in FAILED:
            streak = after_failure(streak, outcome, at, alert_after)
    return streak


def is_told(ends: Iterable[Tuple[str, float]], alerted_at: float) -> bool:
    """Return whether the streak at the end of these is what an alert was sent about.

    ``alerted_at`` is when the failure ended that the last alert was about. It counts that no
    success came after it: the first failures of the streak may have been pruned.
    """
    return all(at < alerted_at for outcome, at in ends if outcome == JobExecution.SUCCEEDED)


def kind_of_failure(
    before: Optional[Streak], after: Streak, is_quiet: bool, reminder: float
) -> Optional[str]:
    """Return the kind of alert that the last failure of ``after`` makes, or None.

    Unless ``is_quiet``, no alert was sent about the failures before it, as it could not be: this
    one makes it again. Reminders are due in fixed steps of ``reminder`` seconds from the
    first alert on: it does not take a memory of them to see whether this failure is the first in
    its step.
    """
    if after.timed_out_at is not None and (before is None or before.timed_out_at is None):
        return TIMED_OUT
    if after.due_at is not None and (before is None or before.due_at is None):
        return FAILING
    if after.event_at is None or before is None:
        return None
    if not is_quiet:
        return FAILING if after.last - after.event_at >= _TIME_TO_TELL else None
    if after.due_at is None:
        return None
    first = after.due_at if after.times <= MOST else 0.0
    return STILL_FAILING if is_first_in_step(first, before.last, after.last, reminder) else None


def kind_of_success(before: Optional[Streak]) -> Optional[str]:
    """Return the kind of alert that a success makes, or None: it recovers only from an alert."""
    return RECOVERED if before is not None and before.event_at is not None else None


def is_first_in_step(first: float, previous: float, now: float, step: float) -> bool:
    """Return whether ``now`` is in a later step than ``previous``, counted from ``first``."""
    return math.floor((now - first) / step) > math.floor((previous - first) / step)
