"""Dropdown filters: those of django-admin-list-filter-dropdown, with a template of our own.

The original template has an inline script, and shows a list if there are few choices.
Choices come from small tables only, and no more than fit a dropdown.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Iterator, List, Tuple

from django.contrib.admin.options import ModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_admin_listfilter_dropdown.filters import (
    ChoiceDropdownFilter,
    RelatedDropdownFilter,
    SimpleDropdownFilter,
)

from quick_jobs.admin.badges import EXECUTION_STATES, RUNNER_STATES
from quick_jobs.admin.kinds_head import kind_of
from quick_jobs.admin.links import links_for
from quick_jobs.admin.page_clock import page_clock
from quick_jobs.admin.search import WENT_WRONG, searched_for
from quick_jobs.admin.site_health import ATTENTION, jobs_alive, jobs_in_state
from quick_jobs.admin.time_range import NAMED, TimeRange, whole_number
from quick_jobs.admin.wording import duration_in_words
from quick_jobs.health import GONE, STATES
from quick_jobs.models import JobExecution, JobRunner

TEMPLATE = "quick_jobs/dropdown_filter.html"

#: More would not help in a dropdown: further jobs are found by search.
MOST_CHOICES = 500


class _NewestFirst(RelatedDropdownFilter):  # type: ignore[misc]
    """Choices from a related table, and the chosen one even if it is not among them.

    People who may not view that table's rows are offered none, and see no names.
    """

    template = TEMPLATE
    order = "-id"
    most_choices = 50

    def __init__(self, field: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(field, request, *args, **kwargs)
        self._chosen = request.GET.get(self.lookup_kwarg)

    def field_choices(
        self, field: Any, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> List[Tuple[Any, str]]:
        chosen = whole_number(request.GET.get(self.lookup_kwarg, ""))
        related = field.remote_field.model._default_manager
        if not links_for(request, model_admin.admin_site).permits(related.model):
            return [] if chosen is None else [(chosen, str(chosen))]
        rows = list(related.order_by(self.order)[: self.most_choices])
        if chosen is not None and all(row.pk != chosen for row in rows):
            rows += related.filter(pk=chosen)
        return [(row.pk, str(row)) for row in rows]

    def has_output(self) -> bool:
        return bool(self.lookup_choices or self._chosen)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self._chosen and whole_number(self._chosen) is None:
            return queryset.none()
        return super().queryset(request, queryset)


class JobFilter(_NewestFirst):
    order = "name"
    most_choices = MOST_CHOICES


class RunnerFilter(_NewestFirst):
    """The runners that started last."""


class OutcomeFilter(ChoiceDropdownFilter):  # type: ignore[misc]
    """The outcomes; "lost", which is running in a lost runner; and all that went wrong."""

    template = TEMPLATE

    def __init__(self, field: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(field, request, *args, **kwargs)
        self._chosen = request.GET.get(self.lookup_kwarg)

    def choices(self, changelist: Any) -> Iterator[Any]:
        yield {
            "selected": self._chosen is None,
            "query_string": changelist.get_query_string(remove=[self.lookup_kwarg]),
            "display": _("All"),
        }
        for state, text in (*EXECUTION_STATES, (WENT_WRONG, _("went wrong"))):
            yield {
                "selected": self._chosen == state,
                "query_string": changelist.get_query_string({self.lookup_kwarg: state}),
                "display": text,
            }

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self._chosen == JobExecution.LOST:
            return queryset.lost()
        if self._chosen == JobExecution.RUNNING:
            return queryset.running()
        if self._chosen == WENT_WRONG:
            return queryset.went_wrong()
        if self._chosen and self._chosen not in dict(EXECUTION_STATES):
            return queryset.none()
        return super().queryset(request, queryset)


class StartedFilter(SimpleDropdownFilter):  # type: ignore[misc]
    """When executions started: recently, or in a time range from a link."""

    template = TEMPLATE
    title = _("start")
    parameter_name = "since"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> List[Tuple[str, Any]]:
        choices: List[Tuple[str, Any]] = [(value, text) for value, (text, _length) in NAMED.items()]
        chosen = self.value()
        time_range = TimeRange.parse(chosen, page_clock(request).now)
        if time_range is not None and chosen not in NAMED:
            choices.append((chosen, time_range.in_words()))
        return choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        time_range = TimeRange.parse(self.value(), page_clock(request).now)
        newest = searched_for(request)
        start = time_range.start if time_range is not None else None
        # With two conditions, SQLite may choose the index that leaves more rows to read.
        if start is not None and not (newest is not None and newest.start >= start):
            queryset = queryset.filter(started_at__gte=start)
        if time_range is not None and time_range.end is not None:
            queryset = queryset.filter(started_at__lte=time_range.end)
        return queryset


class DurationFilter(SimpleDropdownFilter):  # type: ignore[misc]
    """How long executions took at least."""

    template = TEMPLATE
    title = _("duration")
    parameter_name = "took"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> List[Tuple[str, Any]]:
        return [
            (str(seconds), _("%s or more") % duration_in_words(dt.timedelta(seconds=seconds)))
            for seconds in (1, 10, 60, 600, 3600)
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in dict(self.lookup_choices):
            return queryset
        return queryset.filter(duration__gte=dt.timedelta(seconds=int(self.value())))


class KindFilter(SimpleDropdownFilter):  # type: ignore[misc]
    """Failures of the same kind as one with a given primary key; offered only when chosen."""

    template = TEMPLATE
    title = _("kind of failure")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> List[Tuple[str, Any]]:
        self._kind = kind_of(self.value())
        if not self.value():
            return []
        return [(self.value(), self._kind.message if self._kind else _("none"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        return queryset.filter(self._kind.alike()) if self._kind else queryset.none()


class RunnerStateFilter(SimpleDropdownFilter):  # type: ignore[misc]
    """Runners that are alive, lost or stopped."""

    template = TEMPLATE
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> List[Tuple[str, Any]]:
        return list(RUNNER_STATES)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() not in dict(RUNNER_STATES):
            return queryset
        return getattr(queryset, self.value())()


class JobStateFilter(SimpleDropdownFilter):  # type: ignore[misc]
    """Jobs by state, those running now, and those with or without a live runner."""

    template = TEMPLATE
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> List[Tuple[str, Any]]:
        links = links_for(request, model_admin.admin_site)
        of_executions = [
            (ATTENTION, pgettext_lazy("jobs", "need attention")),
            *((state, text) for state, text in STATES if state != GONE),
            ("running", _("running now")),
        ]
        of_runners = [("alive", _("in a live runner")), ("none", _("in no live runner"))]
        return [
            *(of_executions if links.permits(JobExecution) else []),
            *(of_runners if links.permits(JobRunner) else []),
            *([(GONE, _("not in the code"))] if links.permits(JobRunner) else []),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        state = self.value()
        if state not in dict(self.lookup_choices):
            return queryset
        if state == "running":
            return queryset.filter(pk__in=JobExecution.objects.running().values("job"))
        if state not in ("alive", "none"):
            return queryset.filter(pk__in=jobs_in_state(request, state))
        alive = jobs_alive(request)
        return queryset.filter(pk__in=alive) if state == "alive" else queryset.exclude(pk__in=alive)
