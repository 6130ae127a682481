"""Durations and moments in words, in the reader's language."""

from __future__ import annotations

import datetime as dt
import re
from typing import Optional

from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from quick_jobs.models import Job, JobExecution
from quick_jobs.registration import registered_as, schedule_of
from quick_jobs.wording import NOTHING as NOTHING
from quick_jobs.wording import ago as ago
from quick_jobs.wording import duration_in_words as duration_in_words
from quick_jobs.wording import schedule_in_words

_SECOND = dt.timedelta(seconds=1)

_AFTER_DOTS_AND_UNDERSCORES = re.compile(r"(?<=[._])")


def at_least(duration: dt.timedelta) -> str:
    """Return a duration that is only known to be a minimum, in whole seconds: "at least 4 s".

    One of less than a second is "unknown".
    """
    if duration < _SECOND:
        return pgettext("duration", "unknown")
    return _("at least %s") % duration_in_words(duration // _SECOND * _SECOND)


def error_in_words(error: str, state: str) -> str:
    """Return the error of an execution in this state; a lost one could not say any."""
    if not error and state == JobExecution.LOST:
        return _("Its runner is lost.")
    return error


def took_in_words(state: str, duration: Optional[dt.timedelta]) -> str:
    """Return how long an execution took, among other words: it may be "duration unknown"."""
    if state == JobExecution.LOST and duration is not None and duration < _SECOND:
        return _("duration unknown")
    return spent_in_words(state, duration)


def spent_in_words(state: str, duration: Optional[dt.timedelta]) -> str:
    """Return how long an execution took; a lost one took at least until it was last seen."""
    if state == JobExecution.LOST and duration is not None:
        return at_least(duration)
    return duration_in_words(duration)


def schedule_of_row(job: Job) -> str:
    """Return when a job starts, from the code, or else from its row."""
    schedule = schedule_of(job.name, job.schedule)
    if schedule is None and job.schedule and not registered_as(job.name):
        return job.schedule  # a site's own class that is not in this process
    return schedule_in_words(schedule, job.interval, job.variance)


def ahead(moment: dt.datetime, now: dt.datetime) -> str:
    """Return how long after ``now`` the ``moment`` is, like "in 4 min" or "in 3 h 20 min"."""
    whole = (moment - now) // _SECOND * _SECOND
    if not whole:
        return _("now")
    parts = 1 if whole < dt.timedelta(hours=1) else 2
    return _("in %(duration)s") % {"duration": duration_in_words(whole, parts)}


def breakable(name: str) -> str:
    """Return HTML of a dotted path that may be broken into lines at its dots and underscores."""
    parts = _AFTER_DOTS_AND_UNDERSCORES.split(name)
    return format_html("<wbr>".join(["{}"] * len(parts)), *parts)


def clock_time(moment: dt.datetime, timespec: str = "seconds") -> str:
    """Return ``moment`` in the active time zone, like "2026-11-24 04:13:20"."""
    if timezone.is_aware(moment):
        moment = timezone.localtime(moment)
    return moment.replace(tzinfo=None).isoformat(" ", timespec)


def time_element(moment: Optional[dt.datetime], now: Optional[dt.datetime] = None) -> str:
    """Return HTML that shows ``moment``, and how long before ``now`` it was."""
    if moment is None:
        return NOTHING
    shown = format_html(
        '<time class="qj-time" datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        clock_time(moment, "milliseconds"),
        clock_time(moment),
    )
    if now is None:
        return shown
    return format_html('{} <span class="qj-quiet">{}</span>', shown, ago(moment, now))
