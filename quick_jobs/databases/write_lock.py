"""SQLite's one write lock: a transaction that begins with it waits, and never fails at once.

A deferred transaction that has read cannot become a writer once another
connection has written: SQLite refuses at once, whatever the timeout.
"""

from __future__ import annotations

import random
import time
from contextlib import contextmanager
from typing import Any, Iterator, List

from django.db import OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from quick_jobs.compat import (
    START_TRANSACTION,
    begin_immediate,
    begins_deferred,
    initialized_connections,
)

# Milliseconds that the history's commit waits for readers. With the rollback journal, new readers
# have to wait meanwhile, 5 s by default. With a tenth of this, nothing would be committed on a site
# where somebody always reads.
_COMMIT_TIMEOUT = 1000

# Seconds that readers then get before the next try. Without them, readers fail.
_PAUSE_FOR_READERS = (0.5, 1.0)


@contextmanager
def immediate_transactions() -> Iterator[None]:
    """A block in which SQLite transactions begin with the write lock, unless the site chose a mode.

    It applies to this thread's connections, and to all new ones of this process.
    """
    connection_created.connect(_on_connection_created)
    for connection in initialized_connections():
        if connection.connection is not None:
            _on_connection_created(connection)
    try:
        yield
    finally:
        connection_created.disconnect(_on_connection_created)


def _on_connection_created(connection: BaseDatabaseWrapper, **_: Any) -> None:
    if connection.vendor == "sqlite":
        begin_immediate(connection)


@contextmanager
def short_commit(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """A transaction of the history's own in SQLite, which makes no reader fail.

    It waits for the write lock as long as any writer, but only briefly for
    readers. If they go on reading, it rolls back, gives others time to read, and
    raises an error that :func:`is_locked` recognizes.
    """
    if connection.in_atomic_block:
        with transaction.atomic(using=connection.alias, savepoint=False):
            yield
        return
    connection.ensure_connection()
    driver = connection.connection
    (timeout,) = driver.execute("PRAGMA busy_timeout").fetchone()
    is_committing = False
    try:
        with _beginning_immediate(connection), transaction.atomic(using=connection.alias):
            yield
            # Half of the readers' timeout, if a site has a shorter one than usual.
            driver.execute(f"PRAGMA busy_timeout = {min(timeout // 2, _COMMIT_TIMEOUT)}")
            is_committing = True
    except OperationalError as error:
        if is_committing and is_locked(error):
            time.sleep(random.uniform(*_PAUSE_FOR_READERS))
        raise
    finally:
        if connection.connection is driver:
            driver.execute(f"PRAGMA busy_timeout = {timeout}")


@contextmanager
def _beginning_immediate(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Begin with the write lock on an open connection, whatever mode the site chose."""

    def begin() -> None:
        with connection.wrap_database_errors:
            connection.connection.execute("BEGIN IMMEDIATE")

    own = vars(connection)
    before = own.get(START_TRANSACTION)
    own[START_TRANSACTION] = begin
    try:
        yield
    finally:
        if before is None:
            del own[START_TRANSACTION]
        else:
            own[START_TRANSACTION] = before


def faults_of_locking(connection: BaseDatabaseWrapper) -> List[str]:
    """Return, in words, what is wrong with a connection that uses its file beside a runner."""
    if connection.vendor != "sqlite" or connection.is_in_memory_db():  # type: ignore[attr-defined]
        return []
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        (journal_mode,) = cursor.fetchone()
    wrong = []
    if journal_mode != "wal":
        wrong.append("it is not in WAL mode")
    if begins_deferred(connection):
        wrong.append("its transactions begin deferred")
    return wrong


def is_locked(error: BaseException) -> bool:
    """Return whether SQLite refused because another connection was in the way."""
    return isinstance(error, OperationalError) and "is locked" in str(error)
