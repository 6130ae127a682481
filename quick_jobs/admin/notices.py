"""What somebody should know about the runners, whatever page they are on."""

from __future__ import annotations

import datetime as dt
from typing import Any, List, NamedTuple

from django.db.models import Count
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from quick_jobs.admin.links import Links
from quick_jobs.admin.live_runners import late_once_runs, live_runners, punctual_once_runs
from quick_jobs.admin.page_clock import PageClock, page_clock
from quick_jobs.admin.wording import ago, duration_in_words
from quick_jobs.models import JobRunner
from quick_jobs.once_runs import OnceRuns

#: How long a runner that was lost is news.
_NEWS = dt.timedelta(days=1)

_MOST_NAMED = 3

#: Live runners whose jobs are compared.
_MOST_COMPARED = 20


class Notice(NamedTuple):
    """``level`` is one of those that Django's messages have; ``url`` leads to the runners."""

    level: str
    text: str
    url: str


def notices(request: HttpRequest, links: Links) -> List[Notice]:
    """Return what is to be said to somebody who may see runners."""
    if not links.permits(JobRunner):
        return []
    clock = page_clock(request)
    alive = live_runners(request)
    found = [*_about_lost(clock, links), *_about_shared_jobs(alive, links)]
    if alive or punctual_once_runs(request):
        return found
    late = late_once_runs(request)
    return [_late(late, clock, links) if late else _no_live_runner(clock, links), *found]


def _late(runs: OnceRuns, clock: PageClock, links: Links) -> Notice:
    text = _(
        "“run_jobs --once” is late, so no jobs are run. The last run was %(ago)s; "
        "the next one was expected within %(time)s."
    ) % {
        "ago": ago(runs.last.started_at, clock.now),
        "time": duration_in_words(runs.patience),
    }
    return Notice("error", text, links.list_url(JobRunner))


def _no_live_runner(clock: PageClock, links: Links) -> Notice:
    last = JobRunner.objects.exclude(kind=JobRunner.COMMAND).order_by("-pk").first()
    if last is None:
        text = _("There has been no runner yet. It is started with “manage.py run_jobs”.")
    else:
        text = _("No runner is alive, so no jobs are run. The last one, %(runner)s, %(end)s.") % {
            "runner": last,
            "end": (
                _("stopped %s") % ago(last.stopped_at, clock.now)
                if last.stopped_at
                else _("was last heard of %s") % ago(last.last_heartbeat_at, clock.now)
            ),
        }
    return Notice("error", text, links.list_url(JobRunner))


def _about_lost(clock: PageClock, links: Links) -> List[Notice]:
    lost = JobRunner.objects.lost(clock.lost_before)
    lost = lost.filter(last_heartbeat_at__gte=clock.now - _NEWS)
    runners = list(lost.order_by("-last_heartbeat_at")[: _MOST_NAMED + 1])
    if not runners:
        return []
    names = [
        f"{runner} ({ago(runner.last_heartbeat_at, clock.now)})" for runner in runners[:_MOST_NAMED]
    ]
    if len(runners) > _MOST_NAMED:
        names.append("…")
    text = ngettext(
        "A runner is lost; it was last heard of: %s",
        "Runners are lost; they were last heard of: %s",
        len(runners),
    )
    return [Notice("warning", text % ", ".join(names), links.list_url(JobRunner, state="lost"))]


def _about_shared_jobs(alive: List[JobRunner], links: Links) -> List[Notice]:
    if len(alive) < 2:
        return []
    through: Any = JobRunner.jobs.through._default_manager
    having = through.filter(jobrunner__in=[runner.pk for runner in alive[:_MOST_COMPARED]])
    counts = having.values("job").annotate(runners=Count("pk"))
    shared = counts.filter(runners__gt=1).count()
    if not shared:
        return []
    text = ngettext(
        "%d job is run by several live runners, by each of them on its own.",
        "%d jobs are run by several live runners, by each of them on its own.",
        shared,
    )
    return [Notice("info", text % shared, links.list_url(JobRunner, state="alive"))]
