"""SQLite: a file to which only one connection can write at a time."""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import contextmanager
from typing import ContextManager, Iterator, Optional

from django.db import OperationalError

from quick_jobs.databases.base import Database, Unsuitable
from quick_jobs.databases.write_lock import is_locked, short_commit

#: The first version with INSERT ... ON CONFLICT.
_OLDEST = (3, 24)

# Messages of operational errors that do not pass by themselves.
_LASTING = ("no such ", "has no column", "syntax error", "values for")

# In seconds. A process that waits for the lock tries at least every 25 ms, and at least every
# 100 ms once it has waited for 128 ms (sqliteDefaultBusyCallback in SQLite's main.c). The pause
# between two batches, which includes the search for the next one, leaves time for one try.
_LONG_WAIT = 0.12
_PAUSE_FOR_OTHERS = 0.024
_LONG_PAUSE_FOR_OTHERS = 0.1


_FOREIGN_KEYS = """
    SELECT '', m.name, min(f."from"), min(COALESCE(f."to", 'id'))
    FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f
    WHERE m.type = 'table' AND lower(f."table") = lower(%s)
    AND f.on_delete NOT IN ('CASCADE', 'SET NULL')
    GROUP BY m.name, f.id HAVING count(*) = 1
"""


class SQLite(Database):
    foreign_keys_query = _FOREIGN_KEYS
    has_connect_timeout = False
    must_close_before_fork = True  # https://www.sqlite.org/howtocorrupt.html, 2.6

    # Longer than for other databases, which makes fewer pauses, but not so long that the pauses
    # would have to be longer too.
    cleanup_batch_time = 0.07

    def unsuitable(self) -> Optional[Unsuitable]:
        if sqlite3.sqlite_version_info >= _OLDEST:
            return None
        return Unsuitable(
            f"The job history needs SQLite 3.24 or newer, and Python has {sqlite3.sqlite_version}.",
            "Use a Python with a newer SQLite, or another database.",
        )

    def now(self) -> dt.datetime:
        text = self._fetch_value("SELECT STRFTIME('%Y-%m-%d %H:%M:%f', 'now')")
        now = dt.datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f")
        return now.replace(tzinfo=dt.timezone.utc)

    def _moment_place(self) -> str:
        return "%s"  # moments are texts

    def writing(self) -> ContextManager[None]:
        return short_commit(self.connection)

    @contextmanager
    def _timeouts(self, statement_timeout: Optional[float]) -> Iterator[None]:
        """Keep the usual timeout: nobody else could write anyway."""
        yield

    def pause_after(self, batch_time: float) -> float:
        return _LONG_PAUSE_FOR_OTHERS if batch_time > _LONG_WAIT else _PAUSE_FOR_OTHERS

    def _is_conflict(self, error: OperationalError) -> bool:
        return is_locked(error)

    def is_locked(self, error: BaseException) -> bool:
        return is_locked(error)

    def is_outage(self, error: BaseException) -> bool:
        if isinstance(error, OperationalError) and any(word in str(error) for word in _LASTING):
            return False
        return super().is_outage(error)
