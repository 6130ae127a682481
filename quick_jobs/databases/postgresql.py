"""PostgreSQL."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from functools import lru_cache
from itertools import repeat
from typing import Any, Callable, Dict, Iterable, Iterator, NamedTuple, Optional, Sequence

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction

from quick_jobs.databases.base import Database
from quick_jobs.databases.statements import TimePlaces, blanks, on_conflict, rows_insert
from quick_jobs.databases.tables import (
    DURATION,
    INTEGER,
    NUMBER,
    TEXT,
    TIMESTAMP,
    WORD,
    Statement,
    UpsertTable,
)

# Lock not available, query canceled, deadlock, serialization failure.
_CONFLICTS = ("55P03", "57014", "40P01", "40001")

# Program limit exceeded: a value is too long, or a row, or the statement.
_ABOUT_DATA = "54"

# Up to this many rows, arrays are slower: PostgreSQL takes long to plan them.
_FEW_ROWS = 2


_FOREIGN_KEYS = """
    SELECT n.nspname, t.relname, theirs.attname, ours.attname
    FROM pg_constraint c
    JOIN pg_class t ON t.oid = c.conrelid
    JOIN pg_namespace n ON n.oid = t.relnamespace
    JOIN pg_attribute theirs
    ON theirs.attrelid = c.conrelid AND theirs.attnum = c.conkey[1]
    JOIN pg_attribute ours
    ON ours.attrelid = c.confrelid AND ours.attnum = c.confkey[1]
    WHERE c.contype = 'f' AND c.confdeltype NOT IN ('c', 'n')
    AND c.confrelid = to_regclass(quote_ident(%s)) AND array_length(c.conkey, 1) = 1
"""


class PostgreSQL(Database):
    foreign_keys_query = _FOREIGN_KEYS
    drops_constant_order = True

    def now(self) -> dt.datetime:
        now: dt.datetime = self._fetch_value("SELECT CLOCK_TIMESTAMP() AT TIME ZONE 'UTC'")
        return now.replace(tzinfo=dt.timezone.utc)

    def _upsert_statement(
        self, table: UpsertTable, shared: Any, columns: Sequence[Sequence[Any]]
    ) -> Statement:
        if not _is_zone_of_session_known():
            return super()._upsert_statement(table, shared, columns)
        name = self.connection.ops.quote_name(table.name)
        if len(columns[0]) > _FEW_ROWS:
            arrays = [
                _array(_KINDS[column.kind].texts(values))
                for column, values in zip(table.columns, columns)
            ]
            return _arrays_insert(table, name), [shared, *arrays]
        adapted = [
            _KINDS[column.kind].texts(values) if _KINDS[column.kind].is_seconds else values
            for column, values in zip(table.columns, columns)
        ]
        insert, values = rows_insert(table, name, shared, adapted, _TIME_PLACES)
        return f"{insert} {on_conflict(table)}", values

    @contextmanager
    def _timeouts(self, statement_timeout: Optional[float]) -> Iterator[None]:
        """Wait 0.1 s at most for others' row locks, prefer indexes, and do not wait for the disk.

        Rows that a crash of the server brings back are deleted another time.
        """
        with transaction.atomic(using=self.connection.alias):
            # A deadlock would only be detected after a second. The statistics still count deleted
            # rows, so reading the whole table may seem best to the planner.
            parameters = {
                "lock_timeout": "100ms",
                "enable_seqscan": "off",
                "synchronous_commit": "off",
            }
            if statement_timeout is not None:
                parameters["statement_timeout"] = f"{statement_timeout * 1000:.0f}ms"
            self._set_locally(parameters)
            yield

    def _set_locally(self, parameters: Dict[str, str]) -> None:
        calls = ", ".join(["set_config(%s, %s, true)"] * len(parameters))
        with self.connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {calls}", [text for item in parameters.items() for text in item]
            )

    def _is_conflict(self, error: OperationalError) -> bool:
        return _code_of(error) in _CONFLICTS

    def is_about_data(self, error: BaseException) -> bool:
        return _code_of(error).startswith(_ABOUT_DATA) or super().is_about_data(error)

    def _is_lost_connection(self, error: BaseException) -> bool:
        # Errors that the server itself reports have a code.
        return isinstance(error, (OperationalError, InterfaceError)) and not _code_of(error)


def _code_of(error: BaseException) -> str:
    cause = error.__cause__  # psycopg2's has pgcode, psycopg's sqlstate
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or ""


def _is_zone_of_session_known() -> bool:
    """Return whether the session uses the same time zone as Django.

    Without time zones Django leaves a session in the server's zone if the site names none.
    """
    return settings.USE_TZ or bool(settings.TIME_ZONE)


class _Kind(NamedTuple):
    """How the values of one kind of column are written.

    As elements of an array they have this ``type`` and these ``texts``, None for NULL, see
    https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO.
    ``expression`` makes the values from them.
    """

    type: str
    expression: str
    texts: Callable[[Sequence[Any]], Iterable[Optional[str]]]
    is_seconds: bool = False


def _numbers(values: Sequence[Any]) -> Iterable[Optional[str]]:
    return [None if each is None else str(each) for each in values]


# Seconds are written as whole microseconds, because Python writes other numbers more slowly. They
# are rounded as Python's datetime rounds them: a job sees the same moment that is on record.


def _timestamps(values: Sequence[Optional[float]]) -> Iterable[Optional[str]]:
    return [
        None if each is None else f"{int(each) * 1_000_000 + round(each % 1 * 1e6)}e-6"
        for each in values
    ]


def _durations(values: Sequence[Optional[float]]) -> Iterable[Optional[str]]:
    return [None if each is None else f"{round(each * 1e6)}e-6" for each in values]


def _quoted(values: Sequence[str]) -> Iterable[str]:
    if not any(values):
        return repeat('""', len(values))
    return ['"' + each.replace("\\", "\\\\").replace('"', '\\"') + '"' for each in values]


_KINDS = {
    INTEGER: _Kind("bigint", "{}", _numbers),
    TIMESTAMP: _Kind("float8", "to_timestamp({})", _timestamps, is_seconds=True),
    DURATION: _Kind("float8", "make_interval(secs => {})", _durations, is_seconds=True),
    WORD: _Kind("text", "{}", iter),
    TEXT: _Kind("text", "{}", _quoted),
    NUMBER: _Kind("float8", "{}", _numbers),
}
_TIME_PLACES = TimePlaces(
    *(_KINDS[kind].expression.format("%s::float8") for kind in (TIMESTAMP, DURATION))
)


def _array(elements: Iterable[Optional[str]]) -> str:
    return "{" + ",".join([each or "NULL" for each in elements]) + "}"


@lru_cache(maxsize=None)
def _arrays_insert(table: UpsertTable, name: str) -> str:
    """Return the INSERT for many rows into the table with this quoted ``name``.

    The values of each column are one array, in PostgreSQL's own notation. So the
    statement's text is always the same, and the driver has few values to quote.
    """
    kinds = [_KINDS[column.kind] for column in table.columns]
    names = [column.name for column in table.columns]
    values = ", ".join(each.expression.format(name) for name, each in zip(names, kinds))
    arrays = ", ".join(f"%s::{each.type}[]" for each in kinds)
    return (
        f"INSERT INTO {name} ({', '.join(table.inserted)}) SELECT %s, {values}{blanks(table)}"
        f" FROM unnest({arrays}) AS new ({', '.join(names)}) {on_conflict(table)}"
    )
