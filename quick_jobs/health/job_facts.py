"""What the database knows of each job, read by the indexes on a job's newest executions."""

from __future__ import annotations

import datetime as dt
from typing import Any, Collection, Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Sequence

from django.db.models import Q, Subquery

from quick_jobs.databases.timestamps import as_aware, from_timestamp
from quick_jobs.health.code import BEGAN_AT, may_be_elsewhere
from quick_jobs.health.facts import JobFacts, Outcome, Running
from quick_jobs.health.jobs import RECENT
from quick_jobs.health.lists import LiveLists
from quick_jobs.health.newest import any_of, newest_of_each
from quick_jobs.models import Job, JobExecution, JobRunner, is_lost
from quick_jobs.next_starts import LastExecution, Plan, plan_of_row
from quick_jobs.registration import registered_as

#: SQLite before 3.32 takes no more values in a query.
MOST_IN_A_QUERY = 900

#: Running executions that are read, the oldest first.
_MOST_RUNNING = 1000

#: Jobs of which more than the last executions are read: those that fail or run for long.
_MOST_LOOKED_INTO = 100

_FIELDS = (
    "pk",
    "job_id",
    "outcome",
    "started_at",
    "due_at",
    "duration",
    "runner__stopped_at",
    "runner__last_heartbeat_at",
    "runner__started_at",
)


class _Row(NamedTuple):
    pk: int
    job: int
    state: str
    started_at: dt.datetime
    due_at: Optional[dt.datetime]
    duration: Optional[dt.timedelta]
    heartbeat_at: dt.datetime
    is_runner_alive: bool
    runner_began_at: dt.datetime

    def as_outcome(self) -> Outcome:
        lost_at = self._ended_at() if self.state == JobExecution.LOST else None
        return Outcome(self.state, self.started_at, self.duration, self.pk, lost_at)

    def as_last(self) -> LastExecution:
        return LastExecution(
            self.started_at, self.due_at, self._ended_at(), self.state in JobExecution.UNFINISHED
        )

    def _ended_at(self) -> Optional[dt.datetime]:
        if self.state == JobExecution.RUNNING:
            return None
        if self.state == JobExecution.LOST:
            return max(self.started_at, self.heartbeat_at)
        return self.started_at + (self.duration or dt.timedelta(0))


def read_jobs(
    using: str,
    now: dt.datetime,
    before: dt.datetime,
    lists: LiveLists,
    known: Optional[FrozenSet[str]],
    only: Optional[Collection[int]] = None,
) -> List[JobFacts]:
    """Return what is known of the jobs on record and of the ``known`` ones, those in the code.

    Runners whose last heartbeat is ``before`` that are lost. ``known`` is None if the code cannot
    be imported. With ``only``, the jobs with these primary keys alone.
    """
    rows_of_jobs = Job.objects.using(using)
    if only is not None:
        rows_of_jobs = rows_of_jobs.filter(pk__in=only)
    last, telling = _newest_and_telling(using, before, rows_of_jobs)
    rows = {row.pk: row for row in _read(using, before, [*last.values(), *telling.values()])}
    last_rows = {job: rows[pk] for job, pk in last.items() if pk in rows}
    telling_rows = {job: rows[pk] for job, pk in telling.items() if pk in rows}
    running = _running(using, before)
    jobs = list(rows_of_jobs.order_by("name"))
    gone = _gone(using, jobs, lists, known, last_rows)
    found = []
    for job in jobs:
        live = lists.by_job.get(job.pk)
        newest, its_telling = last_rows.get(job.pk), telling_rows.get(job.pk)
        registered = registered_as(job.name)
        found.append(
            JobFacts(
                job.name,
                plan_of_row(job.name, job.schedule, job.interval, job.variance),
                registered[-1].timeout if registered else job.timeout,
                job.pk,
                is_registered=known is not None and job.name in known,
                is_gone=job.pk in gone,
                registered_at=None if job.registered_at is None else as_aware(job.registered_at),
                runner_began_at=_began_at(live.newest, newest) if live else None,
                runners=live.number if live else 0,
                last=newest.as_last() if newest else None,
                running=running.get(job.pk, ()),
                telling=its_telling.as_outcome() if its_telling else None,
            )
        )
    if only is None:
        on_record = {job.name for job in jobs}
        found += [_never_seen(name) for name in sorted((known or frozenset()) - on_record)]
    return _with_recent(using, before, now, found)


def _began_at(runner: JobRunner, last: Optional[_Row]) -> dt.datetime:
    began_at = as_aware(runner.started_at)
    if runner.kind != JobRunner.CELERY or last is None:
        return began_at
    return min(began_at, last.started_at)  # workers come and go, beat goes on


def _never_seen(name: str) -> JobFacts:
    registered = registered_as(name)
    plan = Plan.of(registered[-1]) if registered else None
    return JobFacts(name, plan, is_registered=True)


