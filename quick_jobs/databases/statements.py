"""The text of statements that several databases have in common."""

from __future__ import annotations

from functools import lru_cache
from itertools import repeat
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Sequence, Tuple

from django.db.backends.base.operations import BaseDatabaseOperations

from quick_jobs.databases.tables import (
    DURATION,
    TIMESTAMP,
    BucketQuestion,
    Statement,
    UpdateTable,
    UpsertTable,
)


def buckets_query(question: BucketQuestion, ops: BaseDatabaseOperations, moment: str) -> Statement:
    """Return the query for pairs of a job and a bucket in which it started, or None.

    It makes one index lookup for each bucket of each job. ``moment`` is a moment's placeholder.
    """
    edges = [ops.adapt_datetimefield_value(edge) for edge in question.edges]
    pairs = list(zip(edges, edges[1:]))
    buckets = " UNION ALL ".join(
        f"SELECT {bucket} AS bucket, {moment} AS first, {moment} AS beyond"
        for bucket in range(len(pairs))
    )
    # A subquery in the SELECT list, which no planner turns into a join with the whole table.
    sql = (
        "SELECT job.id, (SELECT buckets.bucket"
        f" FROM {ops.quote_name(question.execution_table)} execution"
        " WHERE execution.job_id = job.id AND execution.started_at >= buckets.first"
        " AND execution.started_at < buckets.beyond LIMIT 1)"
        f" FROM {ops.quote_name(question.job_table)} job CROSS JOIN ({buckets}) buckets"
        f" WHERE job.id IN ({places(question.jobs)})"
    )
    return sql, [*(edge for pair in pairs for edge in pair), *question.jobs]


@lru_cache(maxsize=None)
def on_conflict(table: UpsertTable) -> str:
    """Return the ON CONFLICT of SQLite and PostgreSQL."""
    assignments = ", ".join(f"{column} = excluded.{column}" for column in table.overwritten)
    return (
        f"ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {assignments}"
        f" WHERE excluded.{table.final} IS NOT NULL"
    )


class TimePlaces(NamedTuple):
    """The placeholders of the values that databases take in different ways."""

    timestamp: str = "%s"
    duration: str = "%s"


_PLAIN = TimePlaces()


def rows_insert(
    table: UpsertTable,
    name: str,
    shared: Any,
    columns: Sequence[Iterable[Any]],
    time_places: TimePlaces = _PLAIN,
) -> Statement:
    """Return an INSERT with a place for each value. ``name`` is the table's, quoted."""
    begin, row = _rows_insert(table, name, time_places)
    values = [value for values in zip(repeat(shared), *columns) for value in values]
    rows = ", ".join([row] * (len(values) // (1 + len(columns))))
    return f"{begin} {rows}", values


@lru_cache(maxsize=None)
def _rows_insert(table: UpsertTable, name: str, time_places: TimePlaces) -> Tuple[str, str]:
    """Return how the statement begins, and a row of it."""
    own = {TIMESTAMP: time_places.timestamp, DURATION: time_places.duration}
    row = ["%s", *(own.get(column.kind, "%s") for column in table.columns)]
    return (
        f"INSERT INTO {name} ({', '.join(table.inserted)}) VALUES",
        f"({', '.join(row)}{blanks(table)})",
    )


def cases_update(
    table: UpdateTable,
    name: str,
    shared: Any,
    common: Mapping[str, Any],
    changes: Mapping[int, Mapping[str, Any]],
) -> Statement:
    """Return one UPDATE of several rows, each with its own values.

    ``name`` is the table's, quoted. ``changes`` are by key, ``common`` is for all these rows.
    """
    cases: Dict[str, List[Tuple[int, Any]]] = {}
    for key, values in changes.items():
        for column, value in values.items():
            cases.setdefault(column, []).append((key, value))
    assignments = [
        f"{column} = CASE {table.key} {' '.join(f'WHEN {key:d} THEN %s' for key, _ in rows)}"
        f" ELSE {column} END"
        for column, rows in cases.items()
    ]
    assignments += [f"{column} = %s" for column in common]
    keys = ", ".join(f"{key:d}" for key in changes)
    sql = (
        f"UPDATE {name} SET {', '.join(assignments)} WHERE {table.shared} = %s"
        f" AND {table.key} IN ({keys}) AND {table.final} IS NULL"
    )
    changed = [value for rows in cases.values() for _, value in rows]
    return sql, [*changed, *common.values(), shared]


def blanks(table: UpsertTable) -> str:
    """Return the end of a row's values: an empty text for each blank column."""
    return ", ''" * len(table.blank)


def places(values: Sequence[Any]) -> str:
    """Return a placeholder for each value."""
    return ", ".join(["%s"] * len(values))
