"""What executions in a row say: since when a job fails, and how long it usually takes."""

from __future__ import annotations

import datetime as dt
import itertools
import statistics
from typing import Any, Iterable, NamedTuple, Optional, Sequence

from quick_jobs.models import JobExecution


class Streak(NamedTuple):
    """``number`` failures in a row, the first at ``since``.

    They are ``at_least`` that many if no execution before them was read.
    """

    since: dt.datetime
    number: int
    at_least: bool


def failing_streak(executions: Sequence[Any], most: Optional[int] = None) -> Optional[Streak]:
    """Return the failures that no success has followed, None if the job does not fail.

    ``executions`` come newest first, with a ``state`` and a ``started_at``. Interrupted, abandoned
    and running ones are ignored. ``most`` is how many were asked for: if there are that many, there
    may be older ones.
    """
    telling = [one for one in executions if one.state not in JobExecution.TELLS_NOTHING]
    failures = list(itertools.takewhile(lambda one: one.state in JobExecution.WENT_WRONG, telling))
    if not failures:
        return None
    is_cut = len(failures) == len(telling) and most is not None and len(executions) >= most
    return Streak(failures[-1].started_at, len(failures), is_cut)


def typical_duration(executions: Iterable[Any]) -> Optional[dt.timedelta]:
    """Return the median duration of the ``executions`` that succeeded, None if there are none."""
    durations = (
        one.duration
        for one in executions
        if one.state == JobExecution.SUCCEEDED and one.duration is not None
    )
    return median(durations)


def median(durations: Iterable[dt.timedelta]) -> Optional[dt.timedelta]:
    """Return the lower median, None if there are no ``durations``."""
    found = sorted(durations)
    return statistics.median_low(found) if found else None
