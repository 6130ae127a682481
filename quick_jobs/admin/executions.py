"""The admin of executions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List, Mapping, Tuple, Type

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
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
from quick_jobs.admin.base import HistoryAdmin, PageLink, column
from quick_jobs.admin.changelists import ExecutionChangeList
from quick_jobs.admin.compat import HAS_LISTED_BREADCRUMBS
from quick_jobs.admin.facts import ExecutionFacts, facts_of_executions
from quick_jobs.admin.filters import (
    DurationFilter,
    JobFilter,
    OutcomeFilter,
    RunnerFilter,
    StartedFilter,
)
from quick_jobs.admin.links import TIMELINE, links_for
from quick_jobs.admin.nameless import with_nameless_jobs
from quick_jobs.admin.neighbours import neighbours
from quick_jobs.admin.notices import notices
from quick_jobs.admin.parameters import bound_list, search_text
from quick_jobs.admin.search import matches, searched_for
from quick_jobs.admin.static_files import styles
from quick_jobs.admin.timeline.page import timeline_context
from quick_jobs.admin.wording import (
    NOTHING,
    at_least,
    breakable,
    clock_time,
    duration_in_words,
    time_element,
)
from quick_jobs.models import Job, JobExecution, JobRunner

if TYPE_CHECKING:
    from quick_jobs.admin.facts import ExecutionRow


@admin.register(JobExecution)
class JobExecutionAdmin(HistoryAdmin):
    """Every execution, the newest first."""

    list_display = ("job_name", "state", "started", "took", "in_runner", "error_line")
    list_filter = (
        ("job", JobFilter),
        ("outcome", OutcomeFilter),
        ("runner", RunnerFilter),
        StartedFilter,
        DurationFilter,
    )
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
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("of_job", "in_runner"),
                    ("state", "took", "late"),
                    ("due", "started", "finished"),
                    "error_line",
                    "explanation",
                )
            },
        ),
        (gettext_lazy("Traceback"), {"fields": ("formatted_traceback",)}),
    )

    tells_of = {Job: ("job_name", "of_job"), JobRunner: ("in_runner",)}

    def get_urls(self) -> List[Any]:
        view = self.admin_site.admin_view(self.timeline_view)
        return [path("timeline/", view, name=TIMELINE), *super().get_urls()]

    def timeline_view(self, request: HttpRequest) -> HttpResponse:
        """Show the timeline to who may see executions."""
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

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = self.fieldsets if obj is not None and obj.traceback else self.fieldsets[:1]
        hidden = () if obj is None or obj.facts.state == JobExecution.LOST else ("explanation",)
        return [
            (title, {**options, "fields": self._permitted(request, options["fields"], hidden)})
            for title, options in fieldsets
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return flatten_fieldsets(self.fieldsets)

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
        # In queries of their own: joined, MariaDB would begin with the jobs, and sort all there is.
        return queryset.defer(*JobExecution.LONG_TEXTS).prefetch_related(*related)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> Tuple[QuerySet[Any], bool]:
        words = search_text(search_term).split()
        time_range = searched_for(request)
        if time_range is not None:
            # With both ends, as databases guess from the length how many rows there are.
            queryset = queryset.filter(
                started_at__gte=time_range.start, started_at__lte=time_range.end
            )
            request._quick_jobs_searched_since = time_range.start  # type: ignore[attr-defined]
        has_names = links_for(request, self.admin_site).permits(Job)
        return (queryset.filter(matches(words, has_names)) if words else queryset), False

    def facts_of(self, request: HttpRequest, rows: List[Any]) -> Mapping[int, ExecutionFacts]:
        return facts_of_executions(request, links_for(request, self.admin_site), rows)

    def links_of(self, request: HttpRequest, row: ExecutionRow) -> List[PageLink]:
        previous, following = neighbours(row)
        for other in (previous, following):
            if other is not None:
                other.job = row.job  # as far as it may be named
        found = (
            (_("Previous of this job"), previous, "prev"),
            (_("Next of this job"), following, "next"),
        )
        return [
            PageLink(text, row.facts.links.url(JobExecution, other.pk), rel, str(other))
            for text, other, rel in found
            if other is not None
        ]

    @column(gettext_lazy("job"))
    def job_name(self, execution: ExecutionRow) -> str:
        return breakable(execution.job.name)

    @column(gettext_lazy("job"))
    def of_job(self, execution: ExecutionRow) -> Any:
        return execution.facts.links.to(Job, execution.job_id, str(execution.job))

    @column(gettext_lazy("outcome"))
    def state(self, execution: ExecutionRow) -> str:
        return execution_badge(execution.facts.state)

    @column(gettext_lazy("started"), order="started_at")
    def started(self, execution: ExecutionRow) -> str:
        return time_element(execution.started_at)

    @column(gettext_lazy("due"))
    def due(self, execution: ExecutionRow) -> str:
        return time_element(execution.due_at)

    @column(gettext_lazy("finished"))
    def finished(self, execution: ExecutionRow) -> str:
        return time_element(execution.finished_at)

    @column(gettext_lazy("duration"))
    def took(self, execution: ExecutionRow) -> str:
        if execution.facts.state == JobExecution.RUNNING:
            so_far = execution.facts.now - execution.started_at
            return _("%(duration)s so far") % {"duration": duration_in_words(so_far)}
        if execution.facts.seen_until is not None:
            return at_least(execution.facts.seen_until - execution.started_at)
        return duration_in_words(execution.duration)

    @column(gettext_lazy("lateness"))
    def late(self, execution: ExecutionRow) -> str:
        return duration_in_words(execution.lateness)

    @column(gettext_lazy("runner"))
    def in_runner(self, execution: ExecutionRow) -> Any:
        return execution.facts.links.to(JobRunner, execution.runner_id, str(execution.runner))

    @column(gettext_lazy("error"))
    def error_line(self, execution: ExecutionRow) -> str:
        error = execution.error
        if not error and execution.facts.state == JobExecution.LOST:
            error = _("Its runner is lost.")
        return format_html('<span class="qj-error">{}</span>', error) if error else NOTHING

    @column(gettext_lazy("explanation"))
    def explanation(self, execution: ExecutionRow) -> str:
        return _(
            "It was seen from %(start)s to %(end)s, when its runner was last heard of. How it ended"
            " is not on record: the runner was killed, or its machine or the database went away."
        ) % {
            "start": clock_time(execution.started_at),
            "end": clock_time(execution.facts.seen_until or execution.started_at),
        }

    @column(gettext_lazy("traceback"))
    def formatted_traceback(self, execution: ExecutionRow) -> str:
        return format_html(
            '<div class="qj-copy"><button type="button" class="qj-copy-button" data-copied="{}">{}'
            '</button><pre class="qj-traceback" tabindex="0">{}</pre></div>',
            _("Copied"),
            _("Copy"),
            execution.traceback,
        )
