"""What a worker's main process writes to the history, and what its children write."""

from __future__ import annotations

import datetime as dt
from typing import List, Optional, Sequence, Type

from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router

from quick_jobs.checks import check_database
from quick_jobs.databases import (
    SUPPORTED,
    database_now,
    database_of,
    is_supported,
    vendor_name,
)
from quick_jobs.databases.timestamps import as_aware, as_stored
from quick_jobs.history import History, NoHistory, Recorder
from quick_jobs.history.identity import RunnerIdentity
from quick_jobs.history.record import Record, Words
from quick_jobs.history.storage import Storage
from quick_jobs.logs import get_logger
from quick_jobs.models import JobExecution
from quick_jobs.registration import RegisteredJob
from quick_jobs.tracebacks import fingerprint_of_outcome

logger = get_logger(__name__)


class ChildStorage(Storage):
    """A child's storage: writes executions only. The main process writes heartbeat and stop."""

    def beat(self, dropped_executions: int) -> None:
        """Take the time for what is observed of executions."""
        self._beat_at = as_stored(database_now(self.using))

    def stop(self, reason: str, detail: str, stopped_at: float, dropped_executions: int) -> None:
        pass


class ParentStorage(Storage):
    """The storage of a main process whose children write their executions themselves.

    It writes ends for children that could not. An end that the child itself has written stays as
    it is. If there is only a start, the end is added to it, with the last stack that was observed
    in place of a traceback.
    """

    def write(self, records: Sequence[Record]) -> None:
        executions = JobExecution.objects.using(self.using)
        numbers = [record.number for record in records]
        found = {
            row.number: row
            for row in executions.filter(runner_id=self._runner_id, number__in=numbers)
        }
        ends: List[Record] = []
        for record in records:
            row = found.get(record.number)
            if row is None and record.outcome != JobExecution.ABANDONED:
                ends.append(record)
            elif row is None:
                pass  # whether it had begun is not known
            elif row.finished_at is None:
                ends.append(_completed(record, row))
        if ends:
            super().write(ends)


def _completed(end: Record, row: JobExecution) -> Record:
    """Return ``end``, completed from the row of its start."""
    started_at = as_aware(row.started_at).timestamp()
    finished_at = max(started_at, end.finished_at or started_at)
    is_failure = end.outcome != JobExecution.ABANDONED
    fingerprint = fingerprint_of_outcome(end.outcome, end.job) if is_failure else ""
    return end._replace(
        started_at=started_at,
        finished_at=finished_at,
        duration=finished_at - started_at,
        lateness=_seconds(row.lateness),
        due_at=None if row.due_at is None else as_aware(row.due_at).timestamp(),
        traceback=row.stack,
        words=Words(row.note, row.progress_done, row.progress_total, row.log, fingerprint),
    )


def _seconds(duration: Optional[dt.timedelta]) -> Optional[float]:
    return None if duration is None else duration.total_seconds()


class BriefRecorder(Recorder):
    """A recorder that closes its connection after each write.

    For databases whose connections must be closed before a child is forked.
    """

    def step(self) -> None:
        super().step()
        self._storage.reset()


def new_history(
    storage_class: Type[Storage],
    identity: RunnerIdentity,
    jobs: Sequence[RegisteredJob],
    heartbeat_interval: float,
) -> History:
    """Return the history of this process; on unsupported databases, one that keeps nothing.

    Raises ``ImproperlyConfigured`` if the database cannot hold one.
    """
    using = router.db_for_write(JobExecution)
    connection = connections[using]
    if not is_supported(connection):
        logger.warning(
            "No history is kept: it needs a database of %s, and %r is %s.",
            SUPPORTED,
            using,
            vendor_name(connection),
        )
        return NoHistory()
    for error in check_database():
        raise ImproperlyConfigured(error.msg)
    is_brief = storage_class is ParentStorage and database_of(connection).must_close_before_fork
    recorder = BriefRecorder if is_brief else Recorder
    return recorder(storage_class(identity, jobs), heartbeat_interval)
