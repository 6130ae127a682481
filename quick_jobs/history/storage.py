"""Where the history is written: all that the recorder asks of the database.

Each write can be tried again after its answer was lost: a runner is known by
its ``key``, a job by its name, an execution by its runner and number.
"""

from __future__ import annotations

import datetime as dt
import os
import socket
import time
import uuid
from typing import (
    Collection,
    ContextManager,
    Dict,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    TypeVar,
)

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from quick_jobs.connections import discard
from quick_jobs.databases import database_now, database_of
from quick_jobs.databases.timestamps import as_stored, from_timestamp
from quick_jobs.history.record import Record
from quick_jobs.history.upsert import upsert
from quick_jobs.models import Job, JobExecution, JobRunner, JobRunnerQuerySet
from quick_jobs.registration import RegisteredJob

Item = TypeVar("Item")

# Rows in one of the few queries made when a runner is registered. SQLite takes 999 values.
_ROWS_PER_QUERY = 400

_MODELS = (Job, JobRunner, JobRunner.jobs.through, JobExecution)


class NotMigrated(Exception):
    """The database answers, but the tables of this version are not there."""


class RunnerIdentity(NamedTuple):
    """What a runner's row says of it from the start; ``started_at`` is POSIX time."""

    key: uuid.UUID
    hostname: str
    pid: int
    started_at: float

    @classmethod
    def of_this_process(cls) -> RunnerIdentity:
        """Return the identity of a runner that starts here and now."""
        return cls(uuid.uuid4(), socket.gethostname(), os.getpid(), time.time())


class Storage:
    """The database that holds the history, for one runner and one thread.

    Every method raises what the database raises; after that, :meth:`reset`
    makes the next call begin with a new connection.
    """

    def __init__(self, runner: RunnerIdentity, jobs: Sequence[RegisteredJob]) -> None:
        self.using = router.db_for_write(JobExecution)
        self._identity = runner
        self._jobs = jobs
        self._runner_id: Optional[int] = None
        self._job_ids: Dict[str, int] = {}

    @property
    def is_registered(self) -> bool:
        return self._runner_id is not None

    def register(self) -> None:
        """Put the runner and its jobs on record, or find them there.

        Raises :exc:`NotMigrated` if the tables are not there.
        """
        try:
            # Finds none, but needs all the columns. Those of the other tables are needed below.
            list(JobExecution.objects.using(self.using).filter(pk=0))
            with self._writing():
                job_ids = self._register_jobs()
                runner_id = self._register_runner(job_ids.values())
        except DatabaseError:
            self.reset()
            self._check_tables()
            raise
        self._runner_id, self._job_ids = runner_id, job_ids

    def _register_jobs(self) -> Dict[str, int]:
        """Return the jobs' primary keys by name."""
        job_ids: Dict[str, int] = {}
        # Sorted, so that runners which start at the same moment do not deadlock.
        for jobs in _parts(sorted(self._jobs, key=lambda job: job.name)):
            rows = self._rows_of(jobs)
            missing = [job for job in jobs if job.name not in rows]
            if missing:
                Job.objects.using(self.using).bulk_create(
                    [Job(name=job.name, **_schedule_of(job)) for job in missing],
                    ignore_conflicts=True,
                )
                rows = self._rows_of(jobs)
            for job in jobs:
                row, schedule = rows[job.name], _schedule_of(job)
                if any(getattr(row, field) != value for field, value in schedule.items()):
                    Job.objects.using(self.using).filter(pk=row.pk).update(**schedule)
                job_ids[job.name] = row.pk
        return job_ids

    def _rows_of(self, jobs: Sequence[RegisteredJob]) -> Dict[str, Job]:
        """Return the rows of those jobs that have one, by name."""
        names = [job.name for job in jobs]
        rows = {row.name: row for row in Job.objects.using(self.using).filter(name__in=names)}
        # MariaDB finds names whatever their case, and keeps one row for all of them.
        folded = {name.lower(): row for name, row in rows.items()}
        for name in names:
            if name not in rows and name.lower() in folded:
                rows[name] = folded[name.lower()]
        return rows

    def _register_runner(self, job_ids: Collection[int]) -> int:
        runner, _created = JobRunner.objects.using(self.using).get_or_create(
            key=self._identity.key,
            defaults={
                "hostname": self._identity.hostname[:255],
                "pid": self._identity.pid,
                "started_at": from_timestamp(self._identity.started_at),
                "last_heartbeat_at": as_stored(database_now(self.using)),
            },
        )
        link = JobRunner.jobs.through
        for part in _parts(list(job_ids)):
            link._default_manager.using(self.using).bulk_create(
                [link(jobrunner_id=runner.pk, job_id=job_id) for job_id in part],
                ignore_conflicts=True,
            )
        return int(runner.pk)

    def forget_registration(self) -> None:
        """Have the runner and its jobs put on record anew: their rows have gone."""
        self._runner_id = None

    def write(self, records: Sequence[Record]) -> None:
        """Put starts and ends on record in one transaction. An end overwrites, a start does not."""
        assert self._runner_id is not None, "the runner is to be registered first"
        connection = connections[self.using]
        with self._writing():
            upsert(connection, self._runner_id, self._job_ids, records)
        connection.queries_log.clear()  # with DEBUG it would keep thousands of these statements

    def beat(self, dropped_executions: int) -> None:
        """Write the heartbeat; put a runner whose row has gone on record anew."""
        with self._writing():
            updated = self._runner_row().update(
                last_heartbeat_at=as_stored(database_now(self.using)),
                dropped_executions=dropped_executions,
            )
        if not updated:
            self.register()

    def stop(self, reason: str, detail: str, stopped_at: float, dropped_executions: int) -> None:
        """Put on record that, when (POSIX time) and why the runner stopped."""
        if not self._runner_row().exists():
            self.register()
        with self._writing():
            self._runner_row().update(
                stopped_at=from_timestamp(stopped_at),
                stop_reason=reason,
                stop_detail=detail[:255],
                dropped_executions=dropped_executions,
            )

    def _writing(self) -> ContextManager[None]:
        return database_of(connections[self.using]).writing()

    def _runner_row(self) -> JobRunnerQuerySet:
        return JobRunner.objects.using(self.using).filter(pk=self._runner_id)

    def reset(self) -> None:
        """Let go of the connection, whatever state it is in."""
        discard(connections[self.using])

    def is_locked(self, error: BaseException) -> bool:
        """Return whether a job or somebody else has locked the whole database."""
        return database_of(connections[self.using]).is_locked(error)

    def is_about_data(self, error: BaseException) -> bool:
        """Return whether the values that were to be written caused it, not the database's state."""
        return database_of(connections[self.using]).is_about_data(error)

    def _check_tables(self) -> None:
        """Raise :exc:`NotMigrated` if a table or a column of this version is not there.

        What counts are the tables: who made them, and how, may be the site's own affair.
        """
        try:
            missing = _missing_in(connections[self.using])
        except DatabaseError:
            self.reset()
            return  # it does not answer, so nothing can be said
        if missing:
            message = (
                f"The tables of quick_jobs are not in the database {self.using!r}: "
                f"run '{_migrate_command(self.using)}', or keep no history with --no-history."
            )
            if missing != [model._meta.db_table for model in _MODELS]:
                message += f" Missing: {', '.join(missing)}."
            raise NotMigrated(message)


