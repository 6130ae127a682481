"""The admin of runners."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, List, Mapping

from django.contrib import admin
from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from quick_jobs.admin.badges import LOST, runner_badge
from quick_jobs.admin.base import HistoryAdmin, PageLink, column
from quick_jobs.admin.facts import RECENT_OF_RUNNER, RunnerFacts, facts_of_runners
from quick_jobs.admin.filters import RunnerStateFilter
from quick_jobs.admin.links import link, links_for
from quick_jobs.admin.recent.words import failures_of_runner
from quick_jobs.admin.releases import release_element
from quick_jobs.admin.wording import (
    NOTHING,
    ago,
    at_least,
    breakable,
    duration_in_words,
    time_element,
)
from quick_jobs.health.words import stop_reason_in_words
from quick_jobs.models import Job, JobExecution, JobRunner

if TYPE_CHECKING:
    from quick_jobs.admin.facts import RunnerRow

#: Running executions that are named for a runner in the list, and on its page.
_FEW = 3
_MANY = 100

#: Jobs that are named on a runner's page.
_MOST_JOBS = 500

_MILLISECOND = dt.timedelta(milliseconds=1)


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
        ("hostname", "pid", "of_release"),
        ("state", "heartbeat", "uptime"),
        ("started", "stopped", "stop_detail"),
        ("executions_so_far", "failures", "lateness", "dropped"),
        "all_running_now",
        "its_jobs",
    )
    group = "runner"
    may_be_empty = {
        "lateness": lambda runner: runner.facts.recent.worst_lateness,
        "running_now": lambda runner: runner.facts.running,
    }
    tells_of = {
        JobExecution: (
            "executions_so_far",
            "failures",
            "lateness",
            "running_now",
            "all_running_now",
            "dropped",
            "stop_detail",
        ),
        Job: ("number_of_jobs", "its_jobs", "running_now", "all_running_now", "stop_detail"),
    }

    def facts_of(self, request: HttpRequest, rows: List[Any]) -> Mapping[int, RunnerFacts]:
        return facts_of_runners(request, links_for(request, self.admin_site), rows)

    def links_of(self, request: HttpRequest, row: RunnerRow) -> List[PageLink]:
        executions = row.facts.links.list_url(JobExecution, runner__id__exact=row.pk)
        return [PageLink(_("Executions"), executions)] if executions else []

    @column(gettext_lazy("runner"))
    def process(self, runner: RunnerRow) -> str:
        return str(runner)

    @column(gettext_lazy("release"))
    def of_release(self, runner: RunnerRow) -> str:
        return release_element(runner.release) or NOTHING

    @column(gettext_lazy("state"))
    def state(self, runner: RunnerRow) -> str:
        if runner.stopped_at is None:
            return runner_badge(runner.facts.state)
        return format_html(
            '{} <span class="qj-second">{}</span>',
            runner_badge(runner.facts.state, runner.stop_reason),
            stop_reason_in_words(runner.stop_reason, runner.stop_detail),
        )

    @column(gettext_lazy("started"))
    def started(self, runner: RunnerRow) -> str:
        return time_element(runner.started_at, runner.facts.now)

    @column(gettext_lazy("stopped"))
    def stopped(self, runner: RunnerRow) -> str:
        return time_element(runner.stopped_at, runner.facts.now if runner.stopped_at else None)

    @column(gettext_lazy("heartbeat"))
    def heartbeat(self, runner: RunnerRow) -> str:
        return format_html(
            '<span title="{}">{}</span>',
            runner.last_heartbeat_at.isoformat(),
            ago(runner.last_heartbeat_at, runner.facts.now),
        )

    @column(gettext_lazy("uptime"))
    def uptime(self, runner: RunnerRow) -> str:
        uptime = runner.facts.end - runner.started_at
        return at_least(uptime) if runner.facts.state == LOST else duration_in_words(uptime)

    @column(gettext_lazy("executions"))
    def executions_so_far(self, runner: RunnerRow) -> str:
        count = runner.facts.started_executions
        if count is None:
            count = len(runner.facts.recent.executions)
        text = number_format(count)
        if runner.facts.started_executions is None and count == RECENT_OF_RUNNER:
            text += "+"
        return link(runner.facts.links.list_url(JobExecution, runner__id__exact=runner.pk), text)

    @column(gettext_lazy("failures"))
    def failures(self, runner: RunnerRow) -> str:
        has_ended_well = (
            runner.stopped_at is not None and runner.stop_reason not in JobRunner.ENDED_WITH_ERROR
        )
        return failures_of_runner(runner.facts.recent, has_ended_well)

    @column(gettext_lazy("lateness lately"))
    def lateness(self, runner: RunnerRow) -> str:
        worst = runner.facts.recent.worst_lateness
        if worst is None:
            return NOTHING
        return format_html(
            '{} <span class="qj-quiet qj-nowrap">{}</span>',
            duration_in_words(runner.facts.recent.typical_lateness),
            _("at most %s") % duration_in_words(max(worst, _MILLISECOND)),
        )

    @column(gettext_lazy("dropped executions"))
    def dropped(self, runner: RunnerRow) -> str:
        return str(runner.dropped_executions)

    @column(gettext_lazy("running now"))
    def running_now(self, runner: RunnerRow) -> str:
        return _running_in_words(runner.facts, _FEW)

    @column(gettext_lazy("running now"))
    def all_running_now(self, runner: RunnerRow) -> str:
        return _running_in_words(runner.facts, _MANY)

    @column(gettext_lazy("jobs"))
    def number_of_jobs(self, runner: RunnerRow) -> str:
        return number_format(runner.facts.number_of_jobs)

    @column(gettext_lazy("jobs"))
    def its_jobs(self, runner: RunnerRow) -> Any:
        jobs = runner.jobs.order_by("name").values_list("pk", "name")[:_MOST_JOBS]
        return (
            format_html_join(
                "", "<div>{}</div>", ((runner.facts.links.to(Job, pk, name),) for pk, name in jobs)
            )
            or NOTHING
        )


def _running_in_words(facts: RunnerFacts, most: int) -> str:
    if not facts.running:
        return NOTHING
    shown = format_html_join(
        "",
        '<div>{} <span class="qj-quiet qj-nowrap">{}</span></div>',
        (
            (
                facts.links.to(JobExecution, execution.pk, breakable(execution.job_name)),
                duration_in_words(facts.now - execution.started_at),
            )
            for execution in facts.running[:most]
        ),
    )
    others = len(facts.running) - most
    if others <= 0:
        return shown
    return format_html(
        "{}<div>{}</div>", shown, ngettext("and %d more", "and %d more", others) % others
    )
