"""Jobs, with their schedules as last registered."""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.utils.translation import gettext_lazy as _


class Job(models.Model):
    """A job that a runner has registered, with its schedule as last registered.

    ``schedule`` is the ``repr`` of a clock job's schedule; that of an interval
    job is empty. ``registered_at`` is when a runner first registered the job,
    ``alerted_at`` when its last failure ended that an alert was sent about.
    """

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(_("name"), max_length=255, unique=True)
    interval = models.DurationField(_("interval"), default=dt.timedelta(0))
    variance = models.DurationField(_("variance"), default=dt.timedelta(0))
    timeout = models.DurationField(_("timeout"), null=True, blank=True, default=None)
    schedule = models.CharField(_("schedule"), max_length=255, blank=True, default="")
    description = models.CharField(_("description"), max_length=255, blank=True, default="")
    registered_at = models.DateTimeField(_("registered"), null=True, blank=True, default=None)

    alerted_at = models.DateTimeField(
        _("last alert"), null=True, blank=True, default=None, editable=False
    )

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")

    def __str__(self) -> str:
        return self.name
