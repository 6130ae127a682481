"""Writes the history: all database access of the recorder.

Each write can be repeated after its answer was lost: a runner is identified by
its ``key``, a job by its name, an execution by its runner and number.
"""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from typing import (
    Any,
    Callable,
    Collection,
    ContextManager,
    Dict,
    Optional,
    Sequence,
    TypeVar,
)

from django.db import DatabaseError, connections, router

from quick_jobs.connections import discard
from quick_jobs.databases import database_now, database_of
from quick_jobs.databases.base import Database, break_off
from quick_jobs.databases.timestamps import as_stored, from_timestamp
from quick_jobs.history.identity import RunnerIdentity
from quick_jobs.history.job_rows import in_parts, register_jobs
from quick_jobs.history.last_starts import last_starts
from quick_jobs.history.look import LookTexts
from quick_jobs.history.messages import LastStart
from quick_jobs.history.observations import update_observed
from quick_jobs.history.record import Record
from quick_jobs.history.tables import check_tables
from quick_jobs.history.texts import in_every_form
from quick_jobs.history.upsert import upsert
from quick_jobs.models import JobExecution, JobRunner, JobRunnerQuerySet
from quick_jobs.registration import RegisteredJob

Result = TypeVar("Result")

_MAX_TEXT = 255  # JobRunner.hostname and JobRunner.stop_detail


