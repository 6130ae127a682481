"""How the site and its jobs are doing, read once for a request."""

from __future__ import annotations

from typing import Any, Collection, Dict, List, Optional

from django.db import router
from django.http import HttpRequest

from quick_jobs.admin.page_clock import page_clock
from quick_jobs.databases.timestamps import as_aware
from quick_jobs.health import Finding, Health, JobHealth, findings_of_site, health_of
from quick_jobs.health.reading import Reading, jobs_of, live_runners, read_site
from quick_jobs.models import JobExecution, JobRunner

#: The choice of all jobs that are stuck, late or failing.
ATTENTION = "attention"

#: Jobs in a filtered list, at most: SQLite before 3.32 takes no more values in a query.
MOST_JOBS = 900


def reading(request: HttpRequest) -> Reading:
    """Return what is known of the runners."""
    found: Optional[Reading] = getattr(request, "_quick_jobs_reading", None)
    if found is None:
        using = router.db_for_read(JobExecution)
        clock = page_clock(request)
        alive = live_runners(using, clock.lost_before)
        found = read_site(using, as_aware(clock.now), alive)
        request._quick_jobs_reading = found  # type: ignore[attr-defined]
    return found


def site_health(request: HttpRequest) -> Health:
    """Return how the site is doing, with all of its jobs."""
    found: Optional[Health] = getattr(request, "_quick_jobs_health", None)
    if found is None:
        of_site = reading(request)
        found = health_of(of_site.site, jobs_of(of_site))
        request._quick_jobs_health = found  # type: ignore[attr-defined]
    return found


def site_findings(request: HttpRequest) -> List[Finding]:
    """Return what is wrong with the runners, without reading the jobs."""
    return findings_of_site(reading(request).site)


def health_of_jobs(request: HttpRequest, pks: Collection[int]) -> Dict[int, JobHealth]:
    """Return how these jobs are doing, by primary key. In a list, all have been read already."""
    health: Optional[Health] = getattr(request, "_quick_jobs_health", None)
    if health is None:
        of_site = reading(request)
        health = health_of(of_site.site, jobs_of(of_site, pks))
    wanted = set(pks)
    return {
        job.facts.pk: job
        for job in health.jobs
        if job.facts.pk is not None and job.facts.pk in wanted
    }


def jobs_in_state(request: HttpRequest, state: str) -> List[int]:
    """Return the primary keys of the jobs in a state, or of those that need attention.

    A job that is late and failing is in both states.
    """
    jobs = [job for job in site_health(request).jobs if job.facts.pk is not None]
    if state == ATTENTION:
        found = [job.facts.pk for job in jobs if job.findings]
    else:
        found = [job.facts.pk for job in jobs if job.state == state or job.is_(state)]
    return [pk for pk in found if pk is not None][:MOST_JOBS]


def jobs_alive(request: HttpRequest) -> Any:
    """Return a query for the primary keys of the jobs that live runners have."""
    runners = [runner.pk for runner in reading(request).alive]
    return JobRunner.jobs.through._default_manager.filter(jobrunner__in=runners).values("job")
