"""The settings: all optional, read here and nowhere else, each time they are asked for."""

from __future__ import annotations

import reprlib
from datetime import timedelta
from typing import Any, Dict, Optional

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from quick_jobs.durations import to_timedelta

DEFAULTS: Dict[str, Any] = {
    "QUICK_JOBS_HEARTBEAT_INTERVAL": timedelta(seconds=15),
    "QUICK_JOBS_LOST_AFTER": timedelta(seconds=60),
    "QUICK_JOBS_START_RECORD_TIMEOUT": timedelta(seconds=1),
    "QUICK_JOBS_HISTORY_RETENTION": timedelta(days=90),
    "QUICK_JOBS_MAX_TRACEBACK": 64 * 1024,
}

#: Both ends of a traceback and a word about what is missing between them fit in this.
LEAST_MAX_TRACEBACK = 1024


class Conf:
    """The settings' values; a wrong one raises ``ImproperlyConfigured`` that names it."""

    @property
    def heartbeat_interval(self) -> timedelta:
        """How often a runner says that it is alive."""
        return _positive_duration("QUICK_JOBS_HEARTBEAT_INTERVAL")

    @property
    def lost_after(self) -> timedelta:
        """How old the last heartbeat of a runner is when it counts as lost."""
        return _positive_duration("QUICK_JOBS_LOST_AFTER")

    @property
    def start_record_timeout(self) -> timedelta:
        """How long a job waits at most for its start to be on record."""
        return _duration("QUICK_JOBS_START_RECORD_TIMEOUT")

    @property
    def history_retention(self) -> Optional[timedelta]:
        """How long the history is kept, or None: for good, unless it is pruned by hand."""
        if _value("QUICK_JOBS_HISTORY_RETENTION") is None:
            return None
        return _positive_duration("QUICK_JOBS_HISTORY_RETENTION")

    @property
    def max_traceback(self) -> int:
        """How many bytes of a traceback are kept."""
        value = _value("QUICK_JOBS_MAX_TRACEBACK")
        if isinstance(value, bool) or not isinstance(value, int) or value < LEAST_MAX_TRACEBACK:
            raise ImproperlyConfigured(
                "QUICK_JOBS_MAX_TRACEBACK must be a whole number of bytes, "
                f"{LEAST_MAX_TRACEBACK} or more, not {reprlib.repr(value)}"
            )
        return value


conf = Conf()


def _value(name: str) -> Any:
    return getattr(settings, name, DEFAULTS[name])


def _duration(name: str) -> timedelta:
    try:
        return to_timedelta(_value(name), name)
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(str(error)) from None


def _positive_duration(name: str) -> timedelta:
    duration = _duration(name)
    if not duration:
        raise ImproperlyConfigured(f"{name} must be more than 0 seconds")
    return duration
