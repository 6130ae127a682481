"""How runners ended, and which of these make an alert. Pure: the caller gives the times."""

from __future__ import annotations

import datetime as dt
from typing import List, NamedTuple, Optional, Sequence

from quick_jobs.alerting.streaks import is_first_in_step
from quick_jobs.models import JobRunner

#: The reason of runners that have vanished: no stop reason, as they could not say it.
LOST = "lost"

#: The stop reasons that are an alert of a runner. What timed out is an alert of its job.
FAILURES = (JobRunner.FATAL_ERROR, JobRunner.CRASHED)

#: The stop reasons of runners that an error has ended.
ERRORS = (*FAILURES, JobRunner.TIMED_OUT)


class Life(NamedTuple):
    """A runner: when it began, when it was last heard of or stopped, and why, if it has."""

    pk: int
    began_at: dt.datetime
    ended_at: dt.datetime
    reason: str  # LOST, or "" while it is alive


def is_news(reason: str, at: dt.datetime, before: Sequence[Life], reminder: dt.timedelta) -> bool:
    """Return whether an ending is an alert, after those of the runners before it, newest first.

    Endings for the same reason in a row, as of a runner that is started again and again, are one
    event, of which there is a reminder in fixed steps from the first one on.
    """
    same: List[Life] = []
    for life in before:
        if life.reason != reason:
            break
        same.append(life)
    if not same:
        return True
    return is_first_in_step(
        same[-1].ended_at.timestamp(),
        same[0].ended_at.timestamp(),
        at.timestamp(),
        reminder.total_seconds(),
    )


def count_of(reason: str, before: Sequence[Life]) -> int:
    """Return how many in a row ended for this reason, with the one after ``before``."""
    for number, life in enumerate(before):
        if life.reason != reason:
            return number + 1
    return len(before) + 1


def lost_to_tell(
    lives: Sequence[Life],
    own: Life,
    lost_after: dt.timedelta,
    second_look: dt.timedelta,
    reminder: dt.timedelta,
) -> Optional[Life]:
    """Return the newest runner that vanished, if it is for the runner ``own`` to tell so.

    ``lives`` are the runners before ``own``, newest first. Each looks back when it begins, and
    again after ``second_look``. One that began after the other was last heard of has told already,
    if it lived until it could know.
    """
    for index, life in enumerate(lives):
        if life.reason != LOST:
            continue
        if own.began_at < life.ended_at:
            return None  # it vanished beside this one, whose start is not for telling
        heirs = [
            other
            for other in lives[:index]
            if other.began_at >= life.ended_at + lost_after
            or (other.began_at >= life.ended_at and other.ended_at >= other.began_at + second_look)
        ]
        before = [each for each in lives[index + 1 :] if each.reason]
        if heirs or not is_news(LOST, life.ended_at, before, reminder):
            return None
        return life
    return None
