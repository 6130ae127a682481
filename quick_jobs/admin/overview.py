"""The figures above the list of jobs and on front pages."""

from __future__ import annotations

import datetime as dt
from typing import List, NamedTuple

from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from quick_jobs.admin.badges import ALIVE
from quick_jobs.admin.links import Links
from quick_jobs.admin.page_clock import page_clock
from quick_jobs.admin.search import WENT_WRONG
from quick_jobs.admin.site_health import ATTENTION, jobs_in_state, reading
from quick_jobs.admin.time_range import TimeRange
from quick_jobs.admin.wording import ago
from quick_jobs.databases.timestamps import as_aware
from quick_jobs.models import Job, JobExecution, JobRunner

#: More are not counted.
_MOST_COUNTED = 1000

_LATELY = dt.timedelta(hours=24)


class Figure(NamedTuple):
    """``kind`` chooses its colour, see admin.css; ``url`` leads to the rows that were counted."""

    kind: str
    number: str
    text: str
    detail: str
    url: str


def overview(request: HttpRequest, links: Links) -> List[Figure]:
    """Return how many runners live, how many executions run, and what went wrong.

    Figures that may not be seen are left out.
    """
    figures = []
    if links.permits(JobRunner):
        figures.append(_live_runners(request, links))
    if links.permits(JobExecution):
        figures += [_running(links), _attention(request, links), _went_wrong(request, links)]
    return figures


def _live_runners(request: HttpRequest, links: Links) -> Figure:
    site = reading(request).site
    detail = ""
    if site.once is not None and site.is_on_timer:
        detail = _("last timed run %s") % ago(site.once.last.started_at, site.now)
    elif site.alive:
        newest = max(runner.last_heartbeat_at for runner in site.alive)
        detail = _("heartbeat %s") % ago(newest, site.now)
    count = len(site.alive)
    return Figure(
        JobExecution.FAILED if site.is_down else ALIVE,
        number_format(count),
        ngettext("live runner", "live runners", count),
        detail,
        links.list_url(JobRunner, state=ALIVE),
    )


def _running(links: Links) -> Figure:
    count = JobExecution.objects.running().values("pk")[: _MOST_COUNTED + 1].count()
    return Figure(
        JobExecution.RUNNING if count else JobExecution.INTERRUPTED,
        _capped(count),
        _("running"),
        "",
        links.list_url(JobExecution, outcome__exact=JobExecution.RUNNING),
    )


def _attention(request: HttpRequest, links: Links) -> Figure:
    count = len(jobs_in_state(request, ATTENTION))
    return Figure(
        JobExecution.FAILED if count else JobExecution.SUCCEEDED,
        number_format(count),
        ngettext("needs attention", "need attention", count),
        "",
        links.list_url(Job, state=ATTENTION),
    )


def _went_wrong(request: HttpRequest, links: Links) -> Figure:
    """Count recent failures. The link is to the same time range, not to one that moves."""
    now = page_clock(request).now
    executions = JobExecution.objects.went_wrong().filter(
        started_at__gte=now - _LATELY, started_at__lte=now
    )
    count = executions.values("pk")[: _MOST_COUNTED + 1].count()
    since = TimeRange(as_aware(now - _LATELY), as_aware(now))
    return Figure(
        JobExecution.FAILED if count else JobExecution.SUCCEEDED,
        _capped(count),
        _("went wrong in the last 24 hours"),
        "",
        links.list_url(JobExecution, outcome__exact=WENT_WRONG, since=str(since)),
    )


def _capped(count: int) -> str:
    return f"{number_format(_MOST_COUNTED)}+" if count > _MOST_COUNTED else number_format(count)
