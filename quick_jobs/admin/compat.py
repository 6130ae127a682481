"""The differences between the admins of the supported versions of Django."""

from __future__ import annotations

from typing import Any

import django

#: The number of a list's first page.
FIRST_PAGE = 1 if django.VERSION >= (3, 2) else 0

#: Whether the admin has a dark theme.
HAS_DARK_ADMIN = django.VERSION >= (3, 2)

#: Whether the breadcrumbs are marked up as a list.
HAS_LISTED_BREADCRUMBS = django.VERSION >= (6, 1)

#: Keeps filters from offering counts, which read the table once for each choice.
SHOW_NO_FACETS: Any = None
if django.VERSION >= (5, 0):
    from django.contrib.admin.options import ShowFacets

    SHOW_NO_FACETS = ShowFacets.NEVER
