"""The pages of the lists: their order, queries for all rows at once, and older executions."""

from __future__ import annotations

from typing import Any, List, Optional

from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest

from quick_jobs.admin.compat import FIRST_PAGE
from quick_jobs.admin.kinds_head import KindsHead, kinds_head
from quick_jobs.admin.links import links_for
from quick_jobs.admin.static_files import url_of
from quick_jobs.admin.time_range import TimeRange
from quick_jobs.admin.wording import clock_time


class HistoryChangeList(ChangeList):
    """A page of rows. The facts for its columns are read for all rows at once."""

    #: Tells our templates that the list is not of an admin that a site has put in its place.
    is_history = True

    def search_icon(self) -> str:
        return url_of("admin/img/search.svg")

    def get_ordering(self, request: HttpRequest, queryset: Any) -> List[Any]:
        """Return the order, all in one direction, as an index has it."""
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
        empty = model_admin.columns_without_content(rows)
        self.list_display = [name for name in self.list_display if name not in empty]


class ExecutionChangeList(HistoryChangeList):
    """A page of executions: kinds of failures, how far was searched, and a link to older ones."""

    searched_since: Any = None
    older_url = ""
    kinds: Optional[KindsHead] = None

    def searched_since_in_words(self) -> str:
        return clock_time(self.searched_since)

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        queryset = super().get_queryset(request, *args, **kwargs)
        self.searched_since = getattr(request, "_quick_jobs_searched_since", None)
        return queryset

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not request.GET.get("kind"):
            links = links_for(request, self.model_admin.admin_site)
            self.kinds = kinds_head(self, request.GET.get("outcome__exact"), links)
        is_last = self.page_num + 1 - FIRST_PAGE >= self.paginator.num_pages
        if not is_last or self.get_ordering(request, self.queryset)[0] != "-started_at":
            return
        if self.paginator.is_capped:
            self.older_url = self._until(self.result_list[-1].started_at)
        elif self.searched_since:
            self.older_url = self._until(self.searched_since)

    def _until(self, moment: Any) -> str:
        return self.get_query_string({"since": str(TimeRange(None, moment))}, ["p"])
