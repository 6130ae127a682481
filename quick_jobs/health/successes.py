"""When each job last succeeded. Only for monitoring: a job that fails for long is slow to read."""

from __future__ import annotations

import datetime as dt
from typing import Dict, Iterable, List

from django.db.models import Max

from quick_jobs.databases.timestamps import as_aware
from quick_jobs.health.facts import JobFacts
from quick_jobs.health.newest import any_of, newest_of_each
from quick_jobs.models import JobExecution

#: Executions of a job that are searched for its last success.
MOST_READ = 1000

#: Jobs that are searched, at most.
_MOST_JOBS = 50


def last_successes(using: str, jobs: Iterable[JobFacts]) -> Dict[str, dt.datetime]:
    """Return the start of the last execution that succeeded, by the jobs' names, aware.

    Jobs without one among their newest :data:`MOST_READ` executions are left out.
    """
    found: Dict[str, dt.datetime] = {}
    missing: Dict[int, str] = {}
    for job in jobs:
        newest: List[dt.datetime] = [
            one.started_at
            for one in (job.telling, *job.recent)
            if one is not None and one.state == JobExecution.SUCCEEDED
        ]
        if newest:
            found[job.name] = max(newest)
        elif job.pk is not None and job.telling is not None and not job.is_gone:
            missing[job.pk] = job.name
    if missing:
        ranges = newest_of_each("job", list(missing)[:_MOST_JOBS], MOST_READ, using=using)
        succeeded = JobExecution.objects.using(using).filter(
            any_of("job", ranges), outcome=JobExecution.SUCCEEDED
        )
        last = succeeded.values("job").order_by().annotate(last=Max("started_at"))
        for pk, started_at in last.values_list("job", "last"):
            found[missing[pk]] = as_aware(started_at)
    return found
