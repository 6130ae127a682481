"""Which jobs the live runners have in their lists."""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, NamedTuple, Sequence

from django.db.models import Count, Max

from quick_jobs.models import JobRunner

#: Live runners whose jobs are compared.
MOST_COMPARED = 20


class LiveRunners(NamedTuple):
    """How many live runners keep the schedule of a job, and the newest of them."""

    number: int
    newest: JobRunner


class LiveLists(NamedTuple):
    """Which live runners keep the schedules of which jobs, by the primary keys of the jobs.

    ``listed`` are the jobs of any live runner, including runs on a timer. ``shared_jobs`` counts
    those that several runners of kind ``runner`` have, ``sharing`` the most runners with one job.
    """

    by_job: Dict[int, LiveRunners]
    listed: FrozenSet[int]
    shared_jobs: int
    sharing: int

    @classmethod
    def read(cls, using: str, alive: Sequence[JobRunner]) -> LiveLists:
        """Read the lists of the runners that are ``alive``, given newest first."""
        runners = {runner.pk: runner for runner in alive}
        scheduled = [one.pk for one in alive if one.kind not in JobRunner.WITHOUT_SCHEDULE]
        by_job = {
            job: LiveRunners(count, runners[newest])
            for job, count, newest in _counts(using, scheduled)
        }
        listed = frozenset(by_job)
        on_timer = [pk for pk in runners if pk not in scheduled]
        if on_timer:
            listed = listed.union(job for job, _count, _newest in _counts(using, on_timer))
        of_kind_runner = [one.pk for one in alive if one.kind == JobRunner.RUNNER]
        shared = []
        if len(of_kind_runner) > 1:
            compared = of_kind_runner[:MOST_COMPARED]
            shared = [count for _job, count, _newest in _counts(using, compared) if count > 1]
        return cls(by_job, listed, len(shared), max(shared, default=0))


def _counts(using: str, runners: Sequence[int]) -> Any:
    """Return the jobs in the lists of these runners, with their number and the newest of them."""
    if not runners:
        return []
    links: Any = JobRunner.jobs.through._default_manager.using(using)
    counted = links.filter(jobrunner__in=runners).values("job").order_by()
    counted = counted.annotate(runners=Count("pk"), newest=Max("jobrunner"))
    return list(counted.values_list("job", "runners", "newest"))
