"""The timeline's queries. Their number does not depend on the data."""

from __future__ import annotations

import datetime as dt
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from django.db.models import OuterRef, Q, Subquery

from quick_jobs.admin.execution_view import ExecutionView, read_executions
from quick_jobs.admin.page_clock import PageClock
from quick_jobs.admin.recent.queries import Newest, any_of, newest_of_each
from quick_jobs.admin.timeline.bars import Bar, Window, bars_of, bars_of_many
from quick_jobs.admin.timeline.buckets import buckets_in_use
from quick_jobs.models import Job, JobExecution, JobRunner

#: Jobs on a page.
LANES = 20

#: Executions of a job that are read; if the window has more, only the buckets are read.
MOST_READ = 500

#: Executions that went wrong that are read for the jobs with too many executions.
MOST_BAD = 1000

#: Runners that are read.
MOST_RUNNERS = 3000


class Lane(NamedTuple):
    """A job with its bars; ``bad_since`` is set if failures before it are not shown."""

    job: Job
    bars: List[Bar]
    bad_since: Optional[dt.datetime]


def jobs_seen_in(window: Window, words: Sequence[str], skip: int) -> List[Job]:
    """Return a page of the jobs that ran in ``window``, from number ``skip`` on, plus one more."""
    # With EXISTS over the window, MariaDB would begin with the job's first execution.
    until = JobExecution.objects.filter(job=OuterRef("pk"), started_at__lte=window.end)
    newest = Subquery(until.order_by("-started_at").values("started_at")[:1])
    running = JobExecution.objects.filter(outcome=JobExecution.RUNNING, started_at__lt=window.start)
    jobs = Job.objects.annotate(newest=newest)
    jobs = jobs.filter(Q(newest__gte=window.start) | Q(pk__in=running.values("job")))
    for word in words:
        jobs = jobs.filter(name__icontains=word)
    return list(jobs.order_by("name")[skip : skip + LANES + 1])


def lanes(jobs: Sequence[Job], window: Window, clock: PageClock) -> List[Lane]:
    """Return the lanes of ``jobs``."""
    pks = [job.pk for job in jobs]
    newest = newest_of_each("job", pks, MOST_READ, until=window.end)
    dense = [
        pk
        for pk, time_range in newest.items()
        if time_range.is_full and time_range.start > window.start
    ]
    executions = _executions([pk for pk in pks if pk not in dense], window, clock)
    bad = _bad(window, clock) if dense else []
    bad_since = max((one[-1].started_at for one in bad if len(one) == MOST_BAD), default=None)
    bad_by_job = _by_job(execution for one in bad for execution in one)
    buckets = buckets_in_use(dense, window) if dense else {}
    return [
        Lane(job, bars_of_many(buckets[job.pk], bad_by_job.get(job.pk, []), window), bad_since)
        if job.pk in buckets
        else Lane(job, bars_of(executions.get(job.pk, []), window), None)
        for job in jobs
    ]


def _executions(
    pks: Sequence[int], window: Window, clock: PageClock
) -> Dict[int, List[ExecutionView]]:
    """Return these jobs' executions, with the last one before the window: it may reach in."""
    before = JobExecution.objects.filter(job=OuterRef("pk"), started_at__lt=window.start)
    last = Subquery(before.order_by("-started_at").values("started_at")[:1])
    starts = dict(
        Job.objects.filter(pk__in=pks).annotate(last=last).order_by().values_list("pk", "last")
    )
    ranges = {pk: Newest(start or window.start, window.end, True) for pk, start in starts.items()}
    found = JobExecution.objects.filter(any_of("job", ranges))
    return _by_job(
        execution
        for execution in read_executions(found, clock)
        if execution.started_at + (execution.duration or dt.timedelta(0)) >= window.start
    )


def _by_job(executions: Any) -> Dict[int, List[ExecutionView]]:
    found: Dict[int, List[ExecutionView]] = {}
    for execution in executions:
        found.setdefault(execution.job_id, []).append(execution)
    return found


def _bad(window: Window, clock: PageClock) -> List[List[ExecutionView]]:
    """Return the newest executions that did not succeed, or not yet, in a list for each outcome.

    An index serves each outcome. Lost executions are among the running ones.
    """
    inside = JobExecution.objects.filter(
        started_at__gte=window.start, started_at__lte=window.end
    ).order_by("-started_at")
    return [
        read_executions(inside.filter(outcome=outcome), clock, MOST_BAD)
        for outcome in (*JobExecution.ENDED_WITHOUT_SUCCESS, JobExecution.RUNNING)
    ]


def runners_in(window: Window) -> List[JobRunner]:
    """Return the newest of the runners that were alive in ``window``."""
    lived = Q(stopped_at__gte=window.start)
    lived |= Q(stopped_at__isnull=True, last_heartbeat_at__gte=window.start)
    runners = JobRunner.objects.filter(lived, started_at__lte=window.end)
    return list(runners.order_by("-pk")[:MOST_RUNNERS])


def first_start_of_runners() -> List[dt.datetime]:
    """Return when the first runner on record began, if there is one."""
    return list(JobRunner.objects.order_by("pk").values_list("started_at", flat=True)[:1])
