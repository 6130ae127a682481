"""The database's clock, which heartbeats are written and judged by."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db import connections
from django.utils import timezone

# Each says the present in UTC, to the millisecond or better, whatever the session's time zone.
_NOW_IN_UTC = {
    "postgresql": "SELECT CLOCK_TIMESTAMP() AT TIME ZONE 'UTC'",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "sqlite": "SELECT STRFTIME('%Y-%m-%d %H:%M:%f', 'now')",
}

SUPPORTED_VENDORS = frozenset(_NOW_IN_UTC)


def database_now(using: str) -> dt.datetime:
    """Return the present by the clock of the database ``using``, aware, in UTC."""
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(_NOW_IN_UTC[connection.vendor])
        (now,) = cursor.fetchone()
    if isinstance(now, str):
        now = dt.datetime.strptime(now, "%Y-%m-%d %H:%M:%S.%f")
    return now.replace(tzinfo=dt.timezone.utc)  # type: ignore[no-any-return]


def from_timestamp(seconds: float) -> dt.datetime:
    """Return the POSIX time ``seconds`` as a model's field holds it."""
    return as_stored(dt.datetime.fromtimestamp(seconds, dt.timezone.utc))


def as_stored(moment: dt.datetime) -> dt.datetime:
    """Return an aware ``moment`` as a model's field holds it: aware with ``USE_TZ``, else naive."""
    if settings.USE_TZ:
        return moment
    return timezone.make_naive(moment, timezone.get_default_timezone())
