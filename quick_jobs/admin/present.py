"""The present, by the database's clock, the same for all that a page shows."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from django.db import router
from django.http import HttpRequest

from quick_jobs.clocks import as_stored, database_now
from quick_jobs.conf import conf
from quick_jobs.models import JobExecution, JobRunner


class Present(NamedTuple):
    """A moment, and what is lost at it."""

    now: dt.datetime
    lost_before: dt.datetime

    def is_alive(self, runner: JobRunner) -> bool:
        return runner.stopped_at is None and runner.last_heartbeat_at >= self.lost_before

    def is_lost(self, runner: JobRunner) -> bool:
        return runner.stopped_at is None and runner.last_heartbeat_at < self.lost_before

    def end_of(self, runner: JobRunner) -> dt.datetime:
        """Return until when ``runner`` is known to have lived."""
        if runner.stopped_at is not None:
            return runner.stopped_at
        return self.now if self.is_alive(runner) else runner.last_heartbeat_at


def present_at(request: HttpRequest) -> Present:
    """Return the moment at which the database was first asked for ``request``."""
    present = getattr(request, "_quick_jobs_present", None)
    if present is None:
        now = as_stored(database_now(router.db_for_read(JobExecution)))
        present = Present(now, now - conf.lost_after)
        request._quick_jobs_present = present  # type: ignore[attr-defined]
    return present
