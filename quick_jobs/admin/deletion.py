"""Deletion of jobs and runners with their executions, which are too many to be listed first."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Set, Tuple

from django.contrib.admin.sites import AdminSite
from django.db.models import Model, Q
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import ngettext

from quick_jobs.models import Job, JobExecution, JobRunner

#: Rows that are named, and counted, before somebody confirms that they are to be deleted.
_MOST_NAMED = 100
_MOST_COUNTED = 5000

Deleted = Tuple[List[Any], Dict[str, Any], Set[str], List[str]]


def what_is_deleted(
    rows: Iterable[Model], group: str, request: HttpRequest, site: AdminSite
) -> Deleted:
    """Return what Django's page of confirmation shows: names, numbers, missing permissions.

    ``group`` says what executions have in common with ``rows``: "job", "runner", or "" for rows
    that are executions. Nothing is read of more rows than are named or counted.
    """
    found = list(rows[: _MOST_COUNTED + 1] if hasattr(rows, "query") else rows)  # type: ignore[index]
    model: Any = {"job": Job, "runner": JobRunner, "": JobExecution}[group]
    names: List[Any] = [f"{capfirst(model._meta.verbose_name)}: {row}" for row in found]
    numbers = {str(model._meta.verbose_name_plural): _number(len(names))}
    _shorten(names, len(names))
    missing = {
        str(one._meta.verbose_name)
        for one in ((model, JobExecution) if group else (model,))
        if one in site._registry and not site._registry[one].has_delete_permission(request)
    }
    if group:
        pks = [row.pk for row in found[:_MOST_NAMED]]
        executions = JobExecution.objects.filter(Q(**{f"{group}__in": pks})).order_by()
        count = executions.values("pk")[: _MOST_COUNTED + 1].count()
        numbers[str(JobExecution._meta.verbose_name_plural)] = _number(count)
        if count:
            text = ngettext("%s execution", "%s executions", count)
            names.append(text % _number(count))
    return names, numbers, missing, []


def _shorten(names: List[Any], count: int) -> None:
    if count > _MOST_NAMED:
        names[_MOST_NAMED:] = ["…"]


def _number(count: int) -> str:
    return f"{_MOST_COUNTED}+" if count > _MOST_COUNTED else str(count)
