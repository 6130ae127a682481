"""The settings: all optional, and read only here, each time they are needed."""

from __future__ import annotations

import logging
import os
import reprlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from quick_jobs.durations import to_timedelta
from quick_jobs.ping_urls import problem_of_url

if TYPE_CHECKING:
    from quick_jobs.alerts import Alert

DEFAULTS: Dict[str, Any] = {
    "QUICK_JOBS_HEARTBEAT_INTERVAL": timedelta(seconds=15),
    "QUICK_JOBS_LOST_AFTER": timedelta(seconds=60),
    "QUICK_JOBS_START_RECORD_TIMEOUT": timedelta(seconds=1),
    "QUICK_JOBS_HISTORY_RETENTION": timedelta(days=90),
    "QUICK_JOBS_MAX_TRACEBACK": 64 * 1024,
    "QUICK_JOBS_LOG": "all",
    "QUICK_JOBS_LOG_LEVEL": "INFO",
    "QUICK_JOBS_MAX_LOG": 16 * 1024,
    "QUICK_JOBS_LOG_FILTER": None,
    "QUICK_JOBS_RELEASE": None,
    "QUICK_JOBS_STATUS_TOKEN": None,
    "QUICK_JOBS_ALERTS": None,
    "QUICK_JOBS_ALERT_AFTER": 1,
    "QUICK_JOBS_ALERT_REMINDER": timedelta(days=1),
    "QUICK_JOBS_HEARTBEAT_URL": None,
}

#: The least value: both ends of a traceback and a notice between them fit in this.
LEAST_MAX_TRACEBACK = 1024

#: The same for the log of an execution.
LEAST_MAX_LOG = 1024

#: The values of ``QUICK_JOBS_LOG``.
LOG_ALL, LOG_FAILURES, LOG_OFF = "all", "failures", "off"

#: The variables that are tried for the release without ``QUICK_JOBS_RELEASE``: those that Sentry's
#: users set, and those that platforms and builds set.
RELEASE_VARIABLES = (
    "SENTRY_RELEASE",
    "HEROKU_SLUG_COMMIT",
    "RENDER_GIT_COMMIT",
    "RAILWAY_GIT_COMMIT_SHA",
    "SOURCE_VERSION",
    "GIT_COMMIT",
)


