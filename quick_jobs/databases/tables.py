"""Descriptions of tables, columns and queries, made by callers who know the models."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, List, NamedTuple, Sequence, Tuple

#: A statement's text and its values.
Statement = Tuple[str, List[Any]]

# Kinds of columns. Each but WORD may be null.
INTEGER = "integer"
TIMESTAMP = "timestamp"  # given as POSIX time
DURATION = "duration"  # given in seconds
WORD = "word"  # text of nothing but letters, digits and underscores
TEXT = "text"
NUMBER = "number"  # given as a finite float


class Column(NamedTuple):
    """A column and its kind, which determines how its values are given and written."""

    name: str
    kind: str


@dataclass(frozen=True, eq=False)
class UpsertTable:
    """A table whose rows are inserted, or overwrite those with the same ``key``.

    All rows of a statement have the same value in the column ``shared``. A row
    in which the column ``final`` is null overwrites nothing. The columns
    ``blank`` are empty texts in a new row, and are not overwritten.
    """

    name: str
    shared: str
    columns: Tuple[Column, ...]
    key: Tuple[str, ...]
    final: str
    blank: Tuple[str, ...] = ()

    @property
    def inserted(self) -> List[str]:
        """The columns of a new row."""
        return [*self.column_names, *self.blank]

    @property
    def column_names(self) -> List[str]:
        return [self.shared, *(column.name for column in self.columns)]

    @property
    def overwritten(self) -> List[str]:
        """The columns that are not in the key."""
        return [name for name in self.column_names if name not in self.key]


@dataclass(frozen=True, eq=False)
class UpdateTable:
    """A table whose rows are updated by ``key``, a whole number, while ``final`` is null.

    All rows of a statement have the same value in the column ``shared``.
    """

    name: str
    shared: str
    key: str
    final: str


class BucketQuestion(NamedTuple):
    """Asks in which buckets these jobs started. Bucket n reaches from edge n up to edge n + 1."""

    job_table: str
    execution_table: str
    jobs: Sequence[int]  # primary keys
    edges: Sequence[dt.datetime]  # at equal distances
