"""The queries to the history that alerts need. Every method waits for the database."""

from __future__ import annotations

import statistics
import uuid
from typing import Collection, FrozenSet, List, NamedTuple, Optional, Tuple

from django.db import router
from django.db.models import Subquery

from quick_jobs.alerting.endings import LOST, Life
from quick_jobs.alerting.streaks import FAILED, MOST, TELLING
from quick_jobs.databases import database_now
from quick_jobs.databases.timestamps import as_aware, from_timestamp
from quick_jobs.models import Job, JobExecution, JobExecutionQuerySet, JobRunner, lost_before

# Runners that are read: more in a row are one event. Of workers, there are more at a time.
_RUNNERS = 50
_WORKERS = 500

# Names in one query; with more, it is for all jobs.
_NAMES = 500

# Successes from which the typical duration is computed.
_SUCCESSES = 20


class Lives(NamedTuple):
    """The runners of our kind: our own, those before it and those after it, the newest first."""

    own: Optional[Life]
    before: List[Life]
    after: List[Life]


class Past:
    """The history, for the runner with this ``key`` and ``kind``."""

    def __init__(self, key: uuid.UUID, kind: str = JobRunner.RUNNER) -> None:
        self._key = key
        self._kind = kind
        self._using = router.db_for_write(JobExecution)

    def failing_jobs(self, names: Collection[str], at: float) -> FrozenSet[str]:
        """Return which of these jobs were failing ``at`` this POSIX time, and maybe others."""
        ends = self._executions().filter(outcome__in=TELLING, started_at__lt=from_timestamp(at))
        jobs = Job.objects.using(self._using).annotate(
            last_outcome=Subquery(ends.of_each("job").values("outcome")[:1])
        )
        if len(names) <= _NAMES:
            jobs = jobs.filter(name__in=list(names))
        failing = jobs.filter(last_outcome__in=FAILED)
        return frozenset(failing.values_list("name", flat=True))

    def ends_before(self, name: str, at: float, number: int) -> List[Tuple[str, float]]:
        """Return how and when (POSIX time) executions of a job ended before ``at``, in order.

        They are executions of all runners that end a streak or continue it, and no more than are
        counted. Our own ``number`` is left out: it ended ``at``, except for rounding.
        """
        rows = self._executions().filter(job__name=name, outcome__in=TELLING)
        rows = rows.exclude(runner__key=self._key, number=number)
        newest = rows.order_by("-started_at").values_list("outcome", "finished_at")[: MOST + 1]
        ends = [
            (outcome, as_aware(finished_at).timestamp())
            for outcome, finished_at in newest
            if finished_at is not None
        ]
        return sorted((end for end in ends if end[1] < at), key=lambda end: end[1])

    def alerted_at(self, name: str) -> Optional[float]:
        """Return the end (POSIX time) of the last failure of a job that an alert was sent about."""
        jobs = Job.objects.using(self._using).filter(name=name)
        alerted_at = jobs.values_list("alerted_at", flat=True).first()
        return None if alerted_at is None else as_aware(alerted_at).timestamp()

    def put_alert_on_record(self, name: str, at: float) -> None:
        """Put on record that an alert was sent about the failure of a job that ended ``at``."""
        jobs = Job.objects.using(self._using).filter(name=name)
        jobs.update(alerted_at=from_timestamp(at))

    def was_failing(self, name: str, at: float, number: int) -> bool:
        """Return whether the last execution of a job that ended before ``at`` had failed.

        That is of all runners, but without our own ``number``.
        """
        rows = self._executions().filter(
            job__name=name, outcome__in=TELLING, finished_at__lt=from_timestamp(at)
        )
        rows = rows.exclude(runner__key=self._key, number=number)
        last = rows.order_by("-started_at").values_list("outcome", flat=True).first()
        return last in FAILED

    def typical_duration(self, name: str) -> Optional[float]:
        """Return the median duration of the last successes, in seconds; None if there are none."""
        rows = self._executions().filter(
            job__name=name, outcome=JobExecution.SUCCEEDED, duration__isnull=False
        )
        newest = rows.order_by("-started_at").values_list("duration", flat=True)[:_SUCCESSES]
        durations = [duration.total_seconds() for duration in newest]
        return statistics.median(durations) if durations else None

    def execution(self, number: int) -> Optional[JobExecution]:
        """Return our own execution ``number``, if it is on record."""
        rows = self._executions().filter(runner__key=self._key, number=number)
        return rows.select_related("job").first()

    def own_runner(self) -> Optional[JobRunner]:
        """Return our own row, if it is on record."""
        return JobRunner.objects.using(self._using).filter(key=self._key).first()

    def lives(self) -> Lives:
        """Return the newest runners."""
        limit = lost_before(database_now(self._using))
        own: Optional[Life] = None
        before: List[Life] = []
        after: List[Life] = []
        most = _WORKERS if self._kind == JobRunner.CELERY else _RUNNERS
        rows = JobRunner.objects.using(self._using).filter(kind=self._kind)
        for row in rows.order_by("-pk")[:most]:
            reason = LOST if row.is_lost(limit) else row.stop_reason
            life = Life(
                row.pk,
                as_aware(row.started_at),
                as_aware(row.stopped_at or row.last_heartbeat_at),
                reason,
                row.hostname,
            )
            if row.key == self._key:
                own = life
                before, after = [], before
            else:
                before.append(life)
        return Lives(own, before, after)

    def runner(self, pk: int) -> Optional[JobRunner]:
        """Return a runner."""
        return JobRunner.objects.using(self._using).filter(pk=pk).first()

    def running_in(self, runner: JobRunner, most: int) -> List[JobExecution]:
        """Return the executions that were running at a runner's last heartbeat."""
        rows = self._executions().filter(runner=runner, outcome=JobExecution.RUNNING)
        return list(rows.select_related("job").order_by("started_at")[:most])

    def _executions(self) -> JobExecutionQuerySet:
        return JobExecution.objects.using(self._using)
