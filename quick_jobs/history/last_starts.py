"""The last recorded start of each job, for jobs that resume."""

from __future__ import annotations

from typing import Collection, Dict, Mapping

from django.db.models import Subquery

from quick_jobs.databases.timestamps import as_aware
from quick_jobs.history.job_rows import ROWS_PER_QUERY
from quick_jobs.history.messages import LastStart
from quick_jobs.models import Job, JobExecution


def last_starts(
    using: str,
    runner_id: int,
    job_ids: Mapping[str, int],
    from_registration: Collection[str] = (),
) -> Dict[str, LastStart]:
    """Return the last starts of these jobs by name, with one query; some may have none.

    ``job_ids`` are jobs of this runner, by name. For those in ``from_registration``, the moment of
    registration replaces a missing start.
    """
    last = JobExecution.objects.using(using).of_each("job")
    jobs = Job.objects.using(using)
    if len(job_ids) <= ROWS_PER_QUERY:
        jobs = jobs.filter(pk__in=list(job_ids.values()))
    else:
        jobs = jobs.filter(runners=runner_id)  # including those that do not resume
    found: Dict[int, LastStart] = {}
    registered: Dict[int, LastStart] = {}
    for pk, registered_at, started_at, due_at, outcome in jobs.annotate(
        last_started_at=Subquery(last.values("started_at")[:1]),
        last_due_at=Subquery(last.values("due_at")[:1]),
        last_outcome=Subquery(last.values("outcome")[:1]),
    ).values_list("pk", "registered_at", "last_started_at", "last_due_at", "last_outcome"):
        if started_at is not None:
            found[pk] = LastStart(
                as_aware(started_at).timestamp(),
                None if due_at is None else as_aware(due_at).timestamp(),
                outcome in JobExecution.UNFINISHED,
            )
        elif registered_at is not None:
            registered[pk] = LastStart(as_aware(registered_at).timestamp(), None, False)
    starts = {name: found[pk] for name, pk in job_ids.items() if pk in found}
    for name in from_registration:
        if name not in starts and job_ids[name] in registered:
            starts[name] = registered[job_ids[name]]
    return starts
