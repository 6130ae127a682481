"""Links to the pages that a person may see."""

from __future__ import annotations

from typing import Any, Dict, Type
from urllib.parse import urlencode

from django.contrib.admin.sites import AdminSite
from django.db.models import Model
from django.forms.utils import flatatt
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html

from quick_jobs.models import Job, JobExecution, JobRunner

#: The name of the timeline's address.
TIMELINE = "quick_jobs_timeline"


class Links:
    """The addresses of the admin's pages of jobs, executions and runners that are permitted.

    The rule for all pages: rows that a person may not list are named nowhere, neither in a column
    nor in a filter, a title or a link. Errors and tracebacks belong to executions. Their text may
    have such names, and people who may list executions see it unchanged.

    :meth:`permits` says what may be listed; columns that show other models stand in their
    admin's ``tells_of``; and an execution, which is named after its job, is given
    :meth:`shown_job`.
    """

    def __init__(self, request: HttpRequest, site: AdminSite) -> None:
        self._site = site.name
        self._admins: Dict[Type[Model], Any] = {}
        self._lists: Dict[Type[Model], str] = {}
        for model in (Job, JobExecution, JobRunner):
            model_admin = site._registry.get(model)  # a site may have replaced or removed it
            if model_admin is not None and model_admin.has_view_permission(request):
                name = f"{model._meta.app_label}_{model._meta.model_name}_changelist"
                self._admins[model] = model_admin
                self._lists[model] = self._reverse(name)

    def _reverse(self, name: str) -> str:
        """Return the address of a page of the admin, or an empty text if there is none."""
        try:
            return reverse(f"admin:{name}", current_app=self._site)
        except NoReverseMatch:
            return ""

    def permits(self, model: Type[Model]) -> bool:
        """Return whether rows of ``model`` may be shown."""
        return model in self._lists

    def shown_job(self, job: Job) -> Job:
        """Return ``job``, or a stand-in without its name if jobs may not be listed."""
        return job if self.permits(Job) else nameless_job(job.pk)

    def name_of(self, row: Model) -> str:
        """Return the name of ``row``, of any model, or its number if it may not be listed."""
        if isinstance(row, (Job, JobExecution, JobRunner)) and not self.permits(type(row)):
            return f"{row._meta.verbose_name} {row.pk}"
        if isinstance(row, JobExecution):
            row.job = self.shown_job(row.job)
        return str(row)

    def url(self, model: Type[Model], pk: Any) -> str:
        """Return the address of a row's page, or an empty text if it may not be shown."""
        url = self._lists.get(model)
        return f"{url}{pk}/change/" if url else ""

    def list_url(self, model: Type[Model], **query: Any) -> str:
        """Return the address of a list with these filters, or an empty text.

        For a site's own admin, only parameters are used that every list of Django's has.
        """
        url = self._lists.get(model, "")
        if not hasattr(self._admins.get(model), "lookups"):
            query = {name: value for name, value in query.items() if "__" in name}
        return f"{url}?{urlencode(query)}" if url and query else url

    def timeline_url(self, **query: Any) -> str:
        """Return the address of the timeline with these choices, or an empty text.

        A site's own admin of executions has no timeline, unless it inherits from ours.
        """
        url = self._reverse(TIMELINE) if self.permits(JobExecution) else ""
        return f"{url}?{urlencode(query)}" if url and query else url

    def to(self, model: Type[Model], pk: Any, text: str) -> str:
        """Return HTML of ``text`` as a link to a row, or without a link."""
        return link(self.url(model, pk), text)


def nameless_job(pk: Any) -> Job:
    """Return a stand-in for a job that may not be named."""
    return Job(pk=pk, name=f"{Job._meta.verbose_name} {pk}")


def link(url: str, text: str, look: str = "") -> str:
    """Return HTML of a link, or of the text alone if there is no address; ``look`` is a class."""
    if not url:
        return format_html("{}", text)
    if look:
        return format_html('<a class="{}" href="{}">{}</a>', look, url, text)
    return format_html('<a href="{}">{}</a>', url, text)


def svg_link(url: str, inside: str, **attributes: str) -> str:
    """Return SVG of a link around ``inside``, which is SVG too, or of a group without a link."""
    if not url:
        return format_html("<g>{}</g>", inside)
    return format_html('<a href="{}"{}>{}</a>', url, flatatt(attributes), inside)


def links_for(request: HttpRequest, site: AdminSite) -> Links:
    """Return the links for the sender of ``request``, made once for each request."""
    links = getattr(request, "_quick_jobs_links", None)
    if links is None:
        links = Links(request, site)
        request._quick_jobs_links = links  # type: ignore[attr-defined]
    return links
