"""The database connections of a thread: made ready for an execution, and left clean after it."""

from __future__ import annotations

import logging
import threading

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from quick_jobs.compat import check_before_next_use, initialized_connections, was_used

logger = logging.getLogger(__name__)


def discard(connection: BaseDatabaseWrapper) -> None:
    """Close a connection for good: one closed inside a transaction would stay unusable."""
    try:
        connection.close()
    except Exception:
        logger.debug("Closing a connection failed", exc_info=True)
    finally:
        del connections[connection.alias]


#: The connections that the last execution in a thread has left there.
_left = threading.local()


def prepare_connections() -> None:
    """Have connections that an execution left in this thread replaced if they are dead."""
    for connection in getattr(_left, "connections", ()):
        try:
            connection.close_if_unusable_or_obsolete()
            check_before_next_use(connection)
        except Exception:
            discard(connection)


def leave_connections_clean(name: str) -> None:
    """End what ``name``, who is blamed in the log, left open on this thread's connections."""
    _left.connections = initialized_connections()
    for connection in _left.connections:
        if connection.in_atomic_block:
            logger.warning("%s left a transaction open; it is rolled back", name)
            discard(connection)
            continue
        try:
            if was_used(connection):
                # Django knows nothing of a transaction that was begun by hand, which this ends,
                # nor of a driver's connection that was closed, with which it fails.
                connection.rollback()
            connection.close_if_unusable_or_obsolete()
        except Exception:
            discard(connection)
        connection.queries_log.clear()
