"""Executions, and the meaning of their outcomes."""

from __future__ import annotations

from django.db import connections, models
from django.db.models import OuterRef
from django.utils.translation import gettext_lazy as _

from quick_jobs.databases import database_of
from quick_jobs.models.job import Job
from quick_jobs.models.runner import JobRunner, JobRunnerQuerySet


class JobExecutionQuerySet(models.QuerySet):  # type: ignore[type-arg]
    """Executions by state."""

    def running(self) -> JobExecutionQuerySet:
        """Running in a runner that is alive."""
        return self._running_in(JobRunner.objects.using(self.db).alive())

    def lost(self) -> JobExecutionQuerySet:
        """Running at the last heartbeat of a lost runner: how they ended is not known."""
        return self._running_in(JobRunner.objects.using(self.db).lost())

    def went_wrong(self) -> JobExecutionQuerySet:
        """Failed, timed out or lost."""
        lost = models.Q(runner__in=JobRunner.objects.using(self.db).lost())
        # An index serves each of these outcomes. Whether a runner is lost is checked for the few
        # executions that run.
        outcomes = [JobExecution.FAILED, JobExecution.TIMED_OUT, JobExecution.RUNNING]
        return self.filter(~models.Q(outcome=JobExecution.RUNNING) | lost, outcome__in=outcomes)

    def of_each(self, group: str, newest_first: bool = True) -> JobExecutionQuerySet:
        """Those of each row of an outer query, by start; ``group`` is "job" or "runner".

        An index has them in this order.
        """
        sign = "-" if newest_first else ""
        if not database_of(connections[self.db]).drops_constant_order:
            return self.filter(**{group: OuterRef("pk")}).order_by(f"{sign}started_at")
        one = {f"{group}_id__gte": OuterRef("pk"), f"{group}_id__lte": OuterRef("pk")}
        return self.filter(**one).order_by(f"{sign}{group}_id", f"{sign}started_at")

    def _running_in(self, runners: JobRunnerQuerySet) -> JobExecutionQuerySet:
        return self.filter(outcome=JobExecution.RUNNING, runner__in=runners)


class JobExecution(models.Model):
    """One execution of a job in a runner.

    ``started_at`` is the wall-clock time of the runner; ``finished_at`` is
    ``started_at`` plus ``duration``, which is measured with a monotonic
    clock. ``number`` counts the executions of a runner: a write that is repeated
    finds the row of its first try by the runner and this number.
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

    #: The state of a running execution of a lost runner. It is not an outcome, and never stored.
    LOST = "lost"

    #: The states of executions that went wrong: somebody should look into them.
    WENT_WRONG = frozenset([FAILED, TIMED_OUT, LOST])

    #: The outcomes of executions that did not finish, which is not a failure of the job.
    UNFINISHED = (INTERRUPTED, ABANDONED)

    #: The states that show neither that a job works nor that it fails.
    TELLS_NOTHING = frozenset([RUNNING, *UNFINISHED])

    #: The outcomes of executions that have ended without success.
    ENDED_WITHOUT_SUCCESS = (FAILED, TIMED_OUT, *UNFINISHED)

    #: The outcomes for which ``traceback`` is where the job was, not where an exception came from.
    HAS_STACK = (TIMED_OUT, ABANDONED)

    #: The columns that may hold much text, which no list reads.
    LONG_TEXTS = ("traceback", "log", "stack")

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
    fingerprint = models.CharField(
        _("kind of failure"),
        max_length=255,
        blank=True,
        default="",
        help_text=_("Failures that are alike have the same."),
    )
    note = models.CharField(
        _("note"),
        max_length=255,
        blank=True,
        default="",
        help_text=_("What the job has noted of itself."),
    )
    progress_done = models.FloatField(_("done"), null=True, blank=True, default=None)
    progress_total = models.FloatField(_("of"), null=True, blank=True, default=None)
    cpu_time = models.DurationField(_("CPU time"), null=True, blank=True, default=None)
    log = models.TextField(
        _("log"), blank=True, default="", help_text=_("What the job has logged and printed.")
    )
    stack = models.TextField(
        _("stack"),
        blank=True,
        default="",
        help_text=_("Where the job was when it was last looked at; only while it runs."),
    )
    observed_at = models.DateTimeField(
        _("last looked at"), null=True, blank=True, default=None, editable=False
    )

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
