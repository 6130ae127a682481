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
    if not recent.failures:
        return _none_failed(recent.ended)
    return format_html(
        '<span class="qj-bad">{}</span> <span class="qj-second">{}</span>',
        ngettext(
            "%(failures)d of %(ended)d run failed",
            "%(failures)d of the last %(ended)d failed",
            recent.ended,
        )
        % {"failures": recent.failures, "ended": recent.ended},
        _when_it_failed(recent, now, is_over),
    )


def failures_of_runner(recent: RecentExecutions, has_ended_well: bool) -> str:
    """Return HTML of how many of a runner's executions failed: "5 of its last 7 failed".

    They are of many jobs. Red is for runners that may need attention: those that have not
    ended, or not well.
    """
    if not recent.failures:
        return _none_failed(recent.ended)
    text = ngettext(
        "%(failures)d of its %(ended)d run failed",
        "%(failures)d of its last %(ended)d failed",
        recent.ended,
    ) % {"failures": recent.failures, "ended": recent.ended}
    return format_html('<span class="{}">{}</span>', "" if has_ended_well else "qj-bad", text)


def _none_failed(ended: int) -> str:
    if not ended:
        return NOTHING
    text = ngettext("%d run, none failed", "none of the last %d failed", ended) % ended
    return format_html('<span class="qj-quiet">{}</span>', text)


def _when_it_failed(recent: RecentExecutions, now: dt.datetime, is_over: bool) -> str:
    since, last = recent.failing_since, recent.last_failure
    if since is not None and not is_over:
        failing_for = _("failing for %s") % duration_in_words(now - since, parts=1)
        return format_html('<strong class="qj-bad">{}</strong>', failing_for)
    return _("last %s") % ago(last.started_at, now) if last else ""
