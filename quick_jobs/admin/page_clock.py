"""The time of a page: the database's, read once and used for everything on the page."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from django.db import router
from django.http import HttpRequest

from quick_jobs.databases import database_now
from quick_jobs.databases.timestamps import as_stored
from quick_jobs.models import JobExecution, JobRunner, lost_before


class PageClock(NamedTuple):
    """The time of a page; runners with an older heartbeat than ``lost_before`` are lost."""

    now: dt.datetime
    lost_before: dt.datetime

    def is_alive(self, runner: JobRunner) -> bool:
        return runner.is_alive(self.lost_before)

    def is_lost(self, runner: JobRunner) -> bool:
        return runner.is_lost(self.lost_before)

    def end_of(self, runner: JobRunner) -> dt.datetime:
        """Return the last moment at which ``runner`` is known to have been alive."""
        if runner.stopped_at is not None:
            return runner.stopped_at
        return self.now if self.is_alive(runner) else runner.last_heartbeat_at


def page_clock(request: HttpRequest) -> PageClock:
    """Return the clock of the page for ``request``. It is read once."""
    clock = getattr(request, "_quick_jobs_page_clock", None)
    if clock is None:
        now = database_now(router.db_for_read(JobExecution))
        clock = PageClock(as_stored(now), lost_before(now))
        request._quick_jobs_page_clock = clock  # type: ignore[attr-defined]
    return clock
