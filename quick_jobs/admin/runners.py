"""The admin of runners."""

from __future__ import annotations

from typing import Any, Dict, List

from django.contrib import admin
from django.db.models import Count, OuterRef, Subquery
from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from quick_jobs.admin.badges import runner_badge, runner_state
from quick_jobs.admin.base import HistoryAdmin, PageLink, column
from quick_jobs.admin.filters import RunnerStateFilter
from quick_jobs.admin.links import links_for
from quick_jobs.admin.page_clock import page_clock
from quick_jobs.admin.recent.queries import recent_executions
from quick_jobs.admin.recent.statistics import RecentExecutions
from quick_jobs.admin.recent.words import failures_in_words
from quick_jobs.admin.wording import NOTHING, ago, breakable, duration_in_words, time_element
from quick_jobs.models import Job, JobExecution, JobRunner

#: Executions of each runner that are summed up.
RECENT = 100

#: Running executions that are named for a runner in the list, and on its page.
_FEW = 3
_MANY = 100

#: Running executions that are read for a page.
_MOST_RUNNING = 1000

#: Jobs that are named on a runner's page.
_MOST_JOBS = 500


@admin.register(JobRunner)
class JobRunnerAdmin(HistoryAdmin):
    """The runners, the newest first."""

    list_display = (
        "process",
        "state",
        "heartbeat",
        "uptime",
        "executions_so_far",
        "failures",
        "lateness",
        "running_now",
        "number_of_jobs",
    )
    list_filter = (RunnerStateFilter,)
    list_per_page = 25
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        ("hostname", "pid"),
        ("state", "heartbeat", "uptime"),
        ("started", "stopped", "stop_detail"),
        ("executions_so_far", "failures", "lateness", "dropped"),
        "all_running_now",
        "its_jobs",
    )
    group = "runner"
    tells_of = {
        JobExecution: (
            "executions_so_far",
            "failures",
            "lateness",
            "running_now",
            "all_running_now",
            "dropped",
        ),
        Job: ("number_of_jobs", "its_jobs"),
    }

    def add_facts(self, request: HttpRequest, rows: List[Any]) -> None:
        links = links_for(request, self.admin_site)
        clock = page_clock(request)
        pks = [runner.pk for runner in rows]
        seen = recent_executions("runner", rows, RECENT, clock)
        started = _executions_started(pks)
        running = _running_executions([runner.pk for runner in rows if clock.is_alive(runner)])
        jobs = _numbers_of_jobs(pks)
        for runner in rows:
            runner.links = links
            runner.clock = clock
            runner.state = runner_state(runner, clock)
            runner.lately = seen.get(runner.pk, RecentExecutions(()))
            runner.started_executions = started.get(runner.pk)
            runner.running = running.get(runner.pk, [])
            runner.job_count = jobs.get(runner.pk, 0)

    def links_of(self, request: HttpRequest, row: Any) -> List[PageLink]:
        executions = row.links.list_url(JobExecution, runner__id__exact=row.pk)
        return [PageLink(_("Executions"), executions)] if executions else []

    @column(gettext_lazy("runner"))
    def process(self, runner: Any) -> str:
        return str(runner)

    @column(gettext_lazy("state"))
    def state(self, runner: Any) -> str:
        if runner.stopped_at is None:
            return runner_badge(runner.state)
        return format_html(
            '{} <span class="qj-second">{}</span>',
            runner_badge(runner.state),
            runner.get_stop_reason_display(),
        )

    @column(gettext_lazy("started"))
    def started(self, runner: Any) -> str:
        return time_element(runner.started_at, runner.clock.now)

    @column(gettext_lazy("stopped"))
    def stopped(self, runner: Any) -> str:
        return time_element(runner.stopped_at, runner.clock.now if runner.stopped_at else None)

    @column(gettext_lazy("heartbeat"))
    def heartbeat(self, runner: Any) -> str:
        return format_html(
            '<span title="{}">{}</span>',
            runner.last_heartbeat_at.isoformat(),
            ago(runner.last_heartbeat_at, runner.clock.now),
        )

    @column(gettext_lazy("uptime"))
    def uptime(self, runner: Any) -> str:
        return duration_in_words(runner.clock.end_of(runner) - runner.started_at)

    @column(gettext_lazy("executions"))
    def executions_so_far(self, runner: Any) -> str:
        count = runner.started_executions
        if count is None:
            count = len(runner.lately.executions)
        text = number_format(count)
        if runner.started_executions is None and count == RECENT:
            text += "+"
        url = runner.links.list_url(JobExecution, runner__id__exact=runner.pk)
        return format_html('<a href="{}">{}</a>', url, text)

    @column(gettext_lazy("failures lately"))
    def failures(self, runner: Any) -> str:
        return failures_in_words(runner.lately, runner.clock.now)

    @column(gettext_lazy("lateness lately"))
    def lateness(self, runner: Any) -> str:
        if runner.lately.typical_lateness is None:
            return NOTHING
        return format_html(
            '{} <span class="qj-quiet qj-nowrap">{}</span>',
            duration_in_words(runner.lately.typical_lateness),
            _("at most %s") % duration_in_words(runner.lately.worst_lateness),
        )

    @column(gettext_lazy("dropped executions"))
    def dropped(self, runner: Any) -> str:
        return str(runner.dropped_executions)

    @column(gettext_lazy("running now"))
    def running_now(self, runner: Any) -> str:
        return _running_in_words(runner, _FEW)

    @column(gettext_lazy("running now"))
    def all_running_now(self, runner: Any) -> str:
        return _running_in_words(runner, _MANY)

    @column(gettext_lazy("jobs"))
    def number_of_jobs(self, runner: Any) -> str:
        return number_format(runner.job_count)

    @column(gettext_lazy("jobs"))
    def its_jobs(self, runner: Any) -> Any:
        jobs = runner.jobs.order_by("name").values_list("pk", "name")[:_MOST_JOBS]
        return (
            format_html_join(
                "", "<div>{}</div>", ((runner.links.to(Job, pk, name),) for pk, name in jobs)
            )
            or NOTHING
        )


