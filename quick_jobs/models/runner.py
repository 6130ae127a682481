"""Runners: alive, stopped or lost."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Optional

from django.db import models
from django.utils.translation import gettext_lazy as _

from quick_jobs.databases import database_now
from quick_jobs.heartbeats import is_lost, lost_before
from quick_jobs.models.job import Job


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
        """Runners that are lost by :func:`is_lost`."""
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

    #: The reasons of runners that ended with an error, and exit status 1.
    ENDED_WITH_ERROR = frozenset([FATAL_ERROR, TIMED_OUT, CRASHED])

    RUNNER = "runner"
    ONCE = "once"
    COMMAND = "command"
    CELERY = "celery"
    #: The kinds without a schedule: they run their jobs once, and end.
    WITHOUT_SCHEDULE = (COMMAND, ONCE)
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
    release = models.CharField(
        _("release"),
        max_length=100,
        blank=True,
        default="",
        help_text=_("The version of the site's code."),
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