def _missing_in(connection: BaseDatabaseWrapper) -> List[str]:
    """Return which tables of the history are not in a database, and which of their columns."""
    ignores_case = connection.features.ignores_table_name_case
    missing: List[str] = []
    with connection.cursor() as cursor:
        introspection = connection.introspection
        tables = {
            name.lower() if ignores_case else name: name
            for name in introspection.table_names(cursor, include_views=True)
        }
        for model in _MODELS:
            wanted = model._meta.db_table
            table = tables.get(wanted.lower() if ignores_case else wanted)
            if table is None:
                missing.append(wanted)
                continue
            rows = introspection.get_table_description(cursor, table)
            columns = {row.name.lower() for row in rows}
            missing += [
                f"{wanted}.{field.column}"
                for field in model._meta.concrete_fields
                if str(field.column).lower() not in columns
            ]
    return missing


def _migrate_command(using: str) -> str:
    """Return the command that makes the tables of the history."""
    command = "manage.py migrate"
    if settings.MIGRATION_MODULES.get(Job._meta.app_label, "") is None:
        command += " --run-syncdb"
    if using != DEFAULT_DB_ALIAS:
        command += f" --database {using}"
    return command


def _parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Split ``items`` into what one query can take, and what little memory can."""
    for start in range(0, len(items), _ROWS_PER_QUERY):
        yield items[start : start + _ROWS_PER_QUERY]


def _schedule_of(job: RegisteredJob) -> Dict[str, Optional[dt.timedelta]]:
    return {"interval": job.interval, "variance": job.variance, "timeout": job.timeout}
