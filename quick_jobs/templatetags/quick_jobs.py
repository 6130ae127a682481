"""The figures of the jobs for front pages of the admin: ``{% quick_jobs_figures %}``."""

from __future__ import annotations

from typing import Any, Dict, Optional

from django import template
from django.contrib.admin.sites import AdminSite, all_sites, site
from django.http import HttpRequest

from quick_jobs.admin.base import STYLES
from quick_jobs.admin.links import links_for
from quick_jobs.admin.notices import notices
from quick_jobs.admin.overview import overview
from quick_jobs.admin.static_files import served, url_of

register = template.Library()


@register.inclusion_tag("admin/quick_jobs/figures_line.html", takes_context=True)
def quick_jobs_figures(context: Any) -> Dict[str, Any]:
    """Return the context of the figures in one line; empty for people who may see none of them.

    A page shows them once.
    """
    request: Optional[HttpRequest] = context.get("request")
    if request is None:  # the site has left out Django's context processor
        return {}
    # The app's index extends the front page, which may have them too.
    if getattr(request, "_quick_jobs_figures_shown", False):
        return {}
    request._quick_jobs_figures_shown = True  # type: ignore[attr-defined]
    links = links_for(request, _site_of(request))
    found = [notice for notice in notices(request, links) if notice.level == "error"]
    figures = overview(request, links)
    return {
        "figures": figures,
        "notices": found if figures else [],
        "styles": [url_of(path) for path in served(STYLES)],
    }


def _site_of(request: HttpRequest) -> AdminSite:
    """Return the admin of the page. A site may have several."""
    name = getattr(request, "current_app", None)
    return next((one for one in all_sites if one.name == name), site)
