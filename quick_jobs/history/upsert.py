"""The statement that writes executions, in the words of each database.

An execution is found again by its runner and number, so that a write can be
repeated. An end overwrites what is there, a start does not.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from quick_jobs.clocks import from_timestamp
from quick_jobs.history.record import Record
from quick_jobs.models import JobExecution

_TABLE = JobExecution._meta.db_table
_KEY = ("runner_id", "number")
_VALUES = (
    "job_id",
    "started_at",
    "finished_at",
    "duration",
    "lateness",
    "outcome",
    "error",
    "traceback",
)
_COLUMNS = ", ".join(_KEY + _VALUES)

_ON_CONFLICT = (
    f"ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in _VALUES)
    + " WHERE excluded.finished_at IS NOT NULL"
)

# For many rows. Each row's values come as elements of nine arrays, in PostgreSQL's own notation: so
# the statement's text is always the same, and a driver has but ten values to quote.
_ARRAYS = (
    f"INSERT INTO {_TABLE} ({_COLUMNS}) "
    "SELECT %s, number, job_id, to_timestamp(started_at), to_timestamp(finished_at),"
    " make_interval(secs => duration), make_interval(secs => lateness), outcome, error, traceback "
    "FROM unnest(%s::bigint[], %s::bigint[], %s::float8[], %s::float8[], %s::float8[],"
    " %s::float8[], %s::text[], %s::text[], %s::text[]) AS new (number, job_id, started_at,"
    f" finished_at, duration, lateness, outcome, error, traceback) {_ON_CONFLICT}"
)
_ROW = "(" + ", ".join(["%s"] * len(_KEY + _VALUES)) + ")"
_ON_DUPLICATE = "ON DUPLICATE KEY UPDATE " + ", ".join(
    f"{column} = IF(VALUES(finished_at) IS NULL, {column}, VALUES({column}))" for column in _VALUES
)

# Up to so many rows, arrays take longer: for psycopg to write, and for PostgreSQL to plan.
_FEW_ROWS = 4

# Rows in a statement where the database sets no limit. More at once gains nothing.
_MAX_ROWS = 500

# A statement's text stays well below the smallest packet that servers are set to take: 1 MB.
_MAX_CHARACTERS = 256 * 1024


def upsert(
    connection: BaseDatabaseWrapper,
    runner_id: int,
    job_ids: Mapping[str, int],
    records: Sequence[Record],
) -> None:
    """Write ``records`` in one transaction."""
    has_arrays = connection.vendor == "postgresql" and len(records) > _FEW_ROWS
    statement = _arrays_statement if has_arrays else _rows_statement
    parts = list(_parts(records, _max_rows(connection)))
    if len(parts) == 1:  # a transaction by itself, in one round trip
        _execute(connection, statement(connection, runner_id, job_ids, parts[0]))
        return
    with transaction.atomic(using=connection.alias):
        for part in parts:
            _execute(connection, statement(connection, runner_id, job_ids, part))


def _max_rows(connection: BaseDatabaseWrapper) -> int:
    max_values = connection.features.max_query_params
    return _MAX_ROWS if max_values is None else min(_MAX_ROWS, max_values // len(_KEY + _VALUES))


def _parts(records: Sequence[Record], max_rows: int) -> Iterator[List[Record]]:
    """Split ``records`` so that each part makes one statement of bounded size."""
    part: List[Record] = []
    characters = 0
    for record in records:
        length = len(record.error) + len(record.traceback)
        if part and (len(part) == max_rows or characters + length > _MAX_CHARACTERS):
            yield part
            part, characters = [], 0
        part.append(record)
        characters += length
    yield part


def _execute(connection: BaseDatabaseWrapper, statement: Tuple[str, List[Any]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(*statement)


def _arrays_statement(
    connection: BaseDatabaseWrapper,
    runner_id: int,
    job_ids: Mapping[str, int],
    records: Sequence[Record],
) -> Tuple[str, List[Any]]:
    """Return the statement for many rows in PostgreSQL."""
    numbers, jobs, *times, outcomes, errors, tracebacks = zip(*records)
    columns = (numbers, [job_ids[name] for name in jobs], *times, outcomes)
    texts = (map(_quoted, errors), map(_quoted, tracebacks))
    return _ARRAYS, [runner_id, *map(_array, columns), *map(_array, texts)]


def _array(elements: Iterable[Any]) -> str:
    """Return the text of an array: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO."""
    return "{" + ",".join(["NULL" if each is None else str(each) for each in elements]) + "}"


def _quoted(text: str) -> str:
    """Return ``text``, whatever is in it, as an element of an array."""
    if not text:
        return '""'
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _rows_statement(
    connection: BaseDatabaseWrapper,
    runner_id: int,
    job_ids: Mapping[str, int],
    records: Sequence[Record],
) -> Tuple[str, List[Any]]:
    """Return the statement for any database."""
    rows = ", ".join([_ROW] * len(records))
    on_conflict = _ON_DUPLICATE if connection.vendor == "mysql" else _ON_CONFLICT
    values: List[Any] = []
    for record in records:
        values += (
            runner_id,
            record.number,
            job_ids[record.job],
            _datetime(connection, record.started_at),
            _datetime(connection, record.finished_at),
            _duration(connection, record.duration),
            _duration(connection, record.lateness),
            record.outcome,
            record.error,
            record.traceback,
        )
    return f"INSERT INTO {_TABLE} ({_COLUMNS}) VALUES {rows} {on_conflict}", values


def _datetime(connection: BaseDatabaseWrapper, seconds: Optional[float]) -> Any:
    if seconds is None:
        return None
    return connection.ops.adapt_datetimefield_value(from_timestamp(seconds))


def _duration(connection: BaseDatabaseWrapper, seconds: Optional[float]) -> Any:
    if seconds is None:
        return None
    if connection.features.has_native_duration_field:
        return dt.timedelta(seconds=seconds)
    return round(seconds * 1_000_000)  # microseconds, where there is no type for it
