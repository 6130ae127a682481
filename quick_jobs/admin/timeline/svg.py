"""The timeline's parts as SVG. Lengths along the time are shares of the window, in percent."""

from __future__ import annotations

import datetime as dt
from typing import Iterable, List, Sequence, Tuple

from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from quick_jobs.admin.badges import (
    EXECUTION_STATES,
    execution_text,
    look,
    runner_state,
    runner_text,
)
from quick_jobs.admin.links import Links, svg_link
from quick_jobs.admin.page_clock import PageClock
from quick_jobs.admin.releases import short_release
from quick_jobs.admin.time_range import TimeRange
from quick_jobs.admin.timeline.axis import Tick
from quick_jobs.admin.timeline.bars import Bar, Window
from quick_jobs.admin.wording import clock_time, duration_in_words, took_in_words
from quick_jobs.databases.timestamps import as_stored
from quick_jobs.models import JobExecution, JobRunner
from quick_jobs.next_starts import LocalStart

#: The least width that can be seen and hit with a pointer.
_LEAST_WIDTH = 0.0025
_LEAST_WIDTH_OF_FAILURES = 0.005

#: Bars that are closer together are drawn as one.
_LEAST_DISTANCE = 0.0005

#: The least width for a pattern, which in a narrower bar is only a broken line. Failures are also
#: higher.
_LEAST_WIDTH_OF_PATTERNS = 0.008

_LANE_HEIGHT = 22
_ROW_HEIGHT = 7
_ROWS = 6

#: Gaps that are drawn, the longest ones: more would make the page large.
_MOST_GAPS = 30

#: Runners that are drawn separately, at most; if there are more, they are drawn as one.
_MOST_LIVES = 150

#: The patterns of the page; successes have none.
_PATTERNS = frozenset(state for state, _text in EXECUTION_STATES) - {JobExecution.SUCCEEDED}


def draw_lane(bars: Iterable[Bar], job_pk: int, gaps: SafeString) -> SafeString:
    """Return the inside of a lane's SVG: ``gaps``, then the bars, with links to executions."""
    return format_html("{}{}", gaps, _joined(_draw_bar(bar, job_pk) for bar in bars))


def _joined(parts: Iterable[str]) -> SafeString:
    return format_html_join("", "{}", ((part,) for part in parts))


def _draw_bar(bar: Bar, job_pk: int) -> SafeString:
    # Addresses relative to the timeline's, to save bytes: there may be thousands of bars.
    url = f"../{bar.pk}/change/"
    if bar.pk is None:
        url = f"../?job__id__exact={job_pk}&since={TimeRange(bar.start, bar.end)}"
    top = 2 if bar.failures else 5
    attribute, value, width = "class", look(bar.state), bar.width
    if bar.failures:
        width = max(width, _LEAST_WIDTH_OF_FAILURES)
    if width >= _LEAST_WIDTH_OF_PATTERNS and bar.state in _PATTERNS:
        attribute, value = "fill", f"url(#{value})"
    # Failures can be reached with the keyboard; all executions can from the lane's name.
    focus = {} if bar.failures else {"tabindex": "-1"}
    return format_html(
        '<a href="{}"{}><title>{}</title>'
        '<rect {}="{}" x="{}%" width="{}%" y="{}" height="{}"/></a>',
        url,
        flatatt(focus),
        _bar_in_words(bar),
        attribute,
        value,
        *_extent(bar.x, width),
        top,
        _LANE_HEIGHT - 2 * top,
    )


def _extent(x: float, width: float) -> Tuple[str, str]:
    """Return the position and the width in percent."""
    percent = 100 * max(_LEAST_WIDTH, width)
    return f"{min(100 * x, 100 - percent):.5g}", f"{percent:.4g}"


def _bar_in_words(bar: Bar) -> str:
    if bar.executions == 1:
        return _("%(time)s: %(state)s, %(duration)s") % {
            "time": clock_time(bar.start),
            "state": execution_text(bar.state),
            "duration": took_in_words(bar.state, bar.longest),
        }
    parts = [_("many executions")]
    if bar.executions is not None:
        parts = [ngettext("%d execution", "%d executions", bar.executions) % bar.executions]
    if bar.failures:
        parts.append(ngettext("%d failure", "%d failures", bar.failures) % bar.failures)
    if bar.longest and bar.executions:
        parts.append(_("the longest %s") % duration_in_words(bar.longest))
    # Without the year, as there may be thousands of these on a page.
    return f"{clock_time(bar.start)[5:]} - {clock_time(bar.end)[11:]}: {', '.join(parts)}"


