"""Deletion of jobs and runners with their executions, which are too many to list."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Set, Tuple

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.sites import AdminSite
from django.contrib.admin.utils import NestedObjects, quote
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, router
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from quick_jobs.admin.links import links_for
from quick_jobs.admin.parameters import bound_page
from quick_jobs.admin.time_range import whole_number
from quick_jobs.models import Job, JobExecution, JobRunner
from quick_jobs.references import any_of, references_to, with_flags
from quick_jobs.tracebacks import error_line

#: Rows that an action takes: more than a page has, and no more than SQLite before 3.32 can query.
_MOST_CHOSEN = 900

#: Rows that the page of confirmation names, and counts.
_MOST_NAMED = 100
_MOST_COUNTED = 5000

Deleted = Tuple[List[Any], Dict[str, Any], Set[str], List[str]]


class DeletionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Deletes the rows chosen on a page, never all of a list; shows the database's refusals."""

    #: The field of an execution that refers to a row, unless the row is the execution itself.
    group = ""

    def response_action(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Do an action with the rows selected on the page, never with all rows of the list.

        These could be millions, and Django would keep each in memory. Keys beyond a page, and
        values that are no keys, are ignored.
        """
        data = request.POST.copy()
        chosen = data.getlist(ACTION_CHECKBOX_NAME)
        chosen = [pk for pk in chosen[:_MOST_CHOSEN] if whole_number(pk) is not None]
        data.setlist(ACTION_CHECKBOX_NAME, chosen)
        data["select_across"] = "0"
        request.POST = data
        try:
            return super().response_action(request, *args, **kwargs)
        except IntegrityError as error:
            return self._refuse_to_delete(request, self.opts.verbose_name_plural, error)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """Delete a row, or show the database's refusal: tables that Django does not know may refer.

        The page names the row, so the permission to view it is needed too.
        """
        bound_page(request)
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            return super().delete_view(request, object_id, extra_context)
        except IntegrityError as error:
            return self._refuse_to_delete(request, self.opts.verbose_name, error)

    def _refuse_to_delete(self, request: HttpRequest, name: Any, error: Exception) -> HttpResponse:
        text = _("Cannot delete %(name)s") % {"name": name}
        self.message_user(request, f"{text}: {error_line(error)}", messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        return what_is_deleted(objs, self.group, request, self.admin_site)


def what_is_deleted(
    rows: Iterable[Model], group: str, request: HttpRequest, site: AdminSite
) -> Deleted:
    """Return what Django's page of confirmation shows: names, numbers, missing permissions, and
    what is protected.

    ``group`` says what executions have in common with ``rows``: "job", "runner", or "" for rows
    that are executions. No more rows are read than are named or counted, except rows of other apps
    that refer to them. These are named and counted as in Django.
    """
    found = list(rows[: _MOST_COUNTED + 1] if hasattr(rows, "query") else rows)  # type: ignore[index]
    model: Any = {"job": Job, "runner": JobRunner, "": JobExecution}[group]
    deleted = (model, JobExecution) if group and _have_executions(found, group) else (model,)
    if any(references_to(one) for one in (*deleted, JobRunner.jobs.through)):
        names, numbers, missing, protected = _with_those_that_refer(found, request, site)
    else:
        names = [f"{capfirst(model._meta.verbose_name)}: {row}" for row in found]
        numbers, missing, protected = {}, set(), []
        _shorten(names, len(names))
    numbers[str(model._meta.verbose_name_plural)] = _number(len(found))
    missing.update(
        str(one._meta.verbose_name)
        for one in deleted
        if one in site._registry and not site._registry[one].has_delete_permission(request)
    )
    if group:
        pks = [row.pk for row in found[:_MOST_NAMED]]
        executions = JobExecution.objects.filter(Q(**{f"{group}__in": pks})).order_by()
        count = executions.values("pk")[: _MOST_COUNTED + 1].count()
        numbers[str(JobExecution._meta.verbose_name_plural)] = _number(count)
        if count:
            text = ngettext("%s execution", "%s executions", count)
            names.append(text % _number(count))
    return names, numbers, missing, protected


class _ThoseThatRefer(NestedObjects):
    """Django's collector, without those of our rows to which no other app's rows refer."""

    def related_objects(self, *args: Any) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().related_objects(*args)
        if rows.model not in (JobExecution, JobRunner.jobs.through):
            return rows
        references = references_to(rows.model)
        if not references:
            return rows.none()
        flagged, flags = with_flags(rows, [one.exists(self.using) for one in references])
        flagged = flagged.filter(any_of(flags))
        return flagged.select_related("job", "runner") if rows.model is JobExecution else flagged


def _with_those_that_refer(rows: List[Any], request: HttpRequest, site: AdminSite) -> Deleted:
    """Return the result of Django's own function for ``rows`` and the rows that refer to them."""
    if not rows:
        return [], {}, set(), []
    collector: Any = _ThoseThatRefer(using=router.db_for_write(rows[0]._meta.model))
    collector.collect(rows)
    missing: Set[str] = set()
    name = _naming(request, site, missing)
    names = collector.nested(name)
    numbers = {
        str(model._meta.verbose_name_plural): len(found)
        for model, found in collector.model_objs.items()
    }
    return names, numbers, missing, [name(row) for row in collector.protected]


def _naming(request: HttpRequest, site: AdminSite, missing: Set[str]) -> Callable[[Any], str]:
    """Return a row's name with a link; add its model to the missing permissions if need be."""

    links = links_for(request, site)

    def name(row: Any) -> str:
        meta = row._meta
        text = links.name_of(row)
        title = capfirst(meta.verbose_name)
        model_admin = site._registry.get(type(row))
        if model_admin is None:
            return f"{title}: {text}"
        if not model_admin.has_delete_permission(request, row):
            missing.add(str(meta.verbose_name))
        view = f"{site.name}:{meta.app_label}_{meta.model_name}_change"
        try:
            url = reverse(view, None, (quote(row.pk),))
        except NoReverseMatch:
            return f"{title}: {text}"
        return format_html('{}: <a href="{}">{}</a>', title, url, text)

    return name


def _have_executions(rows: List[Any], group: str) -> bool:
    if len(rows) > _MOST_CHOSEN:
        return True  # too many for one query
    pks = [row.pk for row in rows]
    return JobExecution.objects.filter(Q(**{f"{group}__in": pks})).exists()


def _shorten(names: List[Any], count: int) -> None:
    if count > _MOST_NAMED:
        names[_MOST_NAMED:] = ["…"]


def _number(count: int) -> str:
    return f"{_MOST_COUNTED}+" if count > _MOST_COUNTED else str(count)
