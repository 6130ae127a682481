"""The differences between databases. A connection's vendor is only checked here.

Each kind of database has a file of its own with a subclass of
:class:`~quick_jobs.databases.base.Database`. They know no models: tables,
columns and rows are given to them.
"""

from __future__ import annotations

import datetime as dt
from typing import Dict, Type

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from quick_jobs.databases.base import Database
from quick_jobs.databases.mysql import MySQL
from quick_jobs.databases.postgresql import PostgreSQL
from quick_jobs.databases.sqlite import SQLite

#: The databases that can hold the history, for messages.
SUPPORTED = "SQLite, PostgreSQL, MariaDB or MySQL"

_DATABASES: Dict[str, Type[Database]] = {
    "mysql": MySQL,
    "postgresql": PostgreSQL,
    "sqlite": SQLite,
}


def database_of(connection: BaseDatabaseWrapper) -> Database:
    """Return the object for this kind of database, with ``connection``."""
    return _DATABASES[connection.vendor](connection)


def is_supported(connection: BaseDatabaseWrapper) -> bool:
    """Return whether this kind of database can hold the history."""
    return connection.vendor in _DATABASES


def vendor_name(connection: BaseDatabaseWrapper) -> str:
    """Return the kind of database for messages, like ``oracle`` or ``not configured``."""
    return "not configured" if connection.vendor == "unknown" else connection.vendor


def database_now(using: str) -> dt.datetime:
    """Return the current time by the clock of the database ``using``, aware, in UTC."""
    return database_of(connections[using]).now()
