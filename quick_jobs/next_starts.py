"""The next start of a job: computed from its schedule and its last execution. Pure.

All moments are aware datetimes. Starts do not include the variance.
"""

from __future__ import annotations

import datetime as dt
from typing import Iterator, NamedTuple, Optional

from django.conf import settings
from django.utils import timezone

from quick_jobs.registration import RegisteredJob, registered_as
from quick_jobs.schedules import At, Cron, Schedule, ScheduleError, next_start, parse_schedule
from quick_jobs.schedules.zones import LocalTime, Zone, zone_if_not_the_sites

#: The states of a next start.
WAITING = "waiting"  # it comes later
DUE = "due"  # its time has come; with a variance it may take a while yet
AFTER = "after"  # its time has come, and it waits for the end of the execution that runs
OVERDUE = "overdue"  # its time has come, and no live runner has the job

_AT_ONCE = dt.timedelta(0)


class Plan(NamedTuple):
    """When a job starts: by its ``schedule``, or by its ``interval`` if that is None."""

    schedule: Optional[Schedule]
    interval: dt.timedelta
    variance: dt.timedelta
    resume: bool

    @classmethod
    def of(cls, job: RegisteredJob) -> Plan:
        return cls(job.schedule, job.interval, job.variance, job.resume)


class LocalStart(NamedTuple):
    """A start in local time; ``zone`` is empty if it is the same as for all other times."""

    moment: dt.datetime
    local: dt.datetime
    zone: str
    utc_offset: dt.timedelta

    def __str__(self) -> str:
        """Return it like "2026-11-27 08:00:00 Europe/Berlin"."""
        return f"{self.local.isoformat(' ', 'seconds')} {self.zone}".strip()


class LastExecution(NamedTuple):
    """The newest execution of a job; ``ended_at`` is None while it runs."""

    started_at: dt.datetime
    due_at: Optional[dt.datetime]
    ended_at: Optional[dt.datetime]
    is_unfinished: bool  # it was interrupted or abandoned

    def done_until(self, now: dt.datetime) -> dt.datetime:
        """Return the moment up to which all times of a schedule are done."""
        return max(self.started_at, self.due_at or self.started_at, self.ended_at or now)


class NextStart(NamedTuple):
    """The next start of a job, and its state."""

    due_at: dt.datetime
    state: str


def plan_of_row(
    name: str, stored: str, interval: dt.timedelta, variance: dt.timedelta
) -> Optional[Plan]:
    """Return the plan of the job ``name`` as it is registered here, or else from its row.

    ``stored`` is the ``repr`` of a schedule. A job that is not registered here is
    treated as one that does not resume. None if its schedule is not known.
    """
    registered = registered_as(name)
    if registered:
        return Plan.of(registered[-1])
    schedule = parse_schedule(stored)
    if stored and schedule is None:
        return None
    return Plan(schedule, interval, variance, resume=False)


def next_due(
    plan: Plan,
    last: Optional[LastExecution],
    runner_began_at: Optional[dt.datetime],
    registered_at: Optional[dt.datetime],
    now: dt.datetime,
) -> Optional[NextStart]:
    """Return when a job is due next, None if that cannot be known.

    ``runner_began_at`` is when the live runner with the job began, None without
    one. Then the job is overdue from its first missed start on, counted from its
    last execution, or else from ``registered_at``.
    """
    due_at: Optional[dt.datetime]
    try:
        if runner_began_at is not None:
            due_at = _due_in_runner(plan, last, runner_began_at, now)
        else:
            due_at = _due_without_runner(plan, last, registered_at, now)
    except (ScheduleError, OverflowError):  # there is none before the end of the calendar
        return None
    if due_at is None:
        return None
    if due_at > now:
        state = WAITING
    elif runner_began_at is None:
        state = OVERDUE
    else:
        state = AFTER if last is not None and last.ended_at is None else DUE
    return NextStart(due_at, state)


def _due_in_runner(
    plan: Plan, last: Optional[LastExecution], began_at: dt.datetime, now: dt.datetime
) -> dt.datetime:
    if last is None or (last.started_at < began_at and not plan.resume):
        # Nothing is made up for, but a run by hand may be the last one.
        since = began_at if last is None else max(began_at, last.done_until(began_at))
        return began_at if plan.schedule is None else next_start(plan.schedule, since)
    if last.started_at < began_at and last.is_unfinished:
        return began_at
    if last.started_at < began_at:
        return max(began_at, _following(plan, last, began_at))
    return _following(plan, last, now)


def _due_without_runner(
    plan: Plan,
    last: Optional[LastExecution],
    registered_at: Optional[dt.datetime],
    now: dt.datetime,
) -> Optional[dt.datetime]:
    if last is not None:
        return _following(plan, last, now)
    if plan.schedule is not None:
        return next_start(plan.schedule, registered_at or now)
    return registered_at


def _following(plan: Plan, last: LastExecution, now: dt.datetime) -> dt.datetime:
    if plan.schedule is not None:
        return next_start(plan.schedule, last.done_until(now))
    return max(last.started_at + plan.interval, last.ended_at or last.started_at)


def upcoming(
    plan: Plan, following: NextStart, now: dt.datetime, least: dt.timedelta = _AT_ONCE
) -> Iterator[dt.datetime]:
    """Yield the starts later than ``now``, from the ``following`` one on, without end.

    Starts less than ``least`` after another one are left out. There are none for
    an overdue interval job, and one for a job with interval 0.
    """
    try:
        if plan.schedule is not None:
            moment = following.due_at
            if moment <= now:
                moment = next_start(plan.schedule, now)
            while True:
                yield moment
                moment = next_start(plan.schedule, moment + least)
        if following.state == OVERDUE:
            return
        step = plan.interval
        if _AT_ONCE < step < least:
            step *= -(-least // step)
        moment = following.due_at if following.state == WAITING else now + plan.interval
        while moment > now:
            yield moment
            if not step:
                return
            moment += step
    except (ScheduleError, OverflowError):  # the calendar ends, or a site's own schedule fails
        return


def local_start(plan: Plan, moment: dt.datetime) -> LocalStart:
    """Return the start in the zone of the schedule, or in the active one if that is the site's."""
    zone: Zone = plan.schedule.timezone if isinstance(plan.schedule, (At, Cron)) else None
    name = zone_if_not_the_sites(zone)
    if not name:
        zone = timezone.get_current_timezone() if settings.USE_TZ else None
    local = LocalTime(zone).at(moment)
    as_if_local = moment.astimezone(dt.timezone.utc).replace(tzinfo=None)
    return LocalStart(moment, local, name, local - as_if_local)
