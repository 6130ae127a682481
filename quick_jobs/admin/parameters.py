"""The parameters of an address, cut to the length that a page of the history can use.

A list repeats them in each choice of a filter and in each row, and each searched word costs time.
So they are cut before Django sees them.
"""

from __future__ import annotations

from typing import Any, Sequence, Tuple
from urllib.parse import quote

from django.http import HttpRequest, QueryDict

#: Words of a search that are used.
MOST_WORDS = 5

# The lengths of values in an address, where a character can take twelve: of a search, of values
# for a site's own filters, of all others, and of the list from which a page was opened.
_MOST_SEARCHED = 200
_MOST_UNKNOWN = 200
_MOST_KNOWN = 40
_MOST_FILTERS = 1000

# Django's own. Its other ones would show everything on one page, or count each choice.
_OF_LISTS = ("q", "p", "o", "e", "_popup", "_to_field")
_UNUSED = ("all", "_facets", "_source_model")
_OF_ROWS = ("_popup", "_to_field")
_FILTERS = "_changelist_filters"


def search_text(text: str) -> str:
    """Return the words to search for: the first ones of ``text``, as far as they fit."""
    return _cut(" ".join(text.replace("\0", " ").split()[:MOST_WORDS]), _MOST_SEARCHED)


def bound_list(request: HttpRequest, lookups: Sequence[str]) -> None:
    """Cut the parameters of a list with these ``lookups``; each is used once."""
    kept = []
    for name in request.GET:
        value = _last(request.GET, name)
        if name == "q":
            kept.append((name, search_text(value)))
        elif name in _OF_LISTS or name in lookups:
            kept.append((name, _cut(value, _MOST_KNOWN)))
        elif name not in _UNUSED:  # for a site's own filter; otherwise Django refuses it
            kept.append((name, _cut(value, _MOST_UNKNOWN)))
    _set(request, kept)


def bound_page(request: HttpRequest) -> None:
    """Cut the parameters of a row's page."""
    kept = [
        (name, _cut(_last(request.GET, name), _MOST_KNOWN))
        for name in _OF_ROWS
        if name in request.GET
    ]
    filters = _last(request.GET, _FILTERS)
    if filters and len(filters) <= _MOST_FILTERS:
        kept.append((_FILTERS, filters))
    _set(request, kept)


def _last(params: Any, name: str) -> str:
    return str(params.get(name) or "").replace("\0", "")


def _set(request: HttpRequest, kept: Sequence[Tuple[str, str]]) -> None:
    params = QueryDict(mutable=True)
    for name, value in kept:
        params[name] = value
    params._mutable = False
    request.GET = params  # type: ignore[assignment]


def _cut(text: str, most: int) -> str:
    text = text[:most]
    while len(quote(text)) > most:
        text = text[:-1]
    return text