def draw_gaps(gaps: Iterable[Window], window: Window) -> SafeString:
    """Return the shade over the longest times without a live runner."""
    longest = sorted(gaps, key=lambda gap: gap.end - gap.start, reverse=True)[:_MOST_GAPS]
    shades: List[Tuple[float, float]] = []
    for start, end in sorted((window.share(gap.start), window.share(gap.end)) for gap in longest):
        start = min(start, 1 - _LEAST_WIDTH)
        # Where two overlap, the shade would be darker.
        if shades and start <= shades[-1][1] + _LEAST_DISTANCE:
            start = shades.pop()[0]
        shades.append((start, max(end, start + _LEAST_WIDTH)))
    return format_html_join(
        "",
        '<rect class="qj-gap" x="{}%" width="{}%" height="100%"/>',
        (_extent(start, end - start) for start, end in shades),
    )


def draw_axis(ticks: Iterable[Tick]) -> SafeString:
    """Return the times below their marks, or the date where a day begins."""
    return format_html_join(
        "",
        '<text x="{}%" y="14" text-anchor="{}"{}>{}</text>',
        (
            (f"{100 * tick.x:.4g}", _anchor(tick), _look(tick, ""), tick.day or tick.label)
            for tick in ticks
        ),
    )


def _anchor(tick: Tick) -> str:
    if 0.02 < tick.x < 0.98:
        return "middle"
    return "start" if tick.x < 0.5 else "end"


def _look(tick: Tick, usual: str) -> str:
    kinds = f"{usual} {'qj-day' if tick.day else ''}".strip()
    return flatatt({"class": kinds} if kinds else {})


def draw_ticks(ticks: Iterable[Tick]) -> SafeString:
    """Return lines through a lane."""
    return format_html_join(
        "",
        '<rect{} x="{}%" width="{}" height="100%"/>',
        ((_look(tick, "qj-tick"), f"{100 * tick.x:.4g}", 2 if tick.day else 1) for tick in ticks),
    )


def draw_now(now: dt.datetime, window: Window) -> SafeString:
    """Return a line through a lane."""
    return format_html(
        '<rect class="qj-now" x="{}%" width="1" height="100%"/>', f"{100 * window.share(now):.5g}"
    )


def draw_releases(runners: Iterable[JobRunner], window: Window) -> SafeString:
    """Return lines where these runners began, with a new release."""
    return format_html_join(
        "",
        '<g><title>{}</title><rect class="qj-hit" x="{}%" width="9" height="100%"/>'
        '<rect class="qj-release" x="{}%" width="2" height="100%"/></g>',
        (
            (
                _("%(time)s: release %(release)s")
                % {
                    "time": clock_time(runner.started_at),
                    "release": short_release(runner.release),
                },
                *[f"{100 * window.share(runner.started_at):.5g}"] * 2,
            )
            for runner in runners
        ),
    )


def draw_next(starts: Iterable[LocalStart], window: Window) -> SafeString:
    """Return marks of starts to come, each with its time."""
    return format_html_join(
        "",
        '<rect class="qj-next" x="{}%" width="2" y="6" height="{}"><title>{}</title></rect>',
        (
            (
                f"{100 * window.share(as_stored(start.moment)):.5g}",
                _LANE_HEIGHT - 12,
                _("due %(when)s") % {"when": start},
            )
            for start in starts
        ),
    )


def draw_runners(
    runners: Sequence[JobRunner], window: Window, clock: PageClock, links: Links, gaps: SafeString
) -> Tuple[SafeString, int]:
    """Return the inside of the SVG with the runners' lifetimes, and its height."""
    rows: List[dt.datetime] = []
    drawn: List[str] = [gaps]
    for runner in sorted(runners, key=lambda runner: runner.started_at)[:_MOST_LIVES]:
        end = clock.end_of(runner)
        row = next((row for row, free in enumerate(rows) if free <= runner.started_at), len(rows))
        row = min(row, _ROWS - 1)
        rows[row : row + 1] = [end]
        state = runner_state(runner, clock)
        title = _("%(runner)s, %(state)s: %(start)s - %(end)s") % {
            "runner": runner,
            "state": runner_text(state),
            "start": clock_time(runner.started_at),
            "end": clock_time(end),
        }
        drawn.append(
            svg_link(
                links.url(JobRunner, runner.pk),
                format_html(
                    '<title>{}</title><rect class="qj-life qj-life-{}" x="{}%" width="{}%" y="{}"'
                    ' height="{}" rx="2"/>',
                    title,
                    state,
                    *_extent(*_share(runner.started_at, end, window)),
                    row * _ROW_HEIGHT + 2,
                    _ROW_HEIGHT - 2,
                ),
            )
        )
    return _joined(drawn), max(1, len(rows)) * _ROW_HEIGHT + 3


def _share(start: dt.datetime, end: dt.datetime, window: Window) -> Tuple[float, float]:
    x = window.share(start)
    return x, window.share(end) - x
