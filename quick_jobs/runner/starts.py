"""Makes executions of jobs that are due, and records each start before the job begins.

Pure, except for its logging: the caller gives the time and the randomness.
"""

from __future__ import annotations

import datetime as dt
import functools
import itertools
from typing import Callable, List, Optional, Tuple

from quick_jobs.environment import RunEnv
from quick_jobs.history.record import Record
from quick_jobs.models import JobExecution
from quick_jobs.runner.execution import Execution
from quick_jobs.runner.execution_record import record_of
from quick_jobs.runner.pending_starts import PendingStarts
from quick_jobs.runner.planning import log_notices
from quick_jobs.runner.schedule import Schedule
from quick_jobs.stop_flag import StopFlag

PreviousSuccess = Callable[[str, Optional[float]], Optional[dt.datetime]]


class Starts:
    """Takes jobs that are due from ``schedule``, and lets each start wait for its record.

    The jobs are given an ``env`` that stops with ``stopping``, and asks
    ``previous_success`` with the job's name and its last success here.
    ``record_timeout`` is how long, in seconds, a start waits for its record;
    with 0 none waits.
    """

    def __init__(
        self,
        schedule: Schedule,
        stopping: StopFlag,
        record_timeout: float,
        previous_success: PreviousSuccess,
    ) -> None:
        self._schedule = schedule
        self._stopping = stopping
        self._previous_success = previous_success
        self._pending = PendingStarts(record_timeout)
        # Not by methods of its own: two of them are called in each step of the loop.
        self.next_check = self._pending.next_check
        self.overdue = self._pending.overdue
        self.recorded = self._pending.recorded
        self.history_is_away = self._pending.history_is_away
        self.take_all = self._pending.take_all
        self._numbers = itertools.count(1)
        self._behind_since: Optional[float] = None  # when there was no room for all due jobs

    def next_due(self) -> Optional[float]:
        """Return when to call :meth:`begin_due` next, None while there is no room."""
        return self._schedule.next_due() if self._pending.room else None

    def begin_due(self, now: float, started_at: float) -> Tuple[List[Record], List[Execution]]:
        """Return the records of executions that are due ``now``, and those that need not wait.

        ``started_at`` is the same moment as POSIX time.
        """
        due = self._schedule.start_due(now, self._pending.room)
        if self._schedule.notices:
            log_notices(self._schedule.take_notices())
        if not due:
            return [], []
        since = now if self._behind_since is None else self._behind_since
        records: List[Record] = []
        ready: List[Execution] = []
        for scheduled in due:
            previous_success = functools.partial(
                self._previous_success, scheduled.name, scheduled.last_success
            )
            env = RunEnv(self._stopping, scheduled.due_at, previous_success)
            execution = Execution(next(self._numbers), scheduled, env, started_at)
            records.append(record_of(execution))
            if self._pending.are_awaited:
                self._pending.add(execution, since)
            else:
                ready.append(execution)
        next_due = self._schedule.next_due()
        self._behind_since = since if next_due is not None and next_due <= now else None
        return records, ready

    def ended(self, execution: Execution, now: float) -> None:
        """Let the job of ``execution`` wait for its next start, or start again if it asked to."""
        scheduled = execution.scheduled
        if execution.outcome == JobExecution.SUCCEEDED:
            scheduled.last_success = execution.started_at
        self._schedule.ended(scheduled, now, execution.env.rerun_requested)
