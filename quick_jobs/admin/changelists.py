"""The pages of the lists: their order, and what is fetched for all of their rows at once."""

from __future__ import annotations

from typing import Any, List

from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest

from quick_jobs.admin.static_files import url_of


class HistoryChangeList(ChangeList):
    """A page of rows, with what its columns need fetched for all of them at once."""

    #: What tells our templates that the list is not of an admin that a site has put in its place.
    is_history = True

    def search_icon(self) -> str:
        return url_of("admin/img/search.svg")

    def get_ordering(self, request: HttpRequest, queryset: Any) -> List[Any]:
        """Return the order, all of it in one direction: an index has no other."""
        ordering = super().get_ordering(request, queryset)
        if len(ordering) > 1 and ordering[-1] in ("pk", "-pk"):
            is_descending = str(ordering[0]).startswith("-")
            ordering[-1] = "-pk" if is_descending else "pk"
        return ordering

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        model_admin: Any = self.model_admin
        model_admin.add_facts(request, rows)
        self.result_list = rows
