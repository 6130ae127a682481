"""How things are, in a few numbers above the list of jobs."""

from __future__ import annotations

from typing import List, NamedTuple

from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from quick_jobs.admin.badges import ALIVE
from quick_jobs.admin.links import Links
from quick_jobs.admin.live_runners import jobs_gone, live_runners, punctual_once_runs
from quick_jobs.admin.page_clock import page_clock
from quick_jobs.admin.wording import ago
from quick_jobs.models import Job, JobExecution, JobRunner

#: More are not counted.
_MOST_COUNTED = 1000


class Figure(NamedTuple):
    """``kind`` says its colour, see admin.css; ``url`` leads to what was counted."""

    kind: str
    number: str
    text: str
    detail: str
    url: str


def overview(request: HttpRequest, links: Links) -> List[Figure]:
    """Return how many runners live, executions run and jobs fail, as far as may be seen."""
    figures = []
    if links.permits(JobRunner):
        figures.append(_live_runners(request, links))
    if links.permits(JobExecution):
        figures += [_running(links), _failing(request, links)]
    return figures


def _live_runners(request: HttpRequest, links: Links) -> Figure:
    runners = live_runners(request)
    detail = ""
    runs = punctual_once_runs(request)
    if runs:
        detail = _("last timed run %s") % ago(runs.last.started_at, page_clock(request).now)
    elif runners:
        newest = max(runner.last_heartbeat_at for runner in runners)
        detail = _("heartbeat %s") % ago(newest, page_clock(request).now)
    return Figure(
        ALIVE if runners or runs else JobExecution.FAILED,
        number_format(len(runners)),
        ngettext("live runner", "live runners", len(runners)),
        detail,
        links.list_url(JobRunner, state=ALIVE),
    )


def _running(links: Links) -> Figure:
    count = JobExecution.objects.running().values("pk")[: _MOST_COUNTED + 1].count()
    return Figure(
        JobExecution.RUNNING if count else JobExecution.INTERRUPTED,
        _capped(count),
        ngettext("execution running", "executions running", count),
        "",
        links.list_url(JobExecution, outcome__exact=JobExecution.RUNNING),
    )


def _failing(request: HttpRequest, links: Links) -> Figure:
    failing = Job.objects.failing().exclude(pk__in=jobs_gone(request))
    count = failing.values("pk")[: _MOST_COUNTED + 1].count()
    return Figure(
        JobExecution.FAILED if count else JobExecution.SUCCEEDED,
        _capped(count),
        ngettext("job failed last time", "jobs failed last time", count),
        "",
        links.list_url(Job, state="failed"),
    )


def _capped(count: int) -> str:
    return f"{number_format(_MOST_COUNTED)}+" if count > _MOST_COUNTED else number_format(count)
