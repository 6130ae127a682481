"""The interface of each kind of database, with the parts that most have in common."""

from __future__ import annotations

import datetime as dt
import os
import socket
from abc import abstractmethod
from contextlib import contextmanager, nullcontext, suppress
from typing import (
    Any,
    ClassVar,
    ContextManager,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import DateTimeField

from quick_jobs.databases.errors import ErrorMeanings
from quick_jobs.databases.statements import buckets_query, on_conflict, rows_insert
from quick_jobs.databases.tables import DURATION, TIMESTAMP, BucketQuestion, Statement, UpsertTable
from quick_jobs.databases.timestamps import from_timestamp

# Rows in a statement if the database has no limit. More at once would not be faster.
_MAX_ROWS = 500


# Seconds to make a connection of the history, even with a slow network and server.
_CONNECT_TIMEOUT = 10


def break_off(descriptor: int) -> None:
    """Make a call fail that waits for an answer on this connection in another thread."""
    # A duplicate, because closing the object would close the driver's own descriptor.
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connected:
        connected.shutdown(socket.SHUT_RDWR)


class Unsuitable(NamedTuple):
    """Why a database cannot hold the history, and what to do about it."""

    reason: str
    remedy: str


class Database(ErrorMeanings):
    """A kind of database, with one of its connections."""

    #: Seconds that a batch of the cleanup takes on average: long compared to its fixed costs, and
    #: short for others that wait for its locks. Some batches take twice as long.
    cleanup_batch_time: ClassVar[float] = 0.045

    #: Characters in a statement, well below the smallest packet size for which servers are
    #: configured: 1 MB.
    max_characters: ClassVar[int] = 256 * 1024

    #: The query of :meth:`foreign_keys_to`.
    foreign_keys_query: ClassVar[str]

    #: Whether its drivers take a ``connect_timeout``, in seconds.
    has_connect_timeout: ClassVar[bool] = True

    #: Whether the planner drops a column that equals a value from an order. It then searches the
    #: newest row of a job among the rows of all jobs, which takes long for a job that rarely runs.
    drops_constant_order: ClassVar[bool] = False

    #: Whether a connection that is open while the process forks harms the child.
    must_close_before_fork: ClassVar[bool] = False

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection

    def unsuitable(self) -> Optional[Unsuitable]:
        """Return why it cannot hold the history, or None. Does not query the database."""
        return None

    def text_faults(self) -> Optional[Unsuitable]:
        """Return why it may change texts without an error, or None. Queries the database."""
        return None

    # Its clock.

    @abstractmethod
    def now(self) -> dt.datetime:
        """Return the current time by its clock, aware, in UTC, to the millisecond or better.

        The session's time zone does not matter, nor whether a transaction has begun.
        """

    def _fetch_value(self, sql: str) -> Any:
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0]

    # Writing.

    def commit_each_write(self) -> None:
        """Let each statement outside a transaction commit by itself.

        A site may have ``"AUTOCOMMIT": False`` in ``DATABASES``. The wrapper keeps this change over
        reconnects. Other connections to the same database are not changed.
        """
        connection = self.connection
        if connection.settings_dict["AUTOCOMMIT"]:
            return
        connection.settings_dict = {**connection.settings_dict, "AUTOCOMMIT": True}
        if connection.connection is not None and not connection.in_atomic_block:
            connection.set_autocommit(True)

    def limit_connecting(self) -> None:
        """Limit the time to make a connection to some seconds, unless the site has a limit."""
        if not self.has_connect_timeout:
            return
        options = self.connection.settings_dict["OPTIONS"]
        if "connect_timeout" in options or "pool" in options:  # a pool has a timeout of its own
            return
        self.connection.settings_dict = {
            **self.connection.settings_dict,
            "OPTIONS": {**options, "connect_timeout": _CONNECT_TIMEOUT},
        }

    def max_rows(self, table: UpsertTable) -> int:
        """Return how many rows one statement of :meth:`upsert` takes."""
        max_values = self.connection.features.max_query_params
        if max_values is None:
            return _MAX_ROWS
        return min(_MAX_ROWS, max_values // (len(table.columns) + 1))

    def upsert(self, table: UpsertTable, shared: Any, columns: Sequence[Sequence[Any]]) -> None:
        """Write rows, given column by column in the order of the table's, in one statement."""
        with self.connection.cursor() as cursor:
            cursor.execute(*self._upsert_statement(table, shared, columns))

    def _upsert_statement(
        self, table: UpsertTable, shared: Any, columns: Sequence[Sequence[Any]]
    ) -> Statement:
        """Return an INSERT with a place for each value."""
        name = self.connection.ops.quote_name(table.name)
        adapted = [
            self._adapted(column.kind, values) for column, values in zip(table.columns, columns)
        ]
        insert, values = rows_insert(table, name, shared, adapted)
        return f"{insert} {self._on_conflict(table)}", values

    def _on_conflict(self, table: UpsertTable) -> str:
        """Return the end of an INSERT, which handles existing rows."""
        return on_conflict(table)

    def _adapted(self, kind: str, values: Sequence[Any]) -> Sequence[Any]:
        """Return the values of a column in the form that the driver takes."""
        if kind == TIMESTAMP:
            adapt = self.connection.ops.adapt_datetimefield_value
            return [None if each is None else adapt(from_timestamp(each)) for each in values]
        return self._durations(values) if kind == DURATION else values

    def _durations(self, values: Sequence[Any]) -> Sequence[Any]:
        if self.connection.features.has_native_duration_field:
            return [None if each is None else dt.timedelta(seconds=each) for each in values]
        # Microseconds, if the database has no type for durations.
        return [None if each is None else round(each * 1_000_000) for each in values]

    def writing(self) -> ContextManager[None]:
        """A block for writes of the history, which waits if only one can write at a time.

        It is a transaction in SQLite; in other databases each statement commits by itself.
        """
        return nullcontext()

    # The timeline.

    def buckets_statement(self, question: BucketQuestion) -> Statement:
        """Return the query for pairs of a job and a bucket in which it started, or None.

        It makes one index lookup for each bucket of each job, however many
        executions there are.
        """
        return buckets_query(question, self.connection.ops, self._moment_place())

    def _moment_place(self) -> str:
        """Return the placeholder for a moment whose type is not clear otherwise."""
        return f"CAST(%s AS {DateTimeField().cast_db_type(self.connection)})"

    # Cleaning up in the background.

    @contextmanager
    def cleanup_timeouts(self, statement_timeout: Optional[float] = None) -> Iterator[None]:
        """Lock and statement timeouts for background cleanup.

        Statements that would have to wait long for locks fail instead, in a way that
        :meth:`is_conflict` recognizes. So do statements that take longer than
        ``statement_timeout`` seconds, if the database supports that. Afterwards the
        settings are restored. Inside a transaction nothing is changed.
        """
        if self.connection.in_atomic_block:
            yield
        else:
            with self._timeouts(statement_timeout):
                yield

    @abstractmethod
    def _timeouts(self, statement_timeout: Optional[float]) -> ContextManager[None]:
        """Set the timeouts outside a transaction."""

    def pause_after(self, batch_time: float) -> float:
        """Return how many seconds to leave to others after a batch took ``batch_time``."""
        return 0.0

    def foreign_keys_to(self, table: str) -> List[Tuple[str, str, str, str]]:
        """Return schema (or ""), table and column of each foreign key to ``table``, and its column.

        Keys are left out whose rows the database itself deletes or sets to null, and keys of
        several columns.
        """
        with self.connection.cursor() as cursor:
            cursor.execute(self.foreign_keys_query, [table])
            return list(cursor.fetchall())

    # A connection that has gone silent.

    def descriptor(self) -> Optional[int]:
        """Return the file descriptor of the connection to a server, for :func:`break_off`.

        None if there is no server, or the driver does not show it. Call it in the
        connection's own thread: mysqlclient refuses others.
        """
        fileno = getattr(self.connection.connection, "fileno", None)
        return None if fileno is None else int(fileno())
