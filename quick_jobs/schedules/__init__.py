"""Schedules: ``at``, ``cron``, and the protocol for a site's own class."""

from quick_jobs.schedules.base import (
    Schedule,
    ScheduleError,
    describe,
    is_schedule,
    next_start,
    schedule_repr,
)
from quick_jobs.schedules.cron_expressions import Cron, cron
from quick_jobs.schedules.stored import parse_schedule
from quick_jobs.schedules.times_of_day import At, at

__all__ = [
    "At",
    "Cron",
    "Schedule",
    "ScheduleError",
    "at",
    "cron",
    "describe",
    "is_schedule",
    "next_start",
    "parse_schedule",
    "schedule_repr",
]