class Storage:
    """The database that holds the history, for one runner and one thread.

    Every method raises the database's exceptions; after that, :meth:`reset`
    makes the next call begin with a new connection.
    """

    def __init__(self, runner: RunnerIdentity, jobs: Sequence[RegisteredJob]) -> None:
        self.using = router.db_for_write(JobExecution)
        self._identity = runner
        self._jobs = jobs
        self.is_on_timer = runner.kind == JobRunner.ONCE
        self._resuming = [job for job in jobs if job.resume or self.is_on_timer]
        self._runner_id: Optional[int] = None
        self._job_ids: Dict[str, int] = {}
        self._database: Optional[Database] = None  # by the connection of the thread that writes
        self._descriptor: Optional[int] = None
        self._beat_at: Optional[dt.datetime] = None  # the last heartbeat, as a field holds it
        self._session: Any = None  # the driver's connection, which has this descriptor

    def connect(self) -> Database:
        """Connect this thread if necessary, and let others :meth:`break_off` its connection."""
        connection = connections[self.using]
        database = self._database
        if database and self._session is not None and connection.connection is self._session:
            return database
        database = self._database = database_of(connection)
        database.commit_each_write()
        database.limit_connecting()
        connection.ensure_connection()
        self._descriptor = database.descriptor()
        self._session = connection.connection
        return database

    def _connected(self) -> Database:
        """Return the result of :meth:`connect`. Nothing else closes the connection meanwhile."""
        return self._database or self.connect()

    def break_off(self) -> bool:
        """Make the call fail that waits for the database; return whether that is possible.

        Called in another thread.
        """
        descriptor, database = self._descriptor, self._database
        if descriptor is None and database is not None:
            with suppress(Exception):  # the driver may not show it while it connects
                descriptor = database.descriptor()
        if descriptor is None:
            return False
        break_off(descriptor)
        return True

    @property
    def is_registered(self) -> bool:
        return self._runner_id is not None

    def register(self) -> None:
        """Put the runner and its jobs on record, or find them there.

        Raises ``NotMigrated`` if the tables are not there, and ``NamesCollide``.
        """
        try:
            self._connected()
            # Finds no row, but needs all columns. Those of the other tables are needed below.
            list(JobExecution.objects.using(self.using).filter(pk=0))
            with self._writing():
                job_ids = register_jobs(self.using, self._jobs, self.is_about_data)
                runner_id = self._register_runner(job_ids.values())
        except DatabaseError:
            self.reset()
            self._check_tables()
            raise
        self._runner_id, self._job_ids = runner_id, job_ids

    def _register_runner(self, job_ids: Collection[int]) -> int:
        def find_or_create(hostname: str) -> JobRunner:
            runner: JobRunner
            runner, _created = JobRunner.objects.using(self.using).get_or_create(
                key=self._identity.key,
                defaults={
                    "kind": self._identity.kind,
                    "release": self._identity.release,
                    "hostname": hostname,
                    "pid": self._identity.pid,
                    "started_at": from_timestamp(self._identity.started_at),
                    "last_heartbeat_at": as_stored(database_now(self.using)),
                },
            )
            return runner

        runner = self._with_text(find_or_create, self._identity.hostname)
        link = JobRunner.jobs.through
        for part in in_parts(list(job_ids)):
            link._default_manager.using(self.using).bulk_create(
                [link(jobrunner_id=runner.pk, job_id=job_id) for job_id in part],
                ignore_conflicts=True,
            )
        return int(runner.pk)

    @property
    def has_resuming_jobs(self) -> bool:
        return bool(self._resuming)

    def last_starts(self) -> Dict[str, LastStart]:
        """Return the last start of each job that resumes and has one, by name.

        On a timer all jobs resume; a clock job without a start has its registration as one.
        """
        assert self._runner_id is not None, "the runner is to be registered first"
        job_ids = {job.name: self._job_ids[job.name] for job in self._resuming}
        names = [job.name for job in self._resuming if self.is_on_timer and job.schedule]
        return last_starts(self.using, self._runner_id, job_ids, names)

    def forget_registration(self) -> None:
        """Let the runner and its jobs be recorded again: their rows are gone."""
        self._runner_id = None

    def write(self, records: Sequence[Record]) -> None:
        """Put starts and ends on record in one transaction. An end overwrites, a start does not."""
        assert self._runner_id is not None, "the runner is to be registered first"
        database = self._connected()
        with database.writing():
            upsert(database, self._runner_id, self._job_ids, records)
        # With DEBUG, Django would keep thousands of these statements.
        database.connection.queries_log.clear()

    def probe(self, dropped_executions: int) -> None:
        """Write something that only fails if the database refuses everything from this runner."""
        with self._writing():
            self._runner_row().update(dropped_executions=dropped_executions)

    def beat(self, dropped_executions: int) -> None:
        """Write the heartbeat; if the runner's row is gone, record it again."""
        with self._writing():
            self._beat_at = as_stored(database_now(self.using))
            updated = self._runner_row().update(
                last_heartbeat_at=self._beat_at,
                dropped_executions=dropped_executions,
            )
        if not updated:
            self.register()

    def observe(self, looks: Sequence[LookTexts]) -> None:
        """Record the looks at running executions, which came with the last heartbeat."""
        assert self._runner_id is not None, "the runner is to be registered first"
        assert self._beat_at is not None, "a heartbeat is to be written first"
        with self._writing():
            update_observed(self._connected(), self._runner_id, looks, self._beat_at)

    def stop(self, reason: str, detail: str, stopped_at: float, dropped_executions: int) -> None:
        """Record when (POSIX time) and why the runner stopped."""
        if not self._runner_row().exists():
            self.register()

        def update(stop_detail: str) -> int:
            with self._writing():
                return self._runner_row().update(
                    stopped_at=from_timestamp(stopped_at),
                    stop_reason=reason,
                    stop_detail=stop_detail,
                    dropped_executions=dropped_executions,
                )

        self._with_text(update, detail)

    def _with_text(self, write: Callable[[str], Result], text: str) -> Result:
        """Call ``write`` with ``text`` as it is, or else in ASCII, or else without it."""
        for form in in_every_form(text, _MAX_TEXT):
            try:
                return write(form)
            except Exception as exc:
                if not self.is_about_data(exc):
                    raise
        return write("")

    def _writing(self) -> ContextManager[None]:
        return self._connected().writing()

    def _runner_row(self) -> JobRunnerQuerySet:
        self._connected()
        return JobRunner.objects.using(self.using).filter(pk=self._runner_id)

    def reset(self) -> None:
        """Drop the connection, whatever state it is in."""
        self._database = self._descriptor = self._session = None
        discard(connections[self.using])

    def is_locked(self, error: BaseException) -> bool:
        """Return whether a job or another process has locked the whole database."""
        return database_of(connections[self.using]).is_locked(error)

    def is_about_data(self, error: BaseException) -> bool:
        """Return whether the written values caused it, not the database's state."""
        return database_of(connections[self.using]).is_about_data(error)

    def is_outage(self, error: BaseException) -> bool:
        """Return whether it can pass by itself."""
        return database_of(connections[self.using]).is_outage(error)

    def may_be_of_size(self, error: BaseException) -> bool:
        """Return whether the cause can be that the database got too much at once."""
        return database_of(connections[self.using]).may_be_of_size(error)

    def _check_tables(self) -> None:
        """Raise ``NotMigrated`` if the database answers that tables are not there."""
        try:
            check_tables(self.using)
        except DatabaseError:
            self.reset()  # it does not answer, so this is not known
