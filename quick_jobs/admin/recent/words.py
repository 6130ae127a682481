"""The statistics of the newest executions in words, as HTML."""

from __future__ import annotations

import datetime as dt

from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from quick_jobs.admin.recent.statistics import RecentExecutions
from quick_jobs.admin.wording import NOTHING, ago, duration_in_words


def failures_in_words(recent: RecentExecutions, now: dt.datetime, is_over: bool = False) -> str:
    """Return HTML of how many of the ended executions failed: "2 of the last 50 failed".

    A second line says since when there are only failures, or when the last one was. With
    ``is_over``, the job is not called failing.
    """
    ended, failures = recent.ended, recent.failures
    if not ended:
        return NOTHING
    text = ngettext(
        "%(failures)d of %(ended)d run failed", "%(failures)d of the last %(ended)d failed", ended
    ) % {"failures": failures, "ended": ended}
    if not failures:
        return format_html('<span class="qj-quiet">{}</span>', text)
    return format_html(
        '<span class="qj-bad">{}</span> <span class="qj-second">{}</span>',
        text,
        _when_it_failed(recent, now, is_over),
    )


def _when_it_failed(recent: RecentExecutions, now: dt.datetime, is_over: bool) -> str:
    since, last = recent.failing_since, recent.last_failure
    if since is not None and not is_over:
        failing_for = _("failing for %s") % duration_in_words(now - since, parts=1)
        return format_html('<strong class="qj-bad">{}</strong>', failing_for)
    return _("last %s") % ago(last.started_at, now) if last else ""
