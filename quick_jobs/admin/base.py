"""What the three admins have in common: they show, and change nothing."""

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
    Type,
    TypeVar,
)

from django.contrib import admin, messages
from django.contrib.admin.utils import flatten
from django.contrib.admin.views.main import ChangeList
from django.db import IntegrityError
from django.db.models import Model
from django.forms import Media
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from quick_jobs.admin.compat import HAS_DARK_ADMIN, SHOW_NO_FACETS
from quick_jobs.admin.deletion import what_is_deleted
from quick_jobs.admin.links import links_for
from quick_jobs.admin.notices import notices
from quick_jobs.admin.paging import CappedPaginator
from quick_jobs.admin.static_files import served, url_of
from quick_jobs.tracebacks import error_line

STYLES = ["quick_jobs/admin.css", "quick_jobs/dark.css"][: 2 if HAS_DARK_ADMIN else 1]
SCRIPT = "quick_jobs/admin.js"

Method = TypeVar("Method", bound=Callable[..., str])


def column(title: Any, order: Optional[str] = None) -> Callable[[Method], Method]:
    """Give a column of a list, which is also a line of a page, its title, and what sorts it."""

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


class HistoryChangeList(ChangeList):
    """A page of rows, with what its columns need fetched for all of them at once."""

    #: What tells our templates that the list is not of an admin that a site has put in its place.
    is_history = True

    def search_icon(self) -> str:
        return url_of("admin/img/search.svg")

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        model_admin: Any = self.model_admin
        model_admin.add_facts(request, rows)
        self.result_list = rows


class HistoryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows of the history: nobody can add or change them, deleting takes the permission."""

    paginator = CappedPaginator
    show_full_result_count = False
    list_max_show_all = 0
    show_facets = SHOW_NO_FACETS
    list_per_page = 50

    #: The parameters that a list takes: any other could make the database read all of a table.
    lookups: Sequence[str] = ("state",)

    #: The columns that tell of rows of another model, which not everybody may see.
    tells_of: Dict[Type[Model], Sequence[str]] = {}

    #: The name of an execution's field that refers to a row, if it is not the execution itself.
    group = ""

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

    def _permitted(self, request: HttpRequest, names: Sequence[Any]) -> Sequence[Any]:
        links = links_for(request, self.admin_site)
        hidden = {
            name
            for model, told in self.tells_of.items()
            if not links.permits(model)
            for name in told
        }
        lines = (_without(hidden, line) if isinstance(line, tuple) else line for line in names)
        return [line for line in lines if line and line not in hidden]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return flatten(self.fields or ())

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        return lookup in self.lookups

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Type[ChangeList]:
        return HistoryChangeList

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changelist = super().get_changelist_instance(request)
        if not isinstance(changelist, HistoryChangeList):  # a package's, as django-unfold has one
            rows = list(changelist.result_list)
            self.add_facts(request, rows)
            changelist.result_list = rows
        return changelist

    def changelist_view(
        self, request: HttpRequest, extra_context: Optional[Dict[str, Any]] = None
    ) -> HttpResponse:
        links = links_for(request, self.admin_site)
        context = {
            "quick_jobs_notices": notices(request, links),
            "quick_jobs_timeline_url": links.timeline_url(),
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def response_action(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Do an action with what is selected on the page, never with all that the list has.

        That could be millions, of which Django would remember each.
        """
        data = request.POST.copy()
        data["select_across"] = "0"
        request.POST = data
        try:
            return super().response_action(request, *args, **kwargs)
        except IntegrityError as error:
            return self._refuse_to_delete(request, self.opts.verbose_name_plural, error)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """Delete a row, or say that the database refuses to, as rows that only it knows refer."""
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

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: Optional[str] = None
    ) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            self.add_facts(request, [row])
        return row

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
        """Return what leads on from the page of ``row``; those without an address are left out."""
        return []

    def add_facts(self, request: HttpRequest, rows: List[Any]) -> None:
        """Give each of ``rows`` its ``facts``, which are shown beside its fields."""
        facts = self.facts_of(request, rows)
        for row in rows:
            row.facts = facts[row.pk]

    def facts_of(self, request: HttpRequest, rows: List[Any]) -> Mapping[int, Any]:
        """Return the facts of ``rows`` by primary key."""
        raise NotImplementedError


def _without(hidden: Collection[str], names: Sequence[str]) -> Sequence[str]:
    return tuple(name for name in names if name not in hidden)
