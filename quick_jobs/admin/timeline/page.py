"""The page of the timeline: what was chosen, and what the template needs."""

from __future__ import annotations

import datetime as dt
from typing import Any, Dict, List, NamedTuple, Optional
from urllib.parse import urlencode

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from quick_jobs.admin.badges import EXECUTION_STATES
from quick_jobs.admin.facts import facts_of_jobs
from quick_jobs.admin.links import Links
from quick_jobs.admin.page_clock import PageClock, page_clock
from quick_jobs.admin.parameters import search_text
from quick_jobs.admin.releases import first_of_each_release
from quick_jobs.admin.time_range import NAMED, TimeRange, midnight, past_day, whole_number
from quick_jobs.admin.timeline.axis import ticks
from quick_jobs.admin.timeline.bars import BUCKETS, MANY, Bar, Window, gaps_between, without_gaps
from quick_jobs.admin.timeline.queries import (
    LANES,
    MOST_READ,
    MOST_RUNNERS,
    first_start_of_runners,
    jobs_seen_in,
    lanes,
    runners_in,
)
from quick_jobs.admin.timeline.svg import (
    draw_axis,
    draw_gaps,
    draw_lane,
    draw_next,
    draw_now,
    draw_releases,
    draw_runners,
    draw_ticks,
)
from quick_jobs.admin.wording import clock_time, duration_in_words
from quick_jobs.databases.timestamps import as_aware
from quick_jobs.models import Job, JobExecution, JobRunner

_DEFAULT = "6h"

_NO_TIME = dt.timedelta(0)

#: The share of the length that is shown after now, at least.
_MARGIN = 0.05

_WHOLE_BUCKETS = dt.timedelta(seconds=BUCKETS)

#: Next starts that are closer together than this share of the window have one mark.
_LEAST_BETWEEN_STARTS = 0.01

#: New releases that are marked, at most: each is drawn in every lane.
_MOST_RELEASES = 20

# No history reaches this far, and databases cannot skip more rows than they can count.
_LAST_PAGE = 10_000


class Choice(NamedTuple):
    """The part of the history that was chosen."""

    span: str
    until: Optional[dt.datetime]  # the present if None
    query: str
    page: int
    day: Optional[dt.date] = None  # instead of ``until``: from midnight on

    @property
    def is_past(self) -> bool:
        return bool(self.until or self.day)

    @classmethod
    def of(cls, params: Any, clock: PageClock) -> Choice:
        """Return the choice in the address, with defaults for missing or wrong values."""
        until = TimeRange.parse(f"-{params.get('until', '')}", clock.now)
        return cls(
            params.get("span") if params.get("span") in NAMED else _DEFAULT,
            until.end if until and until.end and until.end < clock.now else None,
            search_text(params.get("q", "")),
            min(whole_number(params.get("p", "")) or 0, _LAST_PAGE),
            past_day(params.get("day"), clock.now),
        )

    def url(self, **changes: Any) -> str:
        """Return the address of this choice with ``changes``."""
        changed = self._replace(**changes)
        until = str(TimeRange(None, changed.until)).strip("-")
        params = {
            "span": changed.span,
            "until": "" if changed.day else until,
            "day": changed.day,
            "q": changed.query,
            "p": changed.page,
        }
        return "?" + urlencode({name: value for name, value in params.items() if value})

    def window(self, now: dt.datetime, shows_next: bool) -> Window:
        """Return the time that is shown, with a margin after ``now`` if it has the next starts."""
        if self.day:
            start = midnight(self.day)
            return Window(start, start + NAMED[self.span][1])
        # A whole second, so that the buckets begin at whole seconds too.
        end = (self.until or now).replace(microsecond=0) + dt.timedelta(seconds=1)
        length = NAMED[self.span][1]
        margin = _margin(length) if shows_next and not self.until else _NO_TIME
        return Window(end - length, end + margin)


class DrawnLane(NamedTuple):
    name: str
    url: str
    list_url: str
    summary: str
    svg: SafeString


