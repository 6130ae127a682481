"""The database connections of a thread: prepared for an execution, and cleaned after it."""

from __future__ import annotations

import contextlib
import threading
from typing import Dict, List

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from quick_jobs.compat import check_before_next_use, initialized_connections, was_used
from quick_jobs.connection_state import ConnectionState
from quick_jobs.logs import get_logger

logger = get_logger(__name__)


class _Thread(threading.local):
    """A thread's connections, which stay open from one execution to the next."""

    def __init__(self) -> None:
        self.used: List[BaseDatabaseWrapper] = []
        self.states: Dict[str, ConnectionState] = {}
        self.kept = [
            alias
            for alias, database in connections.databases.items()
            if database.get("CONN_MAX_AGE", 0) != 0
        ]


_thread = _Thread()


def discard(connection: BaseDatabaseWrapper) -> None:
    """Close a connection completely: one closed inside a transaction would stay unusable."""
    try:
        connection.close()
    except Exception as exc:
        logger.debug("Closing a connection failed", exc_info=exc)
    finally:
        _thread.states.pop(connection.alias, None)
        del connections[connection.alias]


def prepare_connections() -> None:
    """Let connections that an execution left in this thread be replaced if they are dead."""
    for state in list(_thread.states.values()):
        connection = state.connection
        try:
            connection.close_if_unusable_or_obsolete()
            check_before_next_use(connection)
        except Exception:
            discard(connection)
    for alias in _thread.kept:
        # To find what a job sets on a kept connection, its attributes must be known before the job.
        if alias not in _thread.states:
            with contextlib.suppress(Exception):  # the job that uses it gets the error
                _thread.states[alias] = ConnectionState(connections[alias])


def leave_connections_clean(name: str) -> None:
    """End what ``name`` left open on this thread's connections, and log it by that name."""
    _thread.used = [
        connection for connection in initialized_connections() if _leave_clean(connection, name)
    ]


def _leave_clean(connection: BaseDatabaseWrapper, name: str) -> bool:
    """Clean a connection and return True, or discard it and return False."""
    if connection.in_atomic_block:
        logger.warning("%s left a transaction open; it is rolled back", name)
        discard(connection)
        return False
    try:
        if was_used(connection):
            # This also ends a transaction that was begun by hand, unknown to Django. It fails if
            # the driver's connection was closed.
            connection.rollback()
        connection.close_if_unusable_or_obsolete()
    except Exception:
        discard(connection)
        return False
    connection.queries_log.clear()
    return True


def reset_connections() -> None:
    """Remove everything that was set on this thread's connections since they were new.

    Call it after :func:`leave_connections_clean`.
    """
    for connection in _thread.used:
        state = _thread.states.get(connection.alias)
        if state is None or state.connection is not connection:  # a job has made it
            discard(connection)
            state = ConnectionState(connections[connection.alias])
            _thread.states[connection.alias] = state
        state.reset()
