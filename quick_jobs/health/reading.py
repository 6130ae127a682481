"""How a site is doing, read from its database: a few queries, however long the history is."""

from __future__ import annotations

import datetime as dt
from typing import Collection, FrozenSet, List, NamedTuple, Optional, Sequence

from django.db import router

from quick_jobs.databases import database_now
from quick_jobs.databases.timestamps import as_aware, as_stored
from quick_jobs.discovery import all_jobs
from quick_jobs.health.code import JobNames
from quick_jobs.health.facts import JobFacts, OnceFacts, RunnerFacts, SiteFacts
from quick_jobs.health.job_facts import read_jobs
from quick_jobs.health.lists import LiveLists
from quick_jobs.health.sites import WITHIN, Health, health_of
from quick_jobs.heartbeats import lost_before
from quick_jobs.models import Job, JobExecution, JobRunner
from quick_jobs.once_runs import once_runs

#: Live runners that are read; if there are more, the newest.
MOST_RUNNERS = 500

#: Runners that ended with an error recently and are read; if there are more, the newest.
_MOST_ENDED = 100

_NAMES = JobNames()


class Reading(NamedTuple):
    """The runners as they were read; ``alive`` are rows, ``now`` is by the database's clock."""

    using: str
    now: dt.datetime
    lost_before: dt.datetime
    alive: Sequence[JobRunner]
    lists: LiveLists
    site: SiteFacts


def read_health(names: Optional[Collection[str]] = None) -> Health:
    """Return how the site is doing; with ``names``, only with these jobs.

    Jobs in the code that no runner ever had are included. Raises the database's exceptions.
    """
    using = router.db_for_read(JobExecution)
    now = database_now(using)
    alive = live_runners(using, lost_before(now))
    reading = read_site(using, now, alive)
    jobs = jobs_of(reading)
    if names is not None:
        jobs = [job for job in jobs if job.name in names]
    return health_of(reading.site, jobs)


def live_runners(using: str, before: dt.datetime) -> List[JobRunner]:
    """Return the runners that are alive, the newest first.

    Runs by hand are not included: they must not hide that no runner starts jobs when they are due.
    """
    alive = JobRunner.objects.using(using).alive(before).exclude(kind=JobRunner.COMMAND)
    return list(alive.order_by("-pk")[:MOST_RUNNERS])


def read_site(using: str, now: dt.datetime, alive: Sequence[JobRunner]) -> Reading:
    """Return what is known of the runners at ``now``, an aware datetime; ``alive`` are rows."""
    before = lost_before(now)
    lists = LiveLists.read(using, alive)
    others = JobRunner.objects.using(using).exclude(kind=JobRunner.COMMAND)
    is_scheduled = any(runner.kind not in JobRunner.WITHOUT_SCHEDULE for runner in alive)
    runs = None if is_scheduled else once_runs()
    once = None
    if runs is not None:
        once = OnceFacts(_facts_of(runs.last), runs.patience, runs.are_late(as_stored(now)))
    last = None if alive else others.order_by("-pk").first()
    ended = others.filter(
        kind=JobRunner.RUNNER,
        stopped_at__gte=as_stored(now - WITHIN),
        stop_reason__in=JobRunner.ENDED_WITH_ERROR,
    )
    site = SiteFacts(
        now,
        now - as_aware(before),
        alive=[_facts_of(runner) for runner in alive],
        last=None if last is None else _facts_of(last),
        once=once,
        ended_with_error=[_facts_of(one) for one in ended.order_by("-stopped_at")[:_MOST_ENDED]],
        shared_jobs=lists.shared_jobs,
        sharing=lists.sharing,
        has_jobs=bool(alive) or last is not None or _has_jobs(using),
    )
    return Reading(using, now, before, alive, lists, site)


def jobs_of(reading: Reading, only: Optional[Collection[int]] = None) -> List[JobFacts]:
    """Return what is known of each job on record and in the code.

    With ``only``, read just the jobs with these primary keys.
    """
    using, now, before, _alive, lists, _site = reading
    return read_jobs(using, now, before, lists, known_jobs(), only)


def known_jobs() -> Optional[FrozenSet[str]]:
    """Return the names of the jobs in the code, None if it cannot be imported; read once."""
    return _NAMES.of(all_jobs)


def _has_jobs(using: str) -> bool:
    """Return whether there are jobs to run: a site without any needs no runner."""
    names = known_jobs()
    return names is None or bool(names) or Job.objects.using(using).exists()


def _facts_of(runner: JobRunner) -> RunnerFacts:
    return RunnerFacts(
        runner.kind,
        str(runner),
        as_aware(runner.started_at),
        as_aware(runner.last_heartbeat_at),
        None if runner.stopped_at is None else as_aware(runner.stopped_at),
        runner.stop_reason,
        runner.stop_detail,
        runner.pk,
    )
