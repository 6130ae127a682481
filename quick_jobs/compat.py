"""The few places in which the supported versions of Django differ."""

from __future__ import annotations

from typing import List

import django
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

if django.VERSION >= (4, 1):

    def initialized_connections() -> List[BaseDatabaseWrapper]:
        """Return the connections that this thread has used."""
        return list(connections.all(initialized_only=True))

    def check_before_next_use(connection: BaseDatabaseWrapper) -> None:
        """Have a dead connection replaced when it is next used, as CONN_HEALTH_CHECKS does."""
        connection.health_check_enabled = True  # type: ignore[attr-defined]

    def was_used(connection: BaseDatabaseWrapper) -> bool:
        """Return whether it was used after :func:`check_before_next_use`."""
        return bool(connection.health_check_done)  # type: ignore[attr-defined]

else:

    def initialized_connections() -> List[BaseDatabaseWrapper]:
        """Return the connections that this thread has used."""
        local = connections._connections  # type: ignore[attr-defined]
        used = (getattr(local, alias, None) for alias in connections)
        return [connection for connection in used if connection is not None]

    def check_before_next_use(connection: BaseDatabaseWrapper) -> None:
        """Replace a dead connection now, for want of CONN_HEALTH_CHECKS."""
        if connection.connection is not None and not connection.is_usable():
            connection.close()

    def was_used(connection: BaseDatabaseWrapper) -> bool:
        """Return whether it was used, if only for the check."""
        return True
