"""Letting go of a database connection, whatever state it is in."""

from __future__ import annotations

import logging

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)


def discard(connection: BaseDatabaseWrapper) -> None:
    """Close a connection for good: one closed inside a transaction would stay unusable."""
    try:
        connection.close()
    except Exception:
        logger.debug("Closing a connection failed", exc_info=True)
    finally:
        del connections[connection.alias]
