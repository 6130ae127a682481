"""Jobs, with their schedules as last registered."""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.db.models import OuterRef, Q, Subquery
from django.utils.translation import gettext_lazy as _


class JobQuerySet(models.QuerySet):  # type: ignore[type-arg]
    """Jobs by how they are doing."""

    def failing(self) -> JobQuerySet:
        """Jobs whose last execution that has ended or is lost went wrong.

        Interrupted and abandoned ones are passed over: they say nothing of the job.
        """
        from quick_jobs.models import JobExecution, JobRunner  # which refer to jobs

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
