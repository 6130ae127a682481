"""Which jobs somebody has: the live runners, and the code of this process."""

from __future__ import annotations

from typing import Any, Collection, Dict, FrozenSet, List, NamedTuple, Optional

from django.db.models import Count, Max, OuterRef, Subquery
from django.http import HttpRequest

from quick_jobs.admin.page_clock import page_clock
from quick_jobs.databases.timestamps import from_timestamp
from quick_jobs.discovery import all_jobs
from quick_jobs.health.code import BEGAN_AT, JobNames, may_be_elsewhere
from quick_jobs.models import Job, JobExecution, JobRunner
from quick_jobs.once_runs import OnceRuns, once_runs

#: Of more live runners than this only the newest are looked at.
MOST_RUNNERS = 500

#: Jobs that are told to be gone: SQLite before 3.32 takes no more values in a query.
MOST_GONE = 900

_WITHOUT_SCHEDULE = (JobRunner.COMMAND, JobRunner.ONCE)


def live_runners(request: HttpRequest) -> List[JobRunner]:
    """Return the runners that are alive, the newest first, asked for once for ``request``.

    A run by hand is none: it does not hide that nobody runs the jobs when they are due.
    """
    runners = getattr(request, "_quick_jobs_live_runners", None)
    if runners is None:
        alive = JobRunner.objects.alive().exclude(kind=JobRunner.COMMAND)
        runners = list(alive.order_by("-pk")[:MOST_RUNNERS])
        request._quick_jobs_live_runners = runners  # type: ignore[attr-defined]
    return runners


def punctual_once_runs(request: HttpRequest) -> Optional[OnceRuns]:
    """Return the runs of ``run_jobs --once``, if they take a live runner's place and come as usual.

    None if a runner is alive.
    """
    runs = _once_runs(request)
    return runs if runs and not runs.are_late(page_clock(request).now) else None


def late_once_runs(request: HttpRequest) -> Optional[OnceRuns]:
    """Return them if the next one should have come; None if a runner is alive."""
    runs = _once_runs(request)
    return runs if runs and runs.are_late(page_clock(request).now) else None


def _once_runs(request: HttpRequest) -> Optional[OnceRuns]:
    if live_runners(request):
        return None
    if not hasattr(request, "_quick_jobs_once_runs"):
        request._quick_jobs_once_runs = once_runs()  # type: ignore[attr-defined]
    runs: Optional[OnceRuns] = request._quick_jobs_once_runs  # type: ignore[attr-defined]
    return runs


class LiveRunners(NamedTuple):
    """The live runners that have a job."""

    number: int
    newest: JobRunner


def live_runners_by_job(runners: List[JobRunner], jobs: Collection[int]) -> Dict[int, LiveRunners]:
    """Return which of ``runners`` keep the schedule of each of the ``jobs`` (primary keys), if any.

    Commands that run a job once have no schedule.
    """
    by_pk = {runner.pk: runner for runner in runners if runner.kind not in _WITHOUT_SCHEDULE}
    links: Any = JobRunner.jobs.through._default_manager.filter(
        jobrunner__in=list(by_pk), job__in=jobs
    )
    counted = links.values("job").annotate(runners=Count("pk"), newest=Max("jobrunner"))
    return {
        job: LiveRunners(count, by_pk[newest])
        for job, count, newest in counted.values_list("job", "runners", "newest")
    }


def jobs_alive(request: HttpRequest) -> Any:
    """Return a query for the primary keys of the jobs that live runners have."""
    runners = [runner.pk for runner in live_runners(request)]
    return JobRunner.jobs.through._default_manager.filter(jobrunner__in=runners).values("job")


_NAMES = JobNames()


def jobs_gone(request: HttpRequest) -> FrozenSet[int]:
    """Return the primary keys of the jobs that are gone from the code, looked up once.

    No live runner has or runs them, and the code of this process does not have them. As that code
    may be older than a runner's, jobs of runners that began after this process are not gone, nor
    are jobs that are elsewhere than in an app. None is gone if the code cannot be imported.
    """
    gone = getattr(request, "_quick_jobs_gone", None)
    if gone is None:
        known = _NAMES.of(all_jobs)
        gone = frozenset() if known is None else _jobs_not_among(known, request)
        request._quick_jobs_gone = gone  # type: ignore[attr-defined]
    return gone


def _jobs_not_among(known: Collection[str], request: HttpRequest) -> FrozenSet[int]:
    jobs = Job.objects.exclude(pk__in=jobs_alive(request)).order_by("name")
    names = jobs.values_list("pk", "name")
    missing = [pk for pk, name in names if name not in known and not may_be_elsewhere(name)]
    if not missing:
        return frozenset()
    return frozenset(missing[:MOST_GONE]) - _jobs_of_current_runners(missing[:MOST_GONE], request)


def _jobs_of_current_runners(pks: Collection[int], request: HttpRequest) -> FrozenSet[int]:
    """Return which of these jobs were run last by a runner that is alive, or newer than our code.

    Those that only stand in the list of a newer runner count too.
    """
    newest = JobExecution.objects.filter(job=OuterRef("pk")).order_by("-started_at")
    jobs = Job.objects.filter(pk__in=pks).annotate(last=Subquery(newest.values("runner")[:1]))
    last_runners = dict(jobs.order_by().values_list("pk", "last"))
    began_at = from_timestamp(BEGAN_AT)
    runners = JobRunner.objects.filter(
        started_at__gte=began_at, pk__in=set(last_runners.values()) - {None}
    )
    current = {*runners.values_list("pk", flat=True), *(one.pk for one in live_runners(request))}
    listed: Any = JobRunner.jobs.through._default_manager.filter(
        job__in=pks, jobrunner__started_at__gte=began_at
    )
    return frozenset(pk for pk, last in last_runners.items() if last in current).union(
        listed.values_list("job", flat=True)
    )