def _running_in_words(runner: Any, most: int) -> str:
    if not runner.running:
        return NOTHING
    shown = format_html_join(
        "",
        '<div>{} <span class="qj-quiet qj-nowrap">{}</span></div>',
        (
            (
                runner.links.to(JobExecution, pk, breakable(name)),
                duration_in_words(runner.clock.now - started_at),
            )
            for pk, name, started_at in runner.running[:most]
        ),
    )
    others = len(runner.running) - most
    if others <= 0:
        return shown
    return format_html(
        "{}<div>{}</div>", shown, ngettext("and %d more", "and %d more", others) % others
    )


def _executions_started(pks: List[int]) -> Dict[int, int]:
    """Return how many executions these runners have started, as far as they count them."""
    # An index has the greatest number of each; a GROUP BY would look for it among all rows.
    last = JobExecution.objects.filter(runner=OuterRef("pk")).exclude(number=None)
    numbers = Subquery(last.order_by("-number").values("number")[:1])
    runners = JobRunner.objects.filter(pk__in=pks).annotate(last_number=numbers)
    return {
        pk: number
        for pk, number in runners.order_by().values_list("pk", "last_number")
        if number is not None
    }


def _running_executions(pks: List[int]) -> Dict[int, List[Any]]:
    """Return what these runners, which are alive, run now: primary key, job, start."""
    found: Dict[int, List[Any]] = {}
    executions = JobExecution.objects.filter(outcome=JobExecution.RUNNING, runner__in=pks)
    rows = executions.order_by("-started_at").values_list("runner", "pk", "job__name", "started_at")
    for runner, *execution in rows[:_MOST_RUNNING]:
        found.setdefault(runner, []).append(execution)
    return found


def _numbers_of_jobs(pks: List[int]) -> Dict[int, int]:
    links: Any = JobRunner.jobs.through._default_manager.filter(jobrunner__in=pks)
    counted = links.values("jobrunner").annotate(jobs=Count("pk"))
    return dict(counted.values_list("jobrunner", "jobs"))
