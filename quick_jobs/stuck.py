"""When an execution has run too long although it has not reached a timeout. Pure."""

from __future__ import annotations

import datetime as dt
from typing import Optional

# An execution is stuck when it takes this many times its typical duration.
_TIMES_TYPICAL = 4

# Time on top of the interval for a job that never succeeded: a first run may have much to do.
_FIRST_TIME = dt.timedelta(minutes=10)


def stuck_after(interval: dt.timedelta, typical_duration: Optional[dt.timedelta]) -> dt.timedelta:
    """Return after how long an execution is stuck, unless it runs over its timeout before.

    It is four times its ``typical_duration``, or its ``interval`` if that is longer. If
    the job never succeeded, there is no typical duration, and it is the interval and ten
    minutes. The ``interval`` of a clock job is the time from one start to the next.
    """
    if typical_duration is None:
        return interval + _FIRST_TIME
    return max(_TIMES_TYPICAL * typical_duration, interval)