class Conf:
    """The settings' values; a wrong one raises ``ImproperlyConfigured`` that names it."""

    @property
    def heartbeat_interval(self) -> timedelta:
        """The time between two heartbeats of a runner."""
        return _positive_duration("QUICK_JOBS_HEARTBEAT_INTERVAL")

    @property
    def lost_after(self) -> timedelta:
        """The age of the last heartbeat from which on a runner is lost."""
        return _positive_duration("QUICK_JOBS_LOST_AFTER")

    @property
    def start_record_timeout(self) -> timedelta:
        """How long a job waits at most until its start is on record."""
        return _duration("QUICK_JOBS_START_RECORD_TIMEOUT")

    @property
    def history_retention(self) -> Optional[timedelta]:
        """How long the history is kept; None: until it is pruned by hand."""
        if _value("QUICK_JOBS_HISTORY_RETENTION") is None:
            return None
        return _positive_duration("QUICK_JOBS_HISTORY_RETENTION")

    @property
    def max_traceback(self) -> int:
        """How many bytes of a traceback are kept."""
        return _size("QUICK_JOBS_MAX_TRACEBACK", LEAST_MAX_TRACEBACK)

    @property
    def log(self) -> str:
        """For which executions the log is kept: ``LOG_ALL``, ``LOG_FAILURES`` or ``LOG_OFF``."""
        value = _value("QUICK_JOBS_LOG")
        if value not in (LOG_ALL, LOG_FAILURES, LOG_OFF):
            raise ImproperlyConfigured(
                f'QUICK_JOBS_LOG must be "all", "failures" or "off", not {reprlib.repr(value)}'
            )
        return str(value)

    @property
    def log_level(self) -> int:
        """The level from which log records are kept."""
        value = _value("QUICK_JOBS_LOG_LEVEL")
        level = logging.getLevelName(value) if isinstance(value, str) else value
        if isinstance(level, bool) or not isinstance(level, int) or level < 0:
            raise ImproperlyConfigured(
                'QUICK_JOBS_LOG_LEVEL must be a level of logging, such as "INFO" or 20, '
                f"not {reprlib.repr(value)}"
            )
        return level

    @property
    def max_log(self) -> int:
        """How many bytes of an execution's log are kept."""
        return _size("QUICK_JOBS_MAX_LOG", LEAST_MAX_LOG)

    @property
    def log_filter(self) -> Optional[Callable[[str], str]]:
        """The function that is applied to every text before it is stored or sent, or None."""
        found: Optional[Callable[[str], str]] = _callable(
            "QUICK_JOBS_LOG_FILTER", "a callable from text to text"
        )
        return found

    @property
    def release(self) -> str:
        """The version of the site's code; "" if it is not known."""
        value = _value("QUICK_JOBS_RELEASE")
        if value is None:
            return next(filter(None, map(os.environ.get, RELEASE_VARIABLES)), "")
        if not isinstance(value, str):
            raise ImproperlyConfigured(
                f"QUICK_JOBS_RELEASE must be a str or None, not {reprlib.repr(value)}"
            )
        return value

    @property
    def status_token(self) -> Optional[str]:
        """The bearer token for the view of ``quick_jobs.urls``; None: staff only."""
        value = _value("QUICK_JOBS_STATUS_TOKEN")
        if value is None:
            return None
        if not isinstance(value, str) or not value or value != "".join(value.split()):
            # The value is a secret, so it is not shown.
            raise ImproperlyConfigured(
                "QUICK_JOBS_STATUS_TOKEN must be None or a str without spaces that is not empty"
            )
        return value

    @property
    def alerts(self) -> Optional[Callable[[Alert], object]]:
        """The function that is called with each alert, or None."""
        found: Optional[Callable[[Alert], object]] = _callable(
            "QUICK_JOBS_ALERTS", "a callable that takes an alert"
        )
        return found

    @property
    def alert_after(self) -> int:
        """How many failures of a job in a row make an alert."""
        value = _value("QUICK_JOBS_ALERT_AFTER")
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ImproperlyConfigured(
                "QUICK_JOBS_ALERT_AFTER must be a whole number of failures, 1 or more, "
                f"not {reprlib.repr(value)}"
            )
        return value

    @property
    def alert_reminder(self) -> timedelta:
        """The time between an alert and a reminder that it still holds."""
        return _positive_duration("QUICK_JOBS_ALERT_REMINDER")

    @property
    def heartbeat_url(self) -> Optional[str]:
        """The URL that is fetched while a runner works, or None."""
        value = _value("QUICK_JOBS_HEARTBEAT_URL")
        if value is None:
            return None
        problem = problem_of_url(value)
        if problem:
            raise ImproperlyConfigured(f"QUICK_JOBS_HEARTBEAT_URL must be None or {problem}")
        return str(value)


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


def _size(name: str, least: int) -> int:
    value = _value(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ImproperlyConfigured(
            f"{name} must be a whole number of bytes, {least} or more, not {reprlib.repr(value)}"
        )
    return value


def _callable(name: str, kind: str) -> Any:
    """Return the callable that a setting names by its dotted path, or None if it is None."""
    path = _value(name)
    if path is None:
        return None
    wrong = f"{name} must be None or the dotted path of {kind}, not {reprlib.repr(path)}"
    if not isinstance(path, str):
        raise ImproperlyConfigured(wrong)
    try:
        found = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f"{wrong}: {error}") from error
    if not callable(found):
        raise ImproperlyConfigured(f"{wrong}: it cannot be called")
    return found
