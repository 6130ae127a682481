"""Converts seconds, ``timedelta`` and texts like "1d12h" to ``timedelta``, with clear errors."""

from __future__ import annotations

import math
import re
import reprlib
from datetime import timedelta
from typing import Union

Duration = Union[int, float, timedelta]

#: A thousand years. Longer durations leave the calendar when subtracted from
#: now, and soon exceed a database's 64 bits of microseconds.
LONGEST = timedelta(days=365_000)

_PARTS = re.compile(r"(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?")


def to_timedelta(
    value: Duration, what: str, kinds: str = "a number of seconds or a timedelta"
) -> timedelta:
    """Return ``value``, a number of seconds or a ``timedelta``, as ``timedelta``.

    Raises TypeError for another type, and ValueError for NaN, a negative value
    and more than 1000 years. The messages begin with ``what``, and name the
    ``kinds`` that the caller accepts.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, timedelta)):
        raise TypeError(f"{what} must be {kinds}, not {reprlib.repr(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{what} must be a finite number of seconds, not {value}")
    try:
        duration = value if isinstance(value, timedelta) else timedelta(seconds=value)
    except OverflowError:
        # The number itself is not shown: it may have more digits than Python prints.
        raise ValueError(f"{what} must be between 0 and {LONGEST.days} days") from None
    if duration < timedelta(0):
        raise ValueError(f"{what} must be 0 or more, not {value!r}")
    if duration > LONGEST:
        raise ValueError(f"{what} must be at most {LONGEST.days} days, not {value!r}")
    return duration


def parse_duration(text: str) -> timedelta:
    """Return the duration in a text like "30d", "36h", "45m", "90s" or "1d12h".

    Raises ValueError, with a message that explains the format.
    """
    match = _PARTS.fullmatch(text)
    if not match or not text:
        raise ValueError(
            f"{reprlib.repr(text)} is not a duration: write days, hours, minutes and seconds "
            'like "30d", "36h", "45m", "90s" or "1d12h"'
        )
    try:
        days, hours, minutes, seconds = (int(digits or 0) for digits in match.groups())
        duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except (OverflowError, ValueError):
        duration = timedelta.max
    if duration > LONGEST:
        raise ValueError(f"{reprlib.repr(text)} is too long: at most {LONGEST.days} days")
    return duration


def format_duration(duration: timedelta) -> str:
    """Return ``duration`` for people, like "1 h 30 min" or "0.25 s", to the millisecond.

    Less than a millisecond is given to the microsecond.
    """
    precision = timedelta(milliseconds=1)
    if duration < precision:
        precision = timedelta(microseconds=1)
    duration = round(duration / precision) * precision
    minutes, seconds = divmod(duration, timedelta(minutes=1))
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = []
    if days:
        parts.append("1 day" if days == 1 else f"{days} days")
    if hours:
        parts.append(f"{hours} h")
    if minutes:
        parts.append(f"{minutes} min")
    if seconds or not parts:
        parts.append(f"{seconds.total_seconds():.6f}".rstrip("0").rstrip(".") + " s")
    return " ".join(parts)