def timeline_context(request: HttpRequest, links: Links) -> Dict[str, Any]:
    """Return the template's context."""
    clock = page_clock(request)
    choice = Choice.of(request.GET, clock)
    shows_next = links.permits(Job) and links.permits(JobRunner)
    window = choice.window(clock.now, shows_next)
    words = choice.query.split() if links.permits(Job) else []
    jobs = jobs_seen_in(window, words, choice.page * LANES)
    marks = ticks(window)
    shades = draw_gaps([], window)
    gaps: List[Window] = []
    releases: List[JobRunner] = []
    context: Dict[str, Any] = {}
    if links.permits(JobRunner):
        runners = runners_in(window)
        gaps = _gaps(runners, window, clock)
        shades = draw_gaps(gaps, window)
        releases = _new_releases(runners, window)
        under = format_html("{}{}", shades, draw_releases(releases, window))
        svg, height = draw_runners(runners, window, clock, links, under)
        context = {"runners": runners, "runners_svg": svg, "runners_height": height}
    found = lanes(jobs[:LANES], window, clock)
    coming = _coming(request, links, [lane.job for lane in found], window) if shows_next else {}
    has_now = shows_next and clock.now < window.end
    now_line = draw_now(clock.now, window) if has_now else ""
    release_lines = draw_releases(releases, window)
    background = format_html("{}{}{}{}", draw_ticks(marks), shades, release_lines, now_line)
    bad_since = next((lane.bad_since for lane in found if lane.bad_since), None)
    return {
        **context,
        "choice": choice,
        "time_ranges": [
            # These ranges end now, so none is marked as chosen while another time is shown.
            (
                text,
                choice.url(span=span, page=0, until=None, day=None),
                span == choice.span and not choice.is_past,
            )
            for span, (text, _length) in NAMED.items()
        ],
        "lengths": [
            (span, duration_in_words(length), span == choice.span)
            for span, (_text, length) in NAMED.items()
        ],
        "until": str(TimeRange(None, choice.until)).strip("-"),
        "today": clock_time(clock.now)[:10],
        "earlier": choice.url(until=window.start, day=None),
        "later": choice.url(until=window.end + (window.end - window.start), day=None),
        "present": choice.url(until=None, day=None) if choice.is_past else "",
        "previous_page": choice.url(page=choice.page - 1) if choice.page else "",
        "next_page": choice.url(page=choice.page + 1) if len(jobs) > LANES else "",
        "start": clock_time(window.start),
        "end": clock_time(window.end),
        "axis": draw_axis(marks),
        "background": background,
        "lanes": [
            DrawnLane(
                links.shown_job(lane.job).name,
                links.url(Job, lane.job.pk),
                links.list_url(
                    JobExecution,
                    job__id__exact=lane.job.pk,
                    since=TimeRange(window.start, window.end),
                ),
                _summary(lane.bars),
                draw_lane(
                    without_gaps(lane.bars, gaps, window),
                    lane.job.pk,
                    format_html("{}{}", background, coming.get(lane.job.pk, "")),
                ),
            )
            for lane in found
        ],
        "bad_since": clock_time(bad_since) if bad_since else "",
        "legend": [
            *EXECUTION_STATES,
            (MANY, _("many runs: only failures are drawn")),
            *([("release", _("a new release of the code"))] if releases else []),
            *([("gap", _("no runner alive"))] if links.permits(JobRunner) else []),
            *([("next", _("next starts, without the variance"))] if has_now else []),
        ],
    }


def _margin(length: dt.timedelta) -> dt.timedelta:
    """Return how much is shown after now, such that the buckets still have whole seconds."""
    return -(-length * (1 + _MARGIN) // _WHOLE_BUCKETS) * _WHOLE_BUCKETS - length


def _coming(
    request: HttpRequest, links: Links, jobs: List[Job], window: Window
) -> Dict[int, SafeString]:
    """Return the marks of the next starts in ``window``, if it reaches beyond now."""
    clock = page_clock(request)
    if window.end <= clock.now:
        return {}
    least = (window.end - window.start) * _LEAST_BETWEEN_STARTS
    end = as_aware(window.end)
    return {
        pk: draw_next(facts.following.upcoming_until(end, least), window)
        for pk, facts in facts_of_jobs(request, links, jobs).items()
        if facts.following is not None
    }


def _new_releases(runners: List[JobRunner], window: Window) -> List[JobRunner]:
    """Return the last runners in ``window`` that began with a new release."""
    found = first_of_each_release(runners)
    return [runner for runner in found if runner.started_at >= window.start][-_MOST_RELEASES:]


def _summary(bars: List[Bar]) -> str:
    failures = sum(bar.failures for bar in bars)
    if any(bar.executions is None for bar in bars):
        text = _("more than %d executions") % MOST_READ
    else:
        count = sum(bar.executions or 0 for bar in bars)
        text = ngettext("%d execution", "%d executions", count) % count
    if failures:
        text += ", " + ngettext("%d failure", "%d failures", failures) % failures
    return text


def _gaps(runners: List[JobRunner], window: Window, clock: PageClock) -> List[Window]:
    lives = [(runner.started_at, clock.end_of(runner)) for runner in runners]
    first = min([start for start, _end in lives] + first_start_of_runners(), default=None)
    if first is None:
        return []
    if len(runners) == MOST_RUNNERS:
        first = min(start for start, _end in lives)
    if first > window.start:  # what was before is not known
        lives.append((window.start, first))
    return gaps_between(lives, Window(window.start, min(window.end, clock.now)))
