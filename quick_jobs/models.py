"""The history: jobs, the runners that ran them, and every execution.

Rows are written and removed by :mod:`quick_jobs.history`; everything else only reads.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Optional

from django.db import models
from django.db.models import OuterRef, Q, Subquery
from django.utils.translation import gettext_lazy as _

from quick_jobs.databases import database_now
from quick_jobs.heartbeats import is_lost as is_lost
from quick_jobs.heartbeats import lost_before as lost_before


class JobQuerySet(models.QuerySet):  # type: ignore[type-arg]
    """Jobs by how they are doing."""

    def failing(self) -> JobQuerySet:
        """Jobs whose last execution that has ended or is lost went wrong.

        Interrupted and abandoned ones are passed over: they say nothing of the job.
        """
        lost = Q(outcome=JobExecution.RUNNING, runner__in=JobRunner.objects.using(self.db).lost())
        executions = JobExecution.objects.using(self.db).filter(job=OuterRef("pk"))
        telling = executions.filter(lost | ~Q(outcome__in=JobExecution.TELLS_NOTHING))
        last = Subquery(telling.order_by("-started_at").values("outcome")[:1])
        went_wrong = [*JobExecution.WENT_WRONG, JobExecution.RUNNING]  # of these, lost ones only
        jobs: JobQuerySet = self.annotate(last_outcome=last)
        return jobs.filter(last_outcome__in=went_wrong)


class Job(models.Model):
    """A job that a runner has registered, with its schedule as last registered.

    ``schedule`` is the ``repr`` of a clock job's schedule; that of an interval
    job is empty. ``registered_at`` is when a runner first registered the job.
    """

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(_("name"), max_length=255, unique=True)
    interval = models.DurationField(_("interval"), default=dt.timedelta(0))
    variance = models.DurationField(_("variance"), default=dt.timedelta(0))
    timeout = models.DurationField(_("timeout"), null=True, blank=True, default=None)
    schedule = models.CharField(_("schedule"), max_length=255, blank=True, default="")
    description = models.CharField(_("description"), max_length=255, blank=True, default="")
    registered_at = models.DateTimeField(_("registered"), null=True, blank=True, default=None)

    objects = JobQuerySet.as_manager()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")

    def __str__(self) -> str:
        return self.name


class JobRunnerQuerySet(models.QuerySet):  # type: ignore[type-arg]
    """Runners by state.

    ``before`` is the moment before which a heartbeat is too old; by default :func:`lost_before`
    now, by the database's clock.
    """

    def stopped(self) -> JobRunnerQuerySet:
        return self.filter(stopped_at__isnull=False)

    def alive(self, before: Optional[dt.datetime] = None) -> JobRunnerQuerySet:
        limit = before or self._lost_before()
        return self.filter(stopped_at__isnull=True, last_heartbeat_at__gte=limit)

    def lost(self, before: Optional[dt.datetime] = None) -> JobRunnerQuerySet:
        """Runners for which :func:`is_lost` holds."""
        limit = before or self._lost_before()
        return self.filter(stopped_at__isnull=True, last_heartbeat_at__lt=limit)

    def _lost_before(self) -> dt.datetime:
        return lost_before(database_now(self.db))


class JobRunner(models.Model):
    """One process of ``manage.py run_jobs``, or of another ``kind`` that runs jobs.

    ``last_heartbeat_at`` is written and judged by the database's clock.
    A runner that has not stopped and whose last heartbeat is older than
    ``QUICK_JOBS_LOST_AFTER`` is lost; that is derived, never stored.
    """

    SIGNAL = "signal"
    STOP_AFTER = "stop_after"
    REQUESTED = "requested"
    FATAL_ERROR = "fatal_error"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    DONE = "done"
    STOP_REASONS = (
        (SIGNAL, _("stopped by a signal")),
        (STOP_AFTER, _("ran for as long as it was told to")),
        (REQUESTED, _("a job requested it")),
        (FATAL_ERROR, _("a job failed that had requested fatal errors")),
        (TIMED_OUT, _("a job ran over its timeout")),
        (CRASHED, _("an error in the runner itself")),
        (DONE, _("all that it was to run has ended")),
    )

    RUNNER = "runner"
    ONCE = "once"
    COMMAND = "command"
    CELERY = "celery"
    KINDS = (
        (RUNNER, _("runner")),
        (ONCE, "run_jobs --once"),
        (COMMAND, "run_job"),
        (CELERY, _("Celery worker")),
    )

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(_("kind"), max_length=16, choices=KINDS, default=RUNNER)
    key = models.UUIDField(_("key"), unique=True, default=uuid.uuid4, editable=False)
    hostname = models.CharField(_("host"), max_length=255)
    pid = models.PositiveIntegerField(_("process"))
    started_at = models.DateTimeField(_("started"))
    last_heartbeat_at = models.DateTimeField(_("last heartbeat"))
    stopped_at = models.DateTimeField(_("stopped"), null=True, blank=True, default=None)
    stop_reason = models.CharField(
        _("stop reason"), max_length=16, choices=STOP_REASONS, blank=True, default=""
    )
    stop_detail = models.CharField(_("stop detail"), max_length=255, blank=True, default="")
    dropped_executions = models.PositiveIntegerField(
        _("dropped executions"),
        default=0,
        help_text=_("Executions that outgrew the memory set aside while the database was away."),
    )
    jobs = models.ManyToManyField(Job, verbose_name=_("jobs"), related_name="runners", blank=True)

    objects = JobRunnerQuerySet.as_manager()

    class Meta:
        verbose_name = _("runner")
        verbose_name_plural = _("runners")
        indexes = [
            models.Index(
                fields=["stopped_at", "last_heartbeat_at"], name="quick_jobs_runner_state"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.hostname} ({self.pid})"

    def is_alive(self, before: dt.datetime) -> bool:
        return self.stopped_at is None and not self.is_lost(before)

    def is_lost(self, before: dt.datetime) -> bool:
        return is_lost(self.stopped_at, self.last_heartbeat_at, before)


class JobExecutionQuerySet(models.QuerySet):  # type: ignore[type-arg]
    """Executions by what has become of them."""

    def running(self) -> JobExecutionQuerySet:
        """Running in a runner that is alive."""
        return self._running_in(JobRunner.objects.using(self.db).alive())

    def lost(self) -> JobExecutionQuerySet:
        """Running when their runner was last heard of, and nobody knows how they ended."""
        return self._running_in(JobRunner.objects.using(self.db).lost())

    def _running_in(self, runners: JobRunnerQuerySet) -> JobExecutionQuerySet:
        return self.filter(outcome=JobExecution.RUNNING, runner__in=runners)


class JobExecution(models.Model):
    """One execution of a job in a runner.

    ``started_at`` is the wall-clock time of the runner; ``finished_at`` is
    ``started_at`` plus ``duration``, which is measured with a monotonic
    clock. ``number`` counts the executions of a runner: with the runner it
    makes a write that is tried again find the row of its first try.
    """

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    TIMED_OUT = "timed_out"
    ABANDONED = "abandoned"
    OUTCOMES = (
        (RUNNING, _("running")),
        (SUCCEEDED, _("succeeded")),
        (FAILED, _("failed")),
        (INTERRUPTED, _("interrupted")),
        (TIMED_OUT, _("timed out")),
        (ABANDONED, _("abandoned")),
    )

    #: No outcome, but the state of what runs in a lost runner: derived, never stored.
    LOST = "lost"

    #: The states of executions that went wrong: somebody should look into them.
    WENT_WRONG = frozenset([FAILED, TIMED_OUT, LOST])

    #: The outcomes of executions that did not finish, which is no failure of the job.
    UNFINISHED = (INTERRUPTED, ABANDONED)

    #: The states that say neither that a job works nor that it fails.
    TELLS_NOTHING = frozenset([RUNNING, *UNFINISHED])

    #: The outcomes of executions that have ended without success.
    ENDED_WITHOUT_SUCCESS = (FAILED, TIMED_OUT, *UNFINISHED)

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(
        Job,
        verbose_name=_("job"),
        on_delete=models.CASCADE,
        related_name="executions",
        db_index=False,
    )
    runner = models.ForeignKey(
        JobRunner,
        verbose_name=_("runner"),
        on_delete=models.CASCADE,
        related_name="executions",
        db_index=False,
    )
    number = models.BigIntegerField(
        _("number"), null=True, blank=True, default=None, editable=False
    )
    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True, default=None)
    duration = models.DurationField(_("duration"), null=True, blank=True, default=None)
    lateness = models.DurationField(
        _("lateness"),
        null=True,
        blank=True,
        default=None,
        help_text=_("How long after it was due the function was entered."),
    )
    due_at = models.DateTimeField(
        _("due"),
        null=True,
        blank=True,
        default=None,
        help_text=_("When it was due, without the variance."),
    )
    outcome = models.CharField(_("outcome"), max_length=16, choices=OUTCOMES, default=RUNNING)
    error = models.CharField(
        _("error"),
        max_length=255,
        blank=True,
        default="",
        help_text=_("The exception's type and message, on one line."),
    )
    traceback = models.TextField(_("traceback"), blank=True, default="")

    objects = JobExecutionQuerySet.as_manager()

    class Meta:
        verbose_name = _("execution")
        verbose_name_plural = _("executions")
        unique_together = (("runner", "number"),)
        indexes = [
            models.Index(fields=["started_at"], name="quick_jobs_exec_started"),
            models.Index(fields=["job", "started_at"], name="quick_jobs_exec_job"),
            models.Index(fields=["runner", "started_at"], name="quick_jobs_exec_runner"),
            models.Index(fields=["outcome", "started_at"], name="quick_jobs_exec_outcome"),
        ]

    def __str__(self) -> str:
        return f"{self.job} {self.started_at:%Y-%m-%d %H:%M:%S}"

    @staticmethod
    def state_of(outcome: str, is_runner_lost: bool) -> str:
        """Return the state of an execution: its outcome, or lost."""
        is_lost = outcome == JobExecution.RUNNING and is_runner_lost
        return JobExecution.LOST if is_lost else outcome
