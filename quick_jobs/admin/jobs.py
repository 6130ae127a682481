"""The admin of jobs: the overview."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Type

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from quick_jobs.admin.badges import badge, execution_badge
from quick_jobs.admin.base import PageLink, column
from quick_jobs.admin.execution_view import ExecutionView
from quick_jobs.admin.facts import JobFacts, facts_of_jobs
from quick_jobs.admin.filters import JobStateFilter
from quick_jobs.admin.following import next_in_words, upcoming_in_words
from quick_jobs.admin.job_page import JobPageAdmin
from quick_jobs.admin.job_states import RANK, JobChangeList, ranked, state_in_words
from quick_jobs.admin.links import link, links_for
from quick_jobs.admin.overview import overview
from quick_jobs.admin.recent.statistics import RecentExecutions
from quick_jobs.admin.recent.words import failures_in_words
from quick_jobs.admin.sparkline import sparkline
from quick_jobs.admin.wording import (
    NOTHING,
    ago,
    breakable,
    duration_in_words,
    schedule_of_row,
    time_element,
    took_in_words,
)
from quick_jobs.models import Job, JobExecution, JobRunner

if TYPE_CHECKING:
    from quick_jobs.admin.facts import JobRow

#: Bars in a sparkline in the list; on a job's own page it has all of them.
BARS = 20

#: Characters of a name that fit in a list beside the other columns.
ON_ONE_LINE = 35


@admin.register(Job)
class JobAdmin(JobPageAdmin):
    """The jobs that runners have registered, by name, and how they are doing."""

    list_display = (
        "title",
        "state",
        "last_execution",
        "picture",
        "next_start",
        "typical_duration",
    )
    list_filter = (JobStateFilter,)
    ordering = ("name",)
    sortable_by = ("title", "state")
    search_fields = ("name",)
    fields = (
        "name",
        "description",
        "written",
        ("times", "time_limit"),
        ("next_start", "next_starts"),
        ("last_execution", "typical_duration", "failures"),
        "long_picture",
        ("state", "liveness", "its_runners"),
        "by_hand",
    )
    group = "job"
    may_be_empty = {
        "picture": lambda job: job.facts.recent.executions,
        "typical_duration": lambda job: job.facts.recent.typical_duration,
    }
    tells_of = {
        JobExecution: (
            "last_execution",
            "picture",
            "long_picture",
            "typical_duration",
            "failures",
            "next_start",
            "next_starts",
            "last_error",
            "last_ten",
        ),
        JobRunner: ("liveness", "its_runners", "next_start", "next_starts"),
    }

    def facts_of(self, request: HttpRequest, rows: List[Any]) -> Mapping[int, JobFacts]:
        return facts_of_jobs(request, links_for(request, self.admin_site), rows)

    def changelist_view(
        self, request: HttpRequest, extra_context: Optional[Dict[str, Any]] = None
    ) -> HttpResponse:
        links = links_for(request, self.admin_site)
        may_see = links.permits(JobExecution)
        request._quick_jobs_may_see_states = may_see  # type: ignore[attr-defined]
        figures = overview(request, links)
        context = {"quick_jobs_figures": figures, **(extra_context or {})}
        return super().changelist_view(request, context)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Type[ChangeList]:
        return JobChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        jobs = super().get_queryset(request)
        may_see = getattr(request, "_quick_jobs_may_see_states", None)
        return jobs if may_see is None else ranked(request, jobs, may_see)

    def links_of(self, request: HttpRequest, row: JobRow) -> List[PageLink]:
        executions = row.facts.links.list_url(JobExecution, job__id__exact=row.pk)
        return [
            PageLink(_("Executions"), executions),
            PageLink(_("Timeline"), row.facts.links.timeline_url(q=row.name)),
        ]

    @column(gettext_lazy("name"), order="name")
    def title(self, job: JobRow) -> str:
        name = breakable(job.name)
        if len(job.name) <= ON_ONE_LINE:  # in Chromium, <wbr> breaks lines all the same
            name = format_html('<span class="qj-nowrap">{}</span>', job.name)
        if not job.description:
            return name
        return format_html('{} <span class="qj-second">{}</span>', name, job.description)

    @column(gettext_lazy("state"), order=RANK)
    def state(self, job: JobRow) -> str:
        return state_in_words(job.facts)

    @column(gettext_lazy("schedule"))
    def times(self, job: JobRow) -> str:
        return schedule_of_row(job)

    @column(gettext_lazy("next start"))
    def next_start(self, job: JobRow) -> str:
        return format_html(
            '{} <span class="qj-second">{}</span>',
            next_in_words(job.facts.following),
            schedule_of_row(job),
        )

    @column(gettext_lazy("next starts"))
    def next_starts(self, job: JobRow) -> str:
        return upcoming_in_words(job.facts.following)

    @column(gettext_lazy("timeout"))
    def time_limit(self, job: JobRow) -> str:
        return duration_in_words(job.timeout, parts=4)

    @column(gettext_lazy("last execution"))
    def last_execution(self, job: JobRow) -> str:
        last = job.facts.recent.last
        if last is None:
            return NOTHING
        return format_html(
            '{} <span class="qj-nowrap">{}</span> {}',
            link(
                job.facts.links.url(JobExecution, last.pk), execution_badge(last.state), "qj-plain"
            ),
            ago(last.started_at, job.facts.now),
            _duration_of(last, job.facts.recent),
        )

    @column(gettext_lazy("history"))
    def picture(self, job: JobRow) -> str:
        return sparkline(job.facts.recent.executions[:BARS], job.facts.links) or NOTHING

    @column(gettext_lazy("history"))
    def long_picture(self, job: JobRow) -> str:
        return sparkline(job.facts.recent.executions, job.facts.links) or NOTHING

    @column(gettext_lazy("typical duration"))
    def typical_duration(self, job: JobRow) -> str:
        return duration_in_words(job.facts.recent.typical_duration)

    @column(gettext_lazy("failures"))
    def failures(self, job: JobRow) -> str:
        return failures_in_words(job.facts.recent, job.facts.now, job.facts.is_gone)

    @column(gettext_lazy("live runners"))
    def liveness(self, job: JobRow) -> Any:
        count = job.facts.live_runners
        if count:
            return ngettext("%d runner", "%d runners", count) % count
        if job.facts.is_gone:
            return format_html(
                '<span title="{}">{}</span>',
                _("No live runner has it, and it is in no installed app's jobs module."),
                badge("gone", _("not in the code")),
            )
        return badge("none", _("no live runner"))

    @column(gettext_lazy("runners"))
    def its_runners(self, job: JobRow) -> Any:
        runners: QuerySet[JobRunner] = job.runners.order_by("-pk")[:10]
        return (
            format_html_join(
                "",
                "<div>{} {}</div>",
                (
                    (
                        job.facts.links.to(JobRunner, runner.pk, str(runner)),
                        time_element(runner.started_at, job.facts.now),
                    )
                    for runner in runners
                ),
            )
            or NOTHING
        )


def _duration_of(last: ExecutionView, recent: RecentExecutions) -> str:
    duration = took_in_words(last.state, last.duration)
    if not recent.is_last_long:
        return format_html('<span class="qj-quiet qj-nowrap">{}</span>', duration)
    return format_html(
        '<strong class="qj-long qj-nowrap" title="{}">{} ▲</strong>',
        _("unusually long: typical is %s") % duration_in_words(recent.typical_duration),
        duration,
    )
