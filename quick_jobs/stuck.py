"""When an execution without a timeout, or within it, runs for too long. Pure."""

from __future__ import annotations

import datetime as dt
from typing import Optional

# An execution that takes longer than others is no news until it takes this many times as long.
_TIMES_TYPICAL = 4

# What a job that has never succeeded gets on top of its interval: a first run may have much to do.
_FIRST_TIME = dt.timedelta(minutes=10)


def stuck_after(interval: dt.timedelta, typical_duration: Optional[dt.timedelta]) -> dt.timedelta:
    """Return after how long an execution is stuck, if it has not run over its timeout before.

    That is four times its ``typical_duration``, or its ``interval`` if that is longer.
    If it has never succeeded, so that none is typical, it is its interval and ten
    minutes. The ``interval`` of a clock job is the time from one of its starts to the next.
    """
    if typical_duration is None:
        return interval + _FIRST_TIME
    return max(_TIMES_TYPICAL * typical_duration, interval)
