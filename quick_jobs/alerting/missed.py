"""The starts that were missed while no runner had the jobs."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Iterable, List, NamedTuple, Optional

from django.db.models import Subquery

from quick_jobs.databases.timestamps import as_aware, as_stored
from quick_jobs.models import JobExecution, JobRunner
from quick_jobs.next_starts import WAITING, LastExecution, NextStart, Plan, plan_of_row, upcoming
from quick_jobs.next_starts import next_due as next_due_of

# Jobs that are considered, and starts that are counted for each.
_JOBS = 500
_STARTS = 1000

_LAST = ("started_at", "due_at", "finished_at", "outcome")


class Missed(NamedTuple):
    """A job's missed starts: the first one, and how many, at most 1000."""

    job: str
    first: dt.datetime
    times: int


def missed_starts(
    plan: Plan,
    last: Optional[LastExecution],
    began_at: dt.datetime,
    registered_at: Optional[dt.datetime],
    since: dt.datetime,
    until: dt.datetime,
) -> List[dt.datetime]:
    """Return the starts that a runner missed from ``since`` to ``until``, 1000 at most. Pure.

    It began at ``began_at``; its last heartbeat was at ``since``.
    """
    following = next_due_of(plan, last, began_at, registered_at, since)
    if following is None or following.due_at >= until:
        return []
    overdue: List[dt.datetime] = []
    due_at = following.due_at
    if due_at <= since:
        overdue = [due_at if plan.schedule else since]
        due_at = due_at if plan.schedule else since + plan.interval
    later = upcoming(plan, NextStart(due_at, WAITING), since)
    starts = itertools.takewhile(lambda moment: moment < until, later)
    return [*overdue, *itertools.islice(starts, _STARTS - len(overdue))]


def missed_of(runner: JobRunner, until: dt.datetime) -> List[Missed]:
    """Return the missed starts of a vanished runner's jobs, the earliest first."""
    using = runner._state.db
    before = JobExecution.objects.using(using).filter(started_at__lt=as_stored(until))
    last = before.of_each("job")
    jobs = runner.jobs.using(using).annotate(
        **{f"last_{field}": Subquery(last.values(field)[:1]) for field in _LAST}
    )
    since = as_aware(runner.last_heartbeat_at)
    found: List[Missed] = []
    for job in jobs.order_by("name")[:_JOBS]:
        plan = plan_of_row(job.name, job.schedule, job.interval, job.variance)
        if plan is None:
            continue
        starts = missed_starts(
            plan,
            _last_execution(*(getattr(job, f"last_{field}") for field in _LAST)),
            as_aware(runner.started_at),
            None if job.registered_at is None else as_aware(job.registered_at),
            since,
            until,
        )
        if starts:
            found.append(Missed(job.name, starts[0], len(starts)))
    return sorted(found, key=lambda missed: missed.first)


def _last_execution(
    started_at: Optional[dt.datetime],
    due_at: Optional[dt.datetime],
    finished_at: Optional[dt.datetime],
    outcome: Optional[str],
) -> Optional[LastExecution]:
    if started_at is None:
        return None
    moments: Iterable[Optional[dt.datetime]] = (due_at, finished_at)
    aware_due_at, aware_finished_at = (
        None if moment is None else as_aware(moment) for moment in moments
    )
    return LastExecution(
        as_aware(started_at), aware_due_at, aware_finished_at, outcome in JobExecution.UNFINISHED
    )
