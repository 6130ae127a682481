"""Splits a batch until the row is found that the database refuses to delete."""

from __future__ import annotations

from typing import List

from quick_jobs.history.in_use import Kept
from quick_jobs.history.prunable import Rows


class Pieces:
    """The pieces of a batch; the ``next`` one is to be deleted."""

    def __init__(self) -> None:
        self._pieces: Rows = []

    def __bool__(self) -> bool:
        return bool(self._pieces)

    @property
    def next(self) -> Rows:
        return self._pieces[-1:]

    def begin(self, rows: Rows) -> None:
        """Take a batch."""
        self._pieces = [*reversed(rows)]

    def drop(self) -> None:
        """Note that the next piece is done."""
        self._pieces.pop()

    def halve(self) -> List[Kept]:
        """Split the next piece in two; a single row is removed and returned."""
        piece = self._pieces.pop()
        keys: List[int] = list(piece.order_by("pk").values_list("pk", flat=True))
        if len(keys) == 1:
            return [Kept(piece.model, keys[0], ["something that only the database knows"])]
        if keys:
            last = keys[len(keys) // 2 - 1]
            self._pieces += [piece.filter(pk__gt=last), piece.filter(pk__lte=last)]
        return []
