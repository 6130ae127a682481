"""Links to what the person at the screen may see."""

from __future__ import annotations

from typing import Any, Dict, Type
from urllib.parse import urlencode

from django.contrib.admin.sites import AdminSite
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from quick_jobs.models import Job, JobExecution, JobRunner

#: The name of the timeline's address.
TIMELINE = "quick_jobs_timeline"


class Links:
    """The addresses of the admin's pages of jobs, executions and runners, as far as permitted."""

    def __init__(self, request: HttpRequest, site: AdminSite) -> None:
        self._site = site.name
        self._lists: Dict[Type[Model], str] = {}
        for model in (Job, JobExecution, JobRunner):
            model_admin = site._registry.get(model)  # a site may have replaced or removed it
            if model_admin is not None and model_admin.has_view_permission(request):
                name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
                self._lists[model] = reverse(name, current_app=site.name)

    def permits(self, model: Type[Model]) -> bool:
        """Return whether rows of ``model`` may be shown."""
        return model in self._lists

    def url(self, model: Type[Model], pk: Any) -> str:
        """Return the address of a row's page, or an empty text if it may not be shown."""
        return f"{self._lists[model]}{pk}/change/" if self.permits(model) else ""

    def list_url(self, model: Type[Model], **query: Any) -> str:
        """Return the address of a list with these filters, or an empty text."""
        if not self.permits(model):
            return ""
        return f"{self._lists[model]}?{urlencode(query)}" if query else self._lists[model]

    def timeline_url(self, **query: Any) -> str:
        """Return the address of the timeline with these choices, or an empty text."""
        if not self.permits(JobExecution):
            return ""
        url = reverse(f"admin:{TIMELINE}", current_app=self._site)
        return f"{url}?{urlencode(query)}" if query else url

    def to(self, model: Type[Model], pk: Any, text: str) -> str:
        """Return HTML of ``text`` as a link to a row, or without a link."""
        return link(self.url(model, pk), text)


def link(url: str, text: str) -> str:
    """Return HTML of a link, or of the text alone if there is no address."""
    return format_html('<a href="{}">{}</a>' if url else "{1}", url, text)


def links_for(request: HttpRequest, site: AdminSite) -> Links:
    """Return the links for who sent ``request``, made once for it."""
    links = getattr(request, "_quick_jobs_links", None)
    if links is None:
        links = Links(request, site)
        request._quick_jobs_links = links  # type: ignore[attr-defined]
    return links
