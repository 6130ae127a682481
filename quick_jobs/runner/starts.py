"""What is due becomes an execution, whose start is put on record before the job begins.

Pure, but for what it logs: the caller gives the time and the randomness.
"""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Iterable, List, Optional, Tuple

from quick_jobs.durations import LONGEST, format_duration
from quick_jobs.environment import RunEnv
from quick_jobs.history.record import Record
from quick_jobs.logs import get_logger
from quick_jobs.runner.enumeration import enumeration
from quick_jobs.runner.execution import Execution
from quick_jobs.runner.pending_starts import PendingStarts
from quick_jobs.runner.schedule import Schedule, ScheduledJob
from quick_jobs.stop_flag import StopFlag

logger = get_logger(__name__, may_wait=False)

# Seconds that nobody wonders about while nothing happens.
_SOON = 60.0

# Seconds that stand for all that is longer, up to what no timedelta can hold.
_LONG = LONGEST.total_seconds()


class Starts:
    """Takes jobs that are due from ``schedule``; each start waits for its record, if it may.

    The jobs are given an ``env`` that stops with ``stopping``. ``record_timeout``
    is how long, in seconds, a start waits for its record; with 0 none waits.
    """

    def __init__(self, schedule: Schedule, stopping: StopFlag, record_timeout: float) -> None:
        self._schedule = schedule
        self._stopping = stopping
        self._pending = PendingStarts(record_timeout)
        self._numbers = itertools.count(1)
        self._behind_since: Optional[float] = None  # when there was no room for all that is due

    def announce_late_ones(self, now: float) -> None:
        """Log which jobs do not start within a minute, and when they do."""
        late = self._schedule.due_after(now + _SOON)
        if not late:
            return

        def text(scheduled: ScheduledJob) -> str:
            seconds = round(min(scheduled.due - now, _LONG))
            return f"{scheduled.name} in {format_duration(dt.timedelta(seconds=seconds))}"

        logger.info("first starts: %s", enumeration(late, text, "later"))

    def next_due(self) -> Optional[float]:
        """Return when :meth:`begin_due` has something to begin, or None while it has no room."""
        return self._schedule.next_due() if self._pending.room else None

    def next_check(self) -> Optional[float]:
        """Return when :meth:`overdue` is to be called next."""
        return self._pending.next_check()

    def begin_due(self, now: float, started_at: float) -> Tuple[List[Record], List[Execution]]:
        """Return the records of what is due ``now``, and those of it that wait for no record.

        ``started_at`` is the same moment as POSIX time.
        """
        due = self._schedule.start_due(now, self._pending.room)
        if not due:
            return [], []
        since = now if self._behind_since is None else self._behind_since
        records: List[Record] = []
        ready: List[Execution] = []
        for scheduled in due:
            execution = Execution(
                next(self._numbers), scheduled, RunEnv(self._stopping), started_at
            )
            records.append(execution.record())
            if self._pending.are_awaited:
                self._pending.add(execution, since)
            else:
                ready.append(execution)
        next_due = self._schedule.next_due()
        self._behind_since = since if next_due is not None and next_due <= now else None
        return records, ready

    def recorded(self, numbers: Iterable[int]) -> List[Execution]:
        """Return those of these numbers, which are on record now and can run."""
        return self._pending.recorded(numbers)

    def overdue(self, now: float) -> List[Execution]:
        """Return those that have waited for too long, and run without a record."""
        return self._pending.overdue(now)

    def history_is_away(self) -> None:
        """Have no start wait: nothing will be recorded soon."""
        self._pending.history_is_away()

    def take_all(self) -> List[Execution]:
        """Take back all that wait."""
        return self._pending.take_all()

    def ended(self, execution: Execution, now: float) -> None:
        """Let the job of ``execution`` wait for its next start, or start again if it asked to."""
        self._schedule.ended(execution.scheduled, now, execution.env.rerun_requested)
