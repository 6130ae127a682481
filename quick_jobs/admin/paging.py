"""Pages over tables that are too large to be counted."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property

#: Rows that are counted and can be paged through.
MOST_COUNTED = 5000


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts at most ``MOST_COUNTED`` rows; there are no pages beyond them."""

    @cached_property
    def _counted(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by().values("pk")[: MOST_COUNTED + 1].count())

    @cached_property
    def count(self) -> int:
        """The number of rows, or ``MOST_COUNTED`` if there are more."""
        return min(self._counted, MOST_COUNTED)

    @property
    def is_capped(self) -> bool:
        """Whether there are more rows than were counted."""
        return self._counted > MOST_COUNTED
