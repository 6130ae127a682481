"""The state of one job, from the facts about it."""

from __future__ import annotations

import datetime as dt
from typing import List, NamedTuple, Optional, Sequence

from quick_jobs.health.facts import JobFacts, Running, SiteFacts
from quick_jobs.health.findings import (
    FAILING,
    GONE,
    LATE,
    NEVER_RUN,
    NEVER_SUCCEEDED,
    NO_RUNNER,
    OK,
    OVER_TIMEOUT,
    OVERDUE,
    STUCK,
    UNUSUALLY_LONG,
    Finding,
)
from quick_jobs.health.streaks import Streak, failing_streak, typical_duration
from quick_jobs.models import JobExecution
from quick_jobs.next_starts import WAITING, LocalStart, Plan, local_start, next_due
from quick_jobs.schedules import ScheduleError, next_start
from quick_jobs.stuck import stuck_after

#: Many harmless reasons delay a start by less than this part of the job's period.
_GRACE = 0.1

_NO_TIME = dt.timedelta(0)

#: Executions of a job that are read, at most.
RECENT = 50


class JobHealth(NamedTuple):
    """A job's ``findings``, the worst first, and the ``state`` that sums them up."""

    facts: JobFacts
    findings: Sequence[Finding]

    @property
    def state(self) -> str:
        if self.findings:
            return self.findings[0].kind
        if self.facts.is_gone:
            return GONE
        return NEVER_RUN if self.facts.last is None else OK

    def is_(self, kind: str) -> bool:
        """Return whether it is stuck, late or failing; it may be more than one of them."""
        return any(finding.kind == kind for finding in self.findings)


def health_of_job(job: JobFacts, site: SiteFacts) -> JobHealth:
    """Return how ``job`` is doing. One that is gone has no findings."""
    if job.is_gone:
        return JobHealth(job, ())
    found: List[Optional[Finding]] = [_stuck(job, site.now)]
    if not job.running:
        found.append(_late(job, site))
    found.append(_failing(job, site.now))
    return JobHealth(job, [finding for finding in found if finding is not None])


def _stuck(job: JobFacts, now: dt.datetime) -> Optional[Finding]:
    if not job.running:
        return None
    oldest = min(job.running, key=lambda one: one.started_at)
    took = now - oldest.started_at
    if job.timeout is not None and took > job.timeout:
        return _stuck_by(job, now, oldest, OVER_TIMEOUT, job.timeout)
    typical = typical_duration(job.recent)
    if took > stuck_after(_period(job.plan, oldest.started_at), typical):
        reason = NEVER_SUCCEEDED if typical is None else UNUSUALLY_LONG
        return _stuck_by(job, now, oldest, reason, typical)
    return None


def _stuck_by(
    job: JobFacts, now: dt.datetime, one: Running, reason: str, limit: Optional[dt.timedelta]
) -> Finding:
    return Finding(
        STUCK,
        now,
        job.name,
        since=one.started_at,
        reason=reason,
        took=now - one.started_at,
        limit=limit,
        execution=one.pk,
    )


def _late(job: JobFacts, site: SiteFacts) -> Optional[Finding]:
    due_at = _overdue_since(job, site)
    if job.runner_began_at is not None or (site.is_on_timer and job.is_registered):
        if due_at is None:
            return None
        return Finding(LATE, site.now, job.name, since=due_at, reason=OVERDUE)
    if not job.is_registered:
        return None
    return Finding(
        LATE,
        site.now,
        job.name,
        since=due_at,
        reason=NO_RUNNER,
        next_start=None if due_at else _start_ahead(job, site),
    )


def _start_ahead(job: JobFacts, site: SiteFacts) -> Optional[LocalStart]:
    """Return when a job without a runner would be due next, None if it is due or nobody knows."""
    if job.plan is None:
        return None
    due = next_due(job.plan, job.last, None, job.registered_at, site.now)
    return local_start(job.plan, due.due_at) if due and due.state == WAITING else None


def _overdue_since(job: JobFacts, site: SiteFacts) -> Optional[dt.datetime]:
    """Return the latest time at which the job should have started, if its grace has passed too."""
    if job.plan is None:
        return None
    due = next_due(job.plan, job.last, job.runner_began_at, job.registered_at, site.now)
    if due is None:
        return None
    latest = due.due_at + job.plan.variance
    grace = max(2 * site.lost_after, _GRACE * _period(job.plan, due.due_at))
    if job.runner_began_at is None and site.once is not None:
        grace += site.once.patience
    return latest if site.now - latest > grace else None


def _period(plan: Optional[Plan], moment: dt.datetime) -> dt.timedelta:
    """Return the time from a start at ``moment`` to the next."""
    if plan is None:
        return _NO_TIME
    if plan.schedule is None:
        return plan.interval
    try:
        return next_start(plan.schedule, moment) - moment
    except (ScheduleError, OverflowError):
        return _NO_TIME


def _failing(job: JobFacts, now: dt.datetime) -> Optional[Finding]:
    telling = job.telling
    if telling is None or telling.state not in JobExecution.WENT_WRONG:
        return None
    streak = failing_streak(job.recent, RECENT) or Streak(telling.started_at, 1, True)
    return Finding(
        FAILING,
        now,
        job.name,
        since=streak.since,
        number=streak.number,
        at_least=streak.at_least,
        lost_at=telling.lost_at,
        execution=telling.pk,
    )
