"""Former place of what makes seconds a ``timedelta``."""

from __future__ import annotations

from datetime import timedelta

from quick_jobs.durations import Duration as AutoTime
from quick_jobs.durations import to_timedelta

__all__ = ["AutoTime", "auto_time"]


def auto_time(val: AutoTime) -> timedelta:
    """Return a number of seconds, or a ``timedelta``, as ``timedelta``.

    Raises TypeError and ValueError for what is no duration.
    """
    return to_timedelta(val, "val")
