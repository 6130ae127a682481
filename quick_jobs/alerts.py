"""The alerts that the setting ``QUICK_JOBS_ALERTS`` sends when something is wrong with jobs."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

from django.conf import settings
from django.core import mail
from django.core.exceptions import ImproperlyConfigured

from quick_jobs.compat import mail_connection

if TYPE_CHECKING:
    from quick_jobs.models import JobExecution

__all__ = [
    "ABANDONED",
    "FAILING",
    "KINDS",
    "RECOVERED",
    "RUNNER_FAILED",
    "RUNNER_LOST",
    "STILL_FAILING",
    "STUCK",
    "TIMED_OUT",
    "Alert",
    "mail_admins",
]

FAILING = "failing"
STILL_FAILING = "still_failing"
RECOVERED = "recovered"
STUCK = "stuck"
TIMED_OUT = "timed_out"
ABANDONED = "abandoned"
RUNNER_FAILED = "runner_failed"
RUNNER_LOST = "runner_lost"

#: The kinds of alerts.
KINDS = (
    FAILING,
    STILL_FAILING,
    RECOVERED,
    STUCK,
    TIMED_OUT,
    ABANDONED,
    RUNNER_FAILED,
    RUNNER_LOST,
)


@dataclass(frozen=True)
class Alert:
    """Something that a person should know.

    ``kind`` is one of :data:`KINDS`, ``job`` the job's name, None for a runner.
    It began at ``since`` (an aware datetime), and has happened ``count`` times
    in a row. ``execution`` is the execution concerned, if any. It has no ``pk``
    if it was not in the history in time. ``subject`` is one line and ``text``
    several, ready to be sent: both have passed ``QUICK_JOBS_LOG_FILTER``.
    ``url`` leads to the page in the admin, None if the site's address is not
    known.
    """

    kind: str
    job: Optional[str]
    since: dt.datetime
    count: int
    execution: Optional[JobExecution]
    subject: str
    text: str
    url: Optional[str] = None


def mail_admins(alert: Alert) -> None:
    """Mail ``alert`` to the site's ``ADMINS``, as Django's function of this name does.

    An SMTP server gets 30 seconds to answer, unless ``EMAIL_TIMEOUT`` is set.
    """
    if not settings.ADMINS:
        raise ImproperlyConfigured("ADMINS is empty: nobody is mailed that something is wrong.")
    mail.mail_admins(alert.subject, alert.text, **mail_connection())
