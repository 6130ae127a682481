"""The admin of executions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List, Mapping, Tuple, Type

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from quick_jobs.admin.badges import execution_badge
from quick_jobs.admin.base import column
from quick_jobs.admin.changelists import ExecutionChangeList
from quick_jobs.admin.compat import HAS_LISTED_BREADCRUMBS
from quick_jobs.admin.execution_page import ExecutionPageAdmin, duration_so_far
from quick_jobs.admin.facts import ExecutionFacts, facts_of_executions
from quick_jobs.admin.filters import (
    DurationFilter,
    JobFilter,
    KindFilter,
    OutcomeFilter,
    RunnerFilter,
    StartedFilter,
)
from quick_jobs.admin.links import TIMELINE, links_for
from quick_jobs.admin.nameless import with_nameless_jobs
from quick_jobs.admin.notices import notices
from quick_jobs.admin.parameters import bound_list, search_text
from quick_jobs.admin.search import matches, searched_for
from quick_jobs.admin.static_files import styles
from quick_jobs.admin.timeline.page import timeline_context
from quick_jobs.admin.wording import NOTHING, breakable, error_in_words, time_element
from quick_jobs.models import Job, JobExecution, JobRunner

if TYPE_CHECKING:
    from quick_jobs.admin.facts import ExecutionRow


@admin.register(JobExecution)
class JobExecutionAdmin(ExecutionPageAdmin):
    """All executions, the newest first."""

    list_display = ("job_name", "state", "started", "took", "in_runner", "said")
    list_filter = (
        ("job", JobFilter),
        ("outcome", OutcomeFilter),
        ("runner", RunnerFilter),
        StartedFilter,
        DurationFilter,
        KindFilter,
    )
    may_be_empty = {
        "said": lambda execution: (
            execution.note or execution.error or execution.facts.state == JobExecution.LOST
        )
    }
    list_per_page = 100
    ordering = ("-started_at",)
    sortable_by = ("started",)
    search_fields = ("job__name", "error")
    search_help_text = gettext_lazy("Searches the names of jobs and the errors.")
    lookups = (
        "job__id__exact",
        "runner__id__exact",
        "outcome__exact",
        "since",
        "took",
        "kind",
    )

    def get_urls(self) -> List[Any]:
        view = self.admin_site.admin_view(self.timeline_view)
        return [path("timeline/", view, name=TIMELINE), *super().get_urls()]

    def timeline_view(self, request: HttpRequest) -> HttpResponse:
        """Show the timeline to people who may view executions."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        bound_list(request, ())
        links = links_for(request, self.admin_site)
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": _("Timeline"),
            "has_listed_breadcrumbs": HAS_LISTED_BREADCRUMBS,
            "opts": self.model._meta,
            "media": styles("admin/css/changelists.css") + self.media,
            "quick_jobs_notices": notices(request, links),
            **timeline_context(request, links),
        }
        return TemplateResponse(request, "admin/quick_jobs/timeline.html", context)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changelist = super().get_changelist_instance(request)
        if self.search_help_text and not links_for(request, self.admin_site).permits(Job):
            changelist.search_help_text = _("Searches the errors.")
        return changelist

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Type[ChangeList]:
        return ExecutionChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset = super().get_queryset(request)
        links = links_for(request, self.admin_site)
        is_list = request.resolver_match and request.resolver_match.kwargs.get("object_id") is None
        if not links.permits(Job):
            queryset = with_nameless_jobs(queryset)
            related = ["runner"]
        else:
            related = ["job", "runner"]
        if not is_list:
            return queryset.select_related(*related)
        # In separate queries: with a join, MariaDB would begin with the jobs, and sort everything.
        return queryset.defer(*JobExecution.LONG_TEXTS).prefetch_related(*related)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> Tuple[QuerySet[Any], bool]:
        words = search_text(search_term).split()
        time_range = searched_for(request)
        if time_range is not None:
            # With both ends, because databases estimate the number of rows from the length.
            queryset = queryset.filter(
                started_at__gte=time_range.start, started_at__lte=time_range.end
            )
            request._quick_jobs_searched_since = time_range.start  # type: ignore[attr-defined]
        has_names = links_for(request, self.admin_site).permits(Job)
        return (queryset.filter(matches(words, has_names)) if words else queryset), False

    def facts_of(self, request: HttpRequest, rows: List[Any]) -> Mapping[int, ExecutionFacts]:
        return facts_of_executions(request, links_for(request, self.admin_site), rows)

    @column(gettext_lazy("job"))
    def job_name(self, execution: ExecutionRow) -> str:
        return breakable(execution.job.name)

    @column(gettext_lazy("outcome"))
    def state(self, execution: ExecutionRow) -> str:
        return execution_badge(execution.facts.state)

    @column(gettext_lazy("started"), order="started_at")
    def started(self, execution: ExecutionRow) -> str:
        return time_element(execution.started_at)

    @column(gettext_lazy("duration"))
    def took(self, execution: ExecutionRow) -> str:
        return duration_so_far(execution)

    @column(gettext_lazy("runner"))
    def in_runner(self, execution: ExecutionRow) -> Any:
        return execution.facts.links.to(JobRunner, execution.runner_id, str(execution.runner))

    @column(gettext_lazy("error"))
    def error_line(self, execution: ExecutionRow) -> str:
        error = error_in_words(execution.error, execution.facts.state)
        return format_html('<span class="qj-error">{}</span>', error) if error else NOTHING

    @column(gettext_lazy("note and error"))
    def said(self, execution: ExecutionRow) -> str:
        """Return what the job has noted, and its error below."""
        if not execution.note:
            return self.error_line(execution)
        note = format_html('<span class="qj-error">{}</span>', execution.note)
        error = self.error_line(execution)
        if error == NOTHING:
            return note
        return format_html('{} <span class="qj-second">{}</span>', note, error)
