"""Durations and moments in words, in the reader's language."""

from __future__ import annotations

import datetime as dt
import re
from typing import List, Optional, Tuple

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from quick_jobs.models import Job, JobExecution

NOTHING = "-"

_SECOND = dt.timedelta(seconds=1)

_AFTER_DOTS_AND_UNDERSCORES = re.compile(r"(?<=[._])")


def duration_in_words(duration: Optional[dt.timedelta], parts: int = 2) -> str:
    """Return ``duration`` like "3 ms", "2.4 s", "12 s" or "1 min 5 s", in at most ``parts`` units.

    None is shown as a dash, negative durations as 0 ms.
    """
    if duration is None:
        return NOTHING
    seconds = max(0.0, duration.total_seconds())
    if seconds < 0.9995:
        return _("%s ms") % number_format(round(seconds * 1000))
    if seconds < 9.95:
        tenths = round(seconds, 1)
        return _("%s s") % number_format(tenths, 0 if tenths == int(tenths) else 1)
    words = [_(unit) % number_format(count) for unit, count in _split(round(seconds)) if count]
    return " ".join(words[:parts])


def at_least(duration: dt.timedelta) -> str:
    """Return a duration of which more is not known, in whole seconds, like "at least 4 s"."""
    whole = max(dt.timedelta(0), duration // _SECOND * _SECOND)
    return _("at least %s") % (duration_in_words(whole) if whole else _("%s s") % 0)


def took_in_words(state: str, duration: Optional[dt.timedelta]) -> str:
    """Return how long an execution took; a lost one took at least until it was last seen."""
    if state == JobExecution.LOST and duration is not None:
        return at_least(duration)
    return duration_in_words(duration)


def _split(seconds: int) -> List[Tuple[str, int]]:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return [
        (gettext_noop("%s d"), days),
        (gettext_noop("%s h"), hours),
        (gettext_noop("%s min"), minutes),
        (gettext_noop("%s s"), seconds),
    ]


def schedule_in_words(job: Job) -> str:
    """Return when a job runs, like "every 1 min, up to 15 s more"."""
    if not job.interval and not job.variance:
        return _("again and again")
    every = _("every %(interval)s") % {"interval": duration_in_words(job.interval, parts=4)}
    if not job.variance:
        return every
    return _("%(every)s, up to %(variance)s more") % {
        "every": every,
        "variance": duration_in_words(job.variance, parts=4),
    }


def ago(moment: dt.datetime, now: dt.datetime) -> str:
    """Return how long before ``now`` the ``moment`` was, like "12 s ago"."""
    if now - moment < dt.timedelta(seconds=1):
        return _("just now")
    whole_seconds = dt.timedelta(seconds=(now - moment) // dt.timedelta(seconds=1))
    return _("%(duration)s ago") % {"duration": duration_in_words(whole_seconds, parts=1)}


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
