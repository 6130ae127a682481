"""The states by which jobs are filtered."""

from __future__ import annotations

from typing import Any, List, Tuple

from django.contrib.admin.options import ModelAdmin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_admin_listfilter_dropdown.filters import SimpleDropdownFilter

from quick_jobs.admin.badges import BAD_STATES
from quick_jobs.admin.filters import TEMPLATE
from quick_jobs.admin.links import links_for
from quick_jobs.admin.registered import live_runners, names_in_code
from quick_jobs.models import Job, JobExecution, JobRunner

# SQLite before 3.32 takes no more values in a query.
_MOST_VALUES = 900


class JobStateFilter(SimpleDropdownFilter):  # type: ignore[misc]
    """Jobs that run now, that failed last, that some or no live runner has, or that are gone."""

    template = TEMPLATE
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> List[Tuple[str, Any]]:
        links = links_for(request, model_admin.admin_site)
        of_executions = [("running", _("running now")), ("failed", _("failed last time"))]
        of_runners = [
            ("alive", _("in a live runner")),
            ("none", _("in no live runner")),
            ("gone", _("not in the code")),
        ]
        return [
            *(of_executions if links.permits(JobExecution) else []),
            *(of_runners if links.permits(JobRunner) else []),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        state = self.value()
        if state not in dict(self.lookup_choices):
            return queryset
        if state == "running":
            return queryset.filter(pk__in=JobExecution.objects.running().values("job"))
        if state == "failed":
            return queryset.annotate(last_outcome=Subquery(_last_outcome())).filter(
                last_outcome__in=BAD_STATES
            )
        alive = _jobs_alive(request)
        if state == "alive":
            return queryset.filter(pk__in=alive)
        if state == "none":
            return queryset.exclude(pk__in=alive)
        return queryset.exclude(pk__in=alive).filter(pk__in=_not_in_code())


def _last_outcome() -> QuerySet[Any, Any]:
    """Return the outcome of a job's last execution that has ended."""
    executions = JobExecution.objects.filter(job=OuterRef("pk"))
    ended = executions.exclude(outcome=JobExecution.RUNNING)
    return ended.order_by("-started_at").values("outcome")[:1]


def _jobs_alive(request: HttpRequest) -> Any:
    runners = [runner.pk for runner in live_runners(request)]
    return JobRunner.jobs.through._default_manager.filter(jobrunner__in=runners).values("job")


def _not_in_code() -> List[int]:
    known = names_in_code()
    if known is None:
        return []
    names = Job.objects.order_by("name").values_list("pk", "name")
    return [pk for pk, name in names if name not in known][:_MOST_VALUES]
