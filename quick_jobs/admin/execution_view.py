"""Executions as a page shows them, with their state and duration at that moment."""

from __future__ import annotations

import datetime as dt
from typing import Any, List, NamedTuple, Optional

from quick_jobs.admin.page_clock import PageClock
from quick_jobs.models import JobExecution, is_lost

_FIELDS = (
    "job_id",
    "runner_id",
    "pk",
    "outcome",
    "started_at",
    "duration",
    "lateness",
    "due_at",
    "runner__stopped_at",
    "runner__last_heartbeat_at",
)


class ExecutionView(NamedTuple):
    """An execution at a moment; while it runs, ``duration`` is up to then.

    The duration of a lost one is up to its runner's last heartbeat.
    """

    job_id: int
    runner_id: int
    pk: int
    state: str
    started_at: dt.datetime
    duration: Optional[dt.timedelta]
    lateness: Optional[dt.timedelta]
    due_at: Optional[dt.datetime] = None

    @property
    def went_wrong(self) -> bool:
        return self.state in JobExecution.WENT_WRONG


def read_executions(
    executions: Any, clock: PageClock, most: Optional[int] = None
) -> List[ExecutionView]:
    """Return ``executions``, a query, or the first ``most``, as they are at that time."""
    views = []
    for row in executions.values_list(*_FIELDS)[:most]:
        job_id, runner_id, pk, outcome, started_at, duration, *late, stopped_at, beat_at = row
        is_runner_lost = is_lost(stopped_at, beat_at, clock.lost_before)
        state = JobExecution.state_of(outcome, is_runner_lost)
        if state == JobExecution.RUNNING:
            duration = max(dt.timedelta(0), clock.now - started_at)
        elif state == JobExecution.LOST:
            duration = max(dt.timedelta(0), beat_at - started_at)
        views.append(ExecutionView(job_id, runner_id, pk, state, started_at, duration, *late))
    return views
