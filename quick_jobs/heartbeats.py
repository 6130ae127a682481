"""Whether a runner is lost: it has not stopped, and its last heartbeat is too old."""

from __future__ import annotations

import datetime as dt
from typing import Optional

from quick_jobs.conf import conf
from quick_jobs.databases.timestamps import as_stored


def lost_before(now: dt.datetime) -> dt.datetime:
    """Return the moment, as a field holds it, before which a heartbeat is too old at ``now``.

    ``now`` is aware, and by the clock of the history's database.
    """
    return as_stored(now - conf.lost_after)


def is_lost(
    stopped_at: Optional[dt.datetime],
    last_heartbeat_at: dt.datetime,
    before: dt.datetime,
) -> bool:
    """Return whether a runner is lost: it has not stopped, and its heartbeat is too old."""
    return stopped_at is None and last_heartbeat_at < before
