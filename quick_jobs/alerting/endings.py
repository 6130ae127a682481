"""How runners ended, and which ends make an alert. Pure: the caller gives the times."""

from __future__ import annotations

import datetime as dt
from typing import Collection, List, NamedTuple, Optional, Sequence

from quick_jobs.alerting.streaks import is_first_in_step
from quick_jobs.models import JobRunner

#: The reason of runners that have vanished. It is no stop reason, as they could not write one.
LOST = "lost"

#: The stop reasons that make an alert of the runner. A timeout makes an alert of its job.
FAILURES = (JobRunner.FATAL_ERROR, JobRunner.CRASHED)

#: The stop reasons of runners that were ended by an error.
ERRORS = (*FAILURES, JobRunner.TIMED_OUT)


class Life(NamedTuple):
    """A runner: when it began, when it stopped or wrote its last heartbeat, why it stopped, and
    where it ran.
    """

    pk: int
    began_at: dt.datetime
    ended_at: dt.datetime
    reason: str  # LOST, or "" while it is alive
    hostname: str = ""


def is_news(reason: str, at: dt.datetime, before: Sequence[Life], reminder: dt.timedelta) -> bool:
    """Return whether an end makes an alert, given those of the runners before it, newest first.

    Ends in a row for the same reason, as of a runner that is started again and again, are one
    event. It has a reminder in fixed steps from the first end on.
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
    """Return how many runners in a row ended for this reason, with the one after ``before``."""
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
    """Return the newest runner that vanished, if the runner ``own`` has to report it.

    ``lives`` are the runners before ``own``, newest first. Each runner looks back when it begins,
    and again after ``second_look``. A runner that began after the last heartbeat of the vanished
    one has reported it already, if it lived long enough to know.
    """
    for index, life in enumerate(lives):
        if life.reason != LOST:
            continue
        if own.began_at < life.ended_at:
            return None  # it vanished while this one ran, which looks back only at its start
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


def lost_beside(
    others: Sequence[Life],
    own: Life,
    seen: Collection[int],
    lost_after: dt.timedelta,
    second_look: dt.timedelta,
) -> List[Life]:
    """Return the runners that vanished which ``own`` is to report, of many at work together.

    ``others`` are all the others. Each looks around when it begins, and again and again after
    ``second_look``. The oldest that lives long enough to know reports it. One that vanished beside
    it must have been ``seen`` as lost before: after an outage of the database, all may look lost.
    """
    older = [other for other in others if other.pk < own.pk]
    return [
        life
        for life in sorted(others)
        if life.reason == LOST
        and (life.ended_at < own.began_at or life.pk in seen)
        and not any(
            _could_report(other, life, lost_after, second_look)
            for other in older
            if other is not life
        )
    ]


def _could_report(
    other: Life, lost: Life, lost_after: dt.timedelta, second_look: dt.timedelta
) -> bool:
    """Return whether ``other`` lives, or lived for long enough to know that ``lost`` vanished."""
    if not other.reason or other.began_at >= lost.ended_at + lost_after:
        return True
    return other.ended_at >= max(other.began_at, lost.ended_at + lost_after) + 2 * second_look
