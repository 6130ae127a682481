"""The few places in which the admins of the supported versions of Django differ."""

from __future__ import annotations

from typing import Any

import django

#: The number that a list gives to the first of its pages.
FIRST_PAGE = 1 if django.VERSION >= (3, 2) else 0

#: Whether the admin is dark for who likes it dark.
HAS_DARK_ADMIN = django.VERSION >= (3, 2)

#: Whether the path above a page is marked up as a list.
HAS_LISTED_BREADCRUMBS = django.VERSION >= (6, 1)

#: What keeps filters from offering to count: that reads the table once for each choice.
SHOW_NO_FACETS: Any = None
if django.VERSION >= (5, 0):
    from django.contrib.admin.options import ShowFacets

    SHOW_NO_FACETS = ShowFacets.NEVER
