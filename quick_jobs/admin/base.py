"""The base of the three admins: read-only, except for deletion."""

from __future__ import annotations

from typing import (
    Any,
    Callable,
    Collection,
    Dict,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Type,
    TypeVar,
)

from django.contrib.admin.utils import flatten
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.forms import Media
from django.http import HttpRequest, HttpResponse

from quick_jobs.admin.changelists import HistoryChangeList
from quick_jobs.admin.compat import HAS_DARK_ADMIN, SHOW_NO_FACETS
from quick_jobs.admin.deletion import DeletionAdmin
from quick_jobs.admin.links import links_for
from quick_jobs.admin.notices import notices
from quick_jobs.admin.paging import CappedPaginator
from quick_jobs.admin.parameters import bound_list, bound_page, search_text
from quick_jobs.admin.static_files import served
from quick_jobs.admin.time_range import whole_number

STYLES = ["quick_jobs/admin.css", "quick_jobs/dark.css"][: 2 if HAS_DARK_ADMIN else 1]
SCRIPT = "quick_jobs/admin.js"

#: Characters of a key that are repeated in the message that there is no such row.
_MOST_REPEATED = 50

Method = TypeVar("Method", bound=Callable[..., str])


def column(title: Any, order: Optional[str] = None) -> Callable[[Method], Method]:
    """Set the title and the order of a column of a list, which is also a line of a page."""

    def decorate(method: Method) -> Method:
        method.short_description = title  # type: ignore[attr-defined]
        if order:
            method.admin_order_field = order  # type: ignore[attr-defined]
        return method

    return decorate


class PageLink(NamedTuple):
    """A link at the top of a row's page; ``rel`` and ``title`` are HTML's."""

    text: str
    url: str
    rel: str = ""
    title: str = ""


class HistoryAdmin(DeletionAdmin):
    """Rows of the history: nobody can add or change them, deleting takes the permission."""

    paginator = CappedPaginator
    show_full_result_count = False
    list_max_show_all = 0
    show_facets = SHOW_NO_FACETS
    list_per_page = 50

    #: The parameters that a list accepts. Others could make the database read a whole table.
    lookups: Sequence[str] = ("state",)

    #: The columns that show rows of another model. They are hidden from people who may not list
    #: those rows: see :class:`quick_jobs.admin.links.Links` for the rule.
    tells_of: Dict[Type[Model], Sequence[str]] = {}

    #: The columns that a list has only if a row returns something for them. They come after the
    #: sortable columns, whose numbers are in addresses.
    may_be_empty: Mapping[str, Callable[[Any], Any]] = {}

    @property
    def media(self) -> Media:
        ours = served((*STYLES, SCRIPT))
        return super().media + Media(
            css={"all": [path for path in STYLES if path in ours]},
            js=[SCRIPT] if SCRIPT in ours else [],
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Optional[Model] = None) -> bool:
        return False

    def get_list_display(self, request: HttpRequest) -> Any:
        return self._permitted(request, super().get_list_display(request))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self._permitted(request, super().get_fields(request, obj))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [
            (title, {**options, "fields": self._permitted(request, options["fields"])})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def _permitted(
        self, request: HttpRequest, names: Sequence[Any], others: Collection[str] = ()
    ) -> Sequence[Any]:
        """Return ``names`` without the columns that are not permitted, and ``others``."""
        links = links_for(request, self.admin_site)
        hidden = {
            name
            for model, told in self.tells_of.items()
            if not links.permits(model)
            for name in told
        }.union(others)
        lines = (
            _without(hidden, line) if isinstance(line, (list, tuple)) else line for line in names
        )
        return [line for line in lines if line and line not in hidden]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return flatten(self.fields or ())

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        return lookup in self.lookups

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Type[ChangeList]:
        return HistoryChangeList

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changelist = super().get_changelist_instance(request)
        if not isinstance(changelist, HistoryChangeList):  # a package's own, as of django-unfold
            rows = list(changelist.result_list)
            self.add_facts(request, rows)
            changelist.result_list = rows
        return changelist

    def changelist_view(
        self, request: HttpRequest, extra_context: Optional[Dict[str, Any]] = None
    ) -> HttpResponse:
        bound_list(request, self.lookups)
        links = links_for(request, self.admin_site)
        context = {
            "quick_jobs_notices": notices(request, links),
            "quick_jobs_timeline_url": links.timeline_url(),
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        bound_page(request)
        return super().changeform_view(request, *args, **kwargs)

    def history_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        bound_page(request)
        return super().history_view(request, *args, **kwargs)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> Tuple[QuerySet[Any], bool]:
        return super().get_search_results(request, queryset, search_text(search_term))

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: Optional[str] = None
    ) -> Any:
        if whole_number(str(object_id)) is None:  # no query is needed
            return None
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            self.add_facts(request, [row])
        return row

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> HttpResponse:
        """Say that there is no such row, without repeating a very long address."""
        parent: Any = super()
        redirect: HttpResponse = parent._get_obj_does_not_exist_redirect(
            request, opts, str(object_id)[:_MOST_REPEATED]
        )
        return redirect

    def render_change_form(
        self,
        request: HttpRequest,
        context: Dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        links = [] if obj is None else self.links_of(request, obj)
        context["quick_jobs_links"] = [link for link in links if link.url]
        return super().render_change_form(request, context, add, change, form_url, obj)

    def links_of(self, request: HttpRequest, row: Any) -> List[PageLink]:
        """Return the links of the page of ``row``; those without an address are left out."""
        return []

    def add_facts(self, request: HttpRequest, rows: List[Any]) -> None:
        """Set ``facts`` on each of ``rows``, to be shown beside its fields."""
        facts = self.facts_of(request, rows)
        for row in rows:
            row.facts = facts[row.pk]

    def columns_without_content(self, rows: List[Any]) -> List[str]:
        """Return the columns that are empty in a list with these ``rows``."""
        if not rows:
            return []
        columns = self.may_be_empty.items()
        return [name for name, content in columns if not any(map(content, rows))]

    def facts_of(self, request: HttpRequest, rows: List[Any]) -> Mapping[int, Any]:
        """Return the facts of ``rows`` by primary key."""
        raise NotImplementedError


def _without(hidden: Collection[str], names: Sequence[str]) -> Sequence[str]:
    return tuple(name for name in names if name not in hidden)
