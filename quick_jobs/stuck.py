"""When an execution runs for too long. Pure; all times are in seconds."""

from __future__ import annotations

from typing import Optional

# An execution that takes longer than others is no news until it takes this many times as long.
_TIMES_TYPICAL = 4

# What a job that has never succeeded gets on top of its interval: a first run may have much to do.
_GRACE = 600.0


def stuck_after(
    timeout: Optional[float], interval: float, typical_duration: Optional[float]
) -> float:
    """Return after how long an execution is stuck.

    That is its ``timeout``; without one, four times its ``typical_duration``, or its
    ``interval`` if that is longer; and if it has never succeeded, so that this is not
    known, its interval and ten minutes. The ``interval`` of a clock job is the time
    from one of its starts to the next.
    """
    if timeout is not None:
        return timeout
    if typical_duration is None:
        return interval + _GRACE
    return max(_TIMES_TYPICAL * typical_duration, interval)


def is_stuck(
    running_for: float,
    timeout: Optional[float],
    interval: float,
    typical_duration: Optional[float],
) -> bool:
    """Return whether an execution that has been ``running_for`` so long is stuck."""
    return running_for > stuck_after(timeout, interval, typical_duration)