def _newest_and_telling(using: str, before: dt.datetime, rows: Any) -> Any:
    """Return the primary keys of each job's newest execution, and of its newest telling one."""
    executions = JobExecution.objects.using(using).of_each("job")
    lost = Q(outcome=JobExecution.RUNNING, runner__in=JobRunner.objects.using(using).lost(before))
    telling = executions.filter(lost | ~Q(outcome__in=JobExecution.TELLS_NOTHING))
    jobs = rows.order_by().annotate(
        last=Subquery(executions.values("pk")[:1]),
        telling=Subquery(telling.values("pk")[:1]),
    )
    found = list(jobs.values_list("pk", "last", "telling"))
    return (
        {job: last for job, last, _telling in found if last is not None},
        {job: pk for job, _last, pk in found if pk is not None},
    )


def _read(using: str, before: dt.datetime, pks: Iterable[int]) -> List[_Row]:
    wanted = sorted(set(pks))
    found: List[_Row] = []
    for start in range(0, len(wanted), MOST_IN_A_QUERY):
        chosen = wanted[start : start + MOST_IN_A_QUERY]
        found += _rows(JobExecution.objects.using(using).filter(pk__in=chosen), before)
    return found


def _rows(executions: Any, before: dt.datetime) -> List[_Row]:
    found = []
    for pk, job, outcome, started_at, due_at, duration, *runner in executions.values_list(*_FIELDS):
        stopped_at, heartbeat_at, began_at = runner
        is_runner_lost = is_lost(stopped_at, heartbeat_at, before)
        state = JobExecution.state_of(outcome, is_runner_lost)
        found.append(
            _Row(
                pk,
                job,
                state,
                as_aware(started_at),
                None if due_at is None else as_aware(due_at),
                duration,
                as_aware(heartbeat_at),
                stopped_at is None and not is_runner_lost,
                as_aware(began_at),
            )
        )
    return found


def _running(using: str, before: dt.datetime) -> Dict[int, List[Running]]:
    alive = JobRunner.objects.using(using).alive(before)
    executions = JobExecution.objects.using(using).filter(
        outcome=JobExecution.RUNNING, runner__in=alive
    )
    found: Dict[int, List[Running]] = {}
    rows = executions.order_by("started_at").values_list("job", "pk", "started_at")
    for job, pk, started_at in rows[:_MOST_RUNNING]:
        found.setdefault(job, []).append(Running(as_aware(started_at), pk))
    return found


def _gone(
    using: str,
    jobs: Sequence[Job],
    lists: LiveLists,
    known: Optional[FrozenSet[str]],
    last: Dict[int, _Row],
) -> Collection[int]:
    """Return the primary keys of the jobs that are gone from the code.

    No live runner has or runs them, and they are not in the code of this process. That code may be
    older than a runner's, so jobs of runners that began after this process are not gone. Neither
    are jobs outside of apps. None is gone if the code cannot be imported.
    """
    if known is None:
        return ()
    began_at = from_timestamp(BEGAN_AT)
    missing = [
        job.pk
        for job in jobs
        if job.pk not in lists.listed
        and job.name not in known
        and not may_be_elsewhere(job.name)
        and not (job.pk in last and _is_current(last[job.pk], as_aware(began_at)))
    ][:MOST_IN_A_QUERY]
    if not missing:
        return ()
    links: Any = JobRunner.jobs.through._default_manager.using(using)
    listed = links.filter(job__in=missing, jobrunner__started_at__gte=began_at)
    return frozenset(missing).difference(listed.values_list("job", flat=True))


def _is_current(row: _Row, began_at: dt.datetime) -> bool:
    return row.is_runner_alive or row.runner_began_at >= began_at


def _with_recent(
    using: str, before: dt.datetime, now: dt.datetime, jobs: List[JobFacts]
) -> List[JobFacts]:
    """Add the newest executions of those jobs whose state depends on more than the last ones."""
    wanted = [job.pk for job in jobs if job.pk is not None and _is_to_be_looked_into(job, now)]
    if not wanted:
        return jobs
    ranges = newest_of_each("job", wanted[:_MOST_LOOKED_INTO], RECENT, using=using)
    executions = JobExecution.objects.using(using).filter(any_of("job", ranges))
    recent: Dict[int, List[_Row]] = {}
    for row in _rows(executions, before):
        recent.setdefault(row.job, []).append(row)
    for rows in recent.values():
        rows.sort(key=lambda row: (row.started_at, row.pk), reverse=True)
    return [
        job
        if job.pk not in recent
        else job._replace(recent=[row.as_outcome() for row in recent[job.pk][:RECENT]])
        for job in jobs
    ]


def _is_to_be_looked_into(job: JobFacts, now: dt.datetime) -> bool:
    if job.is_gone:
        return False
    if job.telling is not None and job.telling.state in JobExecution.WENT_WRONG:
        return True
    interval = job.plan.interval if job.plan else dt.timedelta(0)
    return any(now - one.started_at > interval for one in job.running)
