"""Conversions between moments and the values of a model's field."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.utils import timezone


def from_timestamp(seconds: float) -> dt.datetime:
    """Return the POSIX time ``seconds`` as a model's field holds it."""
    return as_stored(dt.datetime.fromtimestamp(seconds, dt.timezone.utc))


def as_aware(moment: dt.datetime) -> dt.datetime:
    """Return the value of a model's field as an aware moment, in UTC."""
    if not timezone.is_naive(moment):
        return moment.astimezone(dt.timezone.utc)
    if not settings.TIME_ZONE:
        return moment.astimezone(dt.timezone.utc)  # the system's zone, as Django has it
    aware = timezone.make_aware(moment, timezone.get_default_timezone())
    return aware.astimezone(dt.timezone.utc)


def as_stored(moment: dt.datetime) -> dt.datetime:
    """Return an aware ``moment`` as a model's field holds it: aware with ``USE_TZ``, else naive."""
    if settings.USE_TZ:
        return moment
    if not settings.TIME_ZONE:
        return moment.astimezone().replace(tzinfo=None)  # the system's zone, as Django has it
    return timezone.make_naive(moment, timezone.get_default_timezone())
