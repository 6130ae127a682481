"""What the admin shows of a row besides its fields, read for a whole page at once."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Sequence

from django.db.models import Count, OuterRef, Subquery
from django.http import HttpRequest

from quick_jobs.admin.badges import runner_state
from quick_jobs.admin.following import Following, following_of
from quick_jobs.admin.links import Links
from quick_jobs.admin.page_clock import PageClock, page_clock
from quick_jobs.admin.recent.queries import recent_executions
from quick_jobs.admin.recent.statistics import RecentExecutions
from quick_jobs.admin.site_health import health_of_jobs, reading
from quick_jobs.health import JobHealth
from quick_jobs.models import Job, JobExecution, JobRunner

#: Executions of each job, and of each runner, that are summarized.
RECENT_OF_JOB = 50
RECENT_OF_RUNNER = 100

#: Running executions that are read for a page.
_MOST_RUNNING = 1000


class JobFacts(NamedTuple):
    """A job that ``is_gone`` from the code has no next start."""

    links: Links
    now: dt.datetime
    recent: RecentExecutions
    live_runners: int
    health: JobHealth
    following: Optional[Following]
    is_on_timer: bool = False

    @property
    def is_gone(self) -> bool:
        return self.health.facts.is_gone


class RunningExecution(NamedTuple):
    pk: int
    job_name: str
    started_at: dt.datetime


class RunnerFacts(NamedTuple):
    """``started_executions`` is None for a runner that has not numbered them.

    ``end`` is the last moment at which it is known to have been alive.
    """

    links: Links
    now: dt.datetime
    state: str
    end: dt.datetime
    recent: RecentExecutions
    started_executions: Optional[int]
    running: Sequence[RunningExecution]
    number_of_jobs: int


class ExecutionFacts(NamedTuple):
    """``state`` is the outcome, or "lost"; a lost one is known to have run until ``seen_until``."""

    links: Links
    now: dt.datetime
    state: str
    seen_until: Optional[dt.datetime]


if TYPE_CHECKING:  # the rows that the columns get

    class JobRow(Job):
        facts: JobFacts

    class RunnerRow(JobRunner):
        facts: RunnerFacts

    class ExecutionRow(JobExecution):
        facts: ExecutionFacts


def facts_of_jobs(request: HttpRequest, links: Links, jobs: List[Job]) -> Dict[int, JobFacts]:
    """Return the facts by primary key."""
    clock = page_clock(request)
    may_see = links.permits(JobExecution)
    recent = recent_executions("job", jobs, RECENT_OF_JOB, clock) if may_see else {}
    health = health_of_jobs(request, [job.pk for job in jobs])
    of_site = reading(request)
    found = {}
    for job in jobs:
        runners = of_site.lists.by_job.get(job.pk)
        executions = recent.get(job.pk, RecentExecutions(()))
        runner = runners.newest if runners else None
        found[job.pk] = JobFacts(
            links,
            clock.now,
            recent=executions,
            live_runners=runners.number if runners else 0,
            health=health[job.pk],
            following=None
            if health[job.pk].facts.is_gone
            else following_of(job, executions, runner, of_site.site.is_on_timer, clock.now),
            is_on_timer=of_site.site.is_on_timer,
        )
    return found


def facts_of_runners(
    request: HttpRequest, links: Links, runners: List[JobRunner]
) -> Dict[int, RunnerFacts]:
    """Return the facts by primary key."""
    clock = page_clock(request)
    pks = [runner.pk for runner in runners]
    recent = recent_executions("runner", runners, RECENT_OF_RUNNER, clock)
    started = _executions_started(pks)
    running = _running_executions([runner.pk for runner in runners if clock.is_alive(runner)])
    jobs = _numbers_of_jobs(pks)
    return {
        runner.pk: RunnerFacts(
            links,
            clock.now,
            state=runner_state(runner, clock),
            end=_seen_until(runner, recent.get(runner.pk, RecentExecutions(())), clock),
            recent=recent.get(runner.pk, RecentExecutions(())),
            started_executions=started.get(runner.pk),
            running=running.get(runner.pk, ()),
            number_of_jobs=jobs.get(runner.pk, 0),
        )
        for runner in runners
    }


def facts_of_executions(
    request: HttpRequest, links: Links, executions: List[JobExecution]
) -> Dict[int, ExecutionFacts]:
    """Return the facts by primary key."""
    clock = page_clock(request)
    states = {
        execution.pk: JobExecution.state_of(execution.outcome, clock.is_lost(execution.runner))
        for execution in executions
    }
    lost = [execution for execution in executions if states[execution.pk] == JobExecution.LOST]
    runners = {execution.runner_id: execution.runner for execution in lost}
    recent = recent_executions("runner", list(runners.values()), RECENT_OF_RUNNER, clock)
    ends = {pk: _seen_until(runner, recent[pk], clock) for pk, runner in runners.items()}
    return {
        execution.pk: ExecutionFacts(
            links,
            clock.now,
            states[execution.pk],
            max(execution.started_at, ends[execution.runner_id])
            if states[execution.pk] == JobExecution.LOST
            else None,
        )
        for execution in executions
    }


def _seen_until(runner: JobRunner, recent: RecentExecutions, clock: PageClock) -> dt.datetime:
    """Return when ``runner`` was alive for the last time, as far as known."""
    end = clock.end_of(runner)
    return max(end, recent.seen_until or end) if clock.is_lost(runner) else end


def _executions_started(pks: List[int]) -> Dict[int, int]:
    """Return how many executions these runners have started, if they number them."""
    # An index has the greatest number of each; a GROUP BY would read all rows.
    last = JobExecution.objects.filter(runner=OuterRef("pk")).exclude(number=None)
    numbers = Subquery(last.order_by("-number").values("number")[:1])
    runners = JobRunner.objects.filter(pk__in=pks).annotate(last_number=numbers)
    return {
        pk: number
        for pk, number in runners.order_by().values_list("pk", "last_number")
        if number is not None
    }


def _running_executions(pks: List[int]) -> Dict[int, List[RunningExecution]]:
    """Return the running executions of these live runners, by the runner's primary key."""
    found: Dict[int, List[RunningExecution]] = {}
    executions = JobExecution.objects.filter(outcome=JobExecution.RUNNING, runner__in=pks)
    rows = executions.order_by("-started_at").values_list("runner", "pk", "job__name", "started_at")
    for runner, *execution in rows[:_MOST_RUNNING]:
        found.setdefault(runner, []).append(RunningExecution(*execution))
    return found


def _numbers_of_jobs(pks: List[int]) -> Dict[int, int]:
    links: Any = JobRunner.jobs.through._default_manager.filter(jobrunner__in=pks)
    counted = links.values("jobrunner").annotate(jobs=Count("pk"))
    return dict(counted.values_list("jobrunner", "jobs"))
