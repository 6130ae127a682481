"""MariaDB and MySQL, which have the same vendor in Django."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Dict, Iterable, Iterator, Optional

from django.db import InterfaceError, OperationalError

from quick_jobs.databases.base import Database, Unsuitable
from quick_jobs.databases.statements import places
from quick_jobs.databases.tables import BucketQuestion, Statement, UpsertTable

# Lock wait timeout, deadlock, record changed since it was read, lock not available, statement
# timeout.
_CONFLICTS = (1205, 1213, 1020, 3572, 1969)

# Incorrect string value, in a table that is not utf8mb4; illegal mix of collations, when it is
# compared with such a value; packet too large, as the server says it and as the client does.
_ABOUT_DATA = (1366, 1267, 1153, 2020)

# Operational errors in Django that do not pass by themselves: no such database, no access to it, to
# a table or to a column, no such column, no value for a column, no such function or procedure.
_LASTING = (1044, 1049, 1142, 1143, 1054, 1364, 1305, 1370)

# Server has gone away; lost connection, during a query and extended; disconnected by the server.
_LOST_CONNECTION = (2006, 2013, 2055, 4031)


_FOREIGN_KEYS = """
    SELECT '', k.table_name, min(k.column_name), min(k.referenced_column_name)
    FROM information_schema.key_column_usage k
    JOIN information_schema.referential_constraints r
    ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name
    WHERE k.table_schema = DATABASE() AND k.referenced_table_schema = DATABASE()
    AND k.referenced_table_name = %s AND r.delete_rule NOT IN ('CASCADE', 'SET NULL')
    GROUP BY k.table_name, k.constraint_name HAVING count(*) = 1
"""


class MySQL(Database):
    foreign_keys_query = _FOREIGN_KEYS

    def now(self) -> dt.datetime:
        now: dt.datetime = self._fetch_value("SELECT UTC_TIMESTAMP(6)")
        return now.replace(tzinfo=dt.timezone.utc)

    def text_faults(self) -> Optional[Unsuitable]:
        modes = str(self._fetch_value("SELECT @@SESSION.sql_mode")).split(",")
        if {"STRICT_TRANS_TABLES", "STRICT_ALL_TABLES", "TRADITIONAL"}.intersection(modes):
            return None
        return Unsuitable(
            "it is not in strict mode, and stores '?' for each character that a table lacks, "
            "without an error",
            "Add 'STRICT_TRANS_TABLES' to its sql_mode, and make its tables utf8mb4.",
        )

    def _on_conflict(self, table: UpsertTable) -> str:
        return _on_duplicate(table)

    def buckets_statement(self, question: BucketQuestion) -> Statement:
        """Read the index from the first edge to the last: MariaDB cannot use it in a better way.

        To search one bucket, it would read all index entries of the job.
        """
        ops = self.connection.ops
        first, last = question.edges[0], question.edges[-1]
        start, end = ops.adapt_datetimefield_value(first), ops.adapt_datetimefield_value(last)
        length = (last - first).total_seconds() / (len(question.edges) - 1)
        sql = (
            "SELECT job_id, (TO_SECONDS(started_at) - TO_SECONDS(%s)) DIV %s AS bucket"
            f" FROM {ops.quote_name(question.execution_table)}"
            f" WHERE job_id IN ({places(question.jobs)}) AND started_at >= %s AND started_at < %s"
            " GROUP BY job_id, bucket"
        )
        return sql, [start, int(length), *question.jobs, start, end]

    @contextmanager
    def _timeouts(self, statement_timeout: Optional[float]) -> Iterator[None]:
        """Do not wait for others' row locks; MySQL waits 1 s."""
        session: Dict[str, float] = {"innodb_lock_wait_timeout": 0}
        # Django 2.2 cannot tell MariaDB from MySQL, which has no such timeout.
        if statement_timeout is not None and getattr(self.connection, "mysql_is_mariadb", False):
            session["max_statement_time"] = statement_timeout
        before = self._get_session(session)
        self._set_session(session)
        try:
            yield
        finally:
            self._set_session(before)

    def _get_session(self, names: Iterable[str]) -> Dict[str, float]:
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT " + ", ".join(f"@@SESSION.{name}" for name in names))
            return dict(zip(names, cursor.fetchone()))

    def _set_session(self, session: Dict[str, float]) -> None:
        assignments = ", ".join(f"SESSION {name} = %s" for name in session)
        with self.connection.cursor() as cursor:
            cursor.execute(f"SET {assignments}", list(session.values()))

    def descriptor(self) -> Optional[int]:
        with suppress(AttributeError):
            return int(self.connection.connection._sock.fileno())  # PyMySQL
        return super().descriptor()

    def _is_conflict(self, error: OperationalError) -> bool:
        return _number_of(error) in _CONFLICTS

    def is_about_data(self, error: BaseException) -> bool:
        if isinstance(error, OperationalError) and _number_of(error) in _ABOUT_DATA:
            return True
        return super().is_about_data(error)

    def _is_lost_connection(self, error: BaseException) -> bool:
        if isinstance(error, OperationalError):
            return _number_of(error) in _LOST_CONNECTION
        return isinstance(error, InterfaceError)

    def is_outage(self, error: BaseException) -> bool:
        if isinstance(error, OperationalError) and _number_of(error) in _LASTING:
            return False
        return super().is_outage(error)


def _number_of(error: OperationalError) -> Optional[int]:
    return error.args[0] if error.args else None


@lru_cache(maxsize=None)
def _on_duplicate(table: UpsertTable) -> str:
    return "ON DUPLICATE KEY UPDATE " + ", ".join(
        f"{column} = IF(VALUES({table.final}) IS NULL, {column}, VALUES({column}))"
        for column in table.overwritten
    )
