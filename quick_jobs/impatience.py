"""Impatience: who cleans up must neither wait for others nor make them wait."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Dict, Iterable, Iterator, Optional

from django.db import DatabaseError, IntegrityError, OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

# Lock not available, query canceled, deadlock, serialization failure.
_POSTGRESQL_CONFLICTS = ("55P03", "57014", "40P01", "40001")

# Lock wait timeout, deadlock, record changed since it was read, lock not available, statement
# timeout.
_MYSQL_CONFLICTS = (1205, 1213, 1020, 3572, 1969)


@contextmanager
def impatience(using: str, statement_timeout: Optional[float] = None) -> Iterator[None]:
    """In here, what would have to wait fails instead, in a way that :func:`is_conflict` knows.

    For others' row locks PostgreSQL waits 0.1 s at most, MariaDB not at all,
    MySQL 1 s. SQLite waits as long as it always does: there, nobody else could
    write anyway. PostgreSQL prefers indexes here, whatever its statistics say,
    and does not wait for its disk: what a crash of the server brings back is
    deleted another time.
    PostgreSQL and MariaDB give up on statements that take longer than
    ``statement_timeout`` seconds. Inside another transaction all stays as it is.
    """
    connection = connections[using]
    if connection.vendor == "sqlite" or connection.in_atomic_block:
        yield
    elif connection.vendor == "postgresql":
        with transaction.atomic(using=using):
            # A deadlock would be looked for after a second only. The statistics still tell of
            # what has just been deleted, and by them it may seem best to read the whole table.
            settings = {
                "lock_timeout": "100ms",
                "enable_seqscan": "off",
                "synchronous_commit": "off",
            }
            if statement_timeout is not None:
                settings["statement_timeout"] = f"{statement_timeout * 1000:.0f}ms"
            _set_locally(connection, settings)
            yield
    else:
        session: Dict[str, float] = {"innodb_lock_wait_timeout": 0}
        # Django 2.2 cannot tell MariaDB from MySQL, which has no such timeout.
        if statement_timeout is not None and getattr(connection, "mysql_is_mariadb", False):
            session["max_statement_time"] = statement_timeout
        before = _get_session(connection, session)
        _set_session(connection, session)
        try:
            yield
        finally:
            _set_session(connection, before)


def _set_locally(connection: BaseDatabaseWrapper, settings: Dict[str, str]) -> None:
    calls = ", ".join(["set_config(%s, %s, true)"] * len(settings))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {calls}", [text for item in settings.items() for text in item])


def _get_session(connection: BaseDatabaseWrapper, names: Iterable[str]) -> Dict[str, float]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f"@@SESSION.{name}" for name in names))
        return dict(zip(names, cursor.fetchone()))


def _set_session(connection: BaseDatabaseWrapper, session: Dict[str, float]) -> None:
    assignments = ", ".join(f"SESSION {name} = %s" for name in session)
    with connection.cursor() as cursor:
        cursor.execute(f"SET {assignments}", list(session.values()))


def is_conflict(error: DatabaseError) -> bool:
    """Return whether others were in the way, so that the same may succeed another time."""
    if isinstance(error, IntegrityError):
        return True  # somebody refers to a row that was free when it was looked up
    if not isinstance(error, OperationalError):
        return False
    cause = error.__cause__
    code = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    if code:
        return code in _POSTGRESQL_CONFLICTS
    number = error.args[0] if error.args else None
    return number in _MYSQL_CONFLICTS or "is locked" in str(error)
