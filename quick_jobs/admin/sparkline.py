"""A sparkline of a job's last executions: one bar each, its height the duration."""

from __future__ import annotations

import datetime as dt
from typing import Optional, Sequence

from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from quick_jobs.admin.badges import execution_text, look
from quick_jobs.admin.execution_view import ExecutionView
from quick_jobs.admin.links import Links, svg_link
from quick_jobs.admin.wording import clock_time, took_in_words
from quick_jobs.models import JobExecution

_HEIGHT = 24
_LEAST_HEIGHT = 3
_STEP = 7

# Shorter durations differ by noise only, so their bars have the height of this one.
_LEAST_SECONDS = 0.01
_WIDTH = 5

# Failures have a mark below the bar: not everybody can see the colour.
_MARK = 3


def sparkline(executions: Sequence[ExecutionView], links: Links) -> str:
    """Return SVG of ``executions``, which come newest first; the newest is drawn last."""
    if not executions:
        return ""
    longest = max(_seconds(execution.duration) for execution in executions)
    bars = (
        _bar(execution, number * _STEP, longest, links)
        for number, execution in enumerate(reversed(executions))
    )
    width = len(executions) * _STEP
    failures = sum(execution.went_wrong for execution in executions)
    label = _("%(executions)s, %(failures)s") % {
        "executions": ngettext("%d execution", "%d executions", len(executions)) % len(executions),
        "failures": ngettext("%d failure", "%d failures", failures) % failures,
    }
    return format_html(
        '<svg class="qj-picture" role="group" aria-label="{label}" viewBox="0 0 {width} {height}"'
        ' width="{width}" height="{height}">{bars}</svg>',
        label=label,
        width=width,
        height=_HEIGHT + _MARK + 1,
        bars=format_html_join("", "{}", ((bar,) for bar in bars)),
    )


def _bar(execution: ExecutionView, x: int, longest: float, links: Links) -> str:
    share = _seconds(execution.duration) / longest
    height = max(_LEAST_HEIGHT, round(_HEIGHT * share))
    state = look(execution.state)
    inside = format_html(
        f'<title>{{}}</title><rect class="qj-hit" x="{{}}" width="{_STEP}"'
        f' height="{_HEIGHT + _MARK + 1}"/>'
        f'<rect class="{{}}" x="{{}}" y="{{}}" width="{_WIDTH}" height="{{}}"/>',
        describe(execution),
        x,
        state,
        x,
        _HEIGHT - height,
        height,
    )
    if execution.went_wrong:
        inside = format_html(
            f'{{}}<rect class="{{}}" x="{{}}" y="{_HEIGHT + 1}" width="{_WIDTH}"'
            f' height="{_MARK}"/>',
            inside,
            state,
            x,
        )
    return svg_link(links.url(JobExecution, execution.pk), inside, tabindex="-1")


def describe(execution: ExecutionView) -> str:
    """Return an execution in words, like "2026-11-24 04:13:20: failed, 2.4 s"."""
    return _("%(time)s: %(state)s, %(duration)s") % {
        "time": clock_time(execution.started_at),
        "state": execution_text(execution.state),
        "duration": took_in_words(execution.state, execution.duration),
    }


def _seconds(duration: Optional[dt.timedelta]) -> float:
    return max(_LEAST_SECONDS, duration.total_seconds() if duration else 0.0)
