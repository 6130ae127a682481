"""What is known of several runners at once, each in one query."""

from __future__ import annotations

from typing import Any, Dict, List

from django.db.models import Count, OuterRef, Subquery

from quick_jobs.models import JobExecution, JobRunner

#: Running executions that are read for a page.
_MOST_RUNNING = 1000


def executions_started(pks: List[int]) -> Dict[int, int]:
    """Return how many executions these runners have started, as far as they count them."""
    # An index has the greatest number of each; a GROUP BY would look for it among all rows.
    last = JobExecution.objects.filter(runner=OuterRef("pk")).exclude(number=None)
    numbers = Subquery(last.order_by("-number").values("number")[:1])
    runners = JobRunner.objects.filter(pk__in=pks).annotate(last_number=numbers)
    return {
        pk: number
        for pk, number in runners.order_by().values_list("pk", "last_number")
        if number is not None
    }


def running_executions(pks: List[int]) -> Dict[int, List[Any]]:
    """Return what these runners, which are alive, run now: primary key, job, start."""
    found: Dict[int, List[Any]] = {}
    executions = JobExecution.objects.filter(outcome=JobExecution.RUNNING, runner__in=pks)
    rows = executions.order_by("-started_at").values_list("runner", "pk", "job__name", "started_at")
    for runner, *execution in rows[:_MOST_RUNNING]:
        found.setdefault(runner, []).append(execution)
    return found


def numbers_of_jobs(pks: List[int]) -> Dict[int, int]:
    links: Any = JobRunner.jobs.through._default_manager.filter(jobrunner__in=pks)
    counted = links.values("jobrunner").annotate(jobs=Count("pk"))
    return dict(counted.values_list("jobrunner", "jobs"))
