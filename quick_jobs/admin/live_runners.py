"""Which jobs somebody has: the live runners, and the code of this process."""

from __future__ import annotations

from typing import Any, Collection, Dict, FrozenSet, List, Optional

from django.db.models import Count
from django.http import HttpRequest

from quick_jobs.discovery import JobsError, all_jobs
from quick_jobs.models import JobRunner

#: Of more live runners than this only the newest are looked at.
MOST_RUNNERS = 500


def live_runners(request: HttpRequest) -> List[JobRunner]:
    """Return the runners that are alive, the newest first, asked for once for ``request``."""
    runners = getattr(request, "_quick_jobs_live_runners", None)
    if runners is None:
        runners = list(JobRunner.objects.alive().order_by("-pk")[:MOST_RUNNERS])
        request._quick_jobs_live_runners = runners  # type: ignore[attr-defined]
    return runners


def live_runners_by_job(runners: List[JobRunner], jobs: Collection[int]) -> Dict[int, int]:
    """Return how many of ``runners`` have each of the ``jobs`` (primary keys), if any has."""
    links: Any = JobRunner.jobs.through._default_manager.filter(
        jobrunner__in=[runner.pk for runner in runners], job__in=jobs
    )
    return dict(links.values("job").annotate(runners=Count("pk")).values_list("job", "runners"))


def names_in_code() -> Optional[FrozenSet[str]]:
    """Return the names of the jobs of all installed apps; None if they cannot be imported."""
    try:
        return frozenset(job.name for job in all_jobs())
    except JobsError:
        return None
