"""The state of a site: whether its runners are alive, and all that is wrong with it."""

from __future__ import annotations

import datetime as dt
from typing import Iterable, List, NamedTuple, Sequence

from quick_jobs.health.facts import JobFacts, SiteFacts
from quick_jobs.health.findings import (
    DOWN,
    DUPLICATES,
    LATE,
    NEVER_A_RUNNER,
    NO_RUNNER,
    NO_RUNS_ON_TIMER,
    RESTARTING,
    STATES,
    Finding,
)
from quick_jobs.health.jobs import JobHealth, health_of_job

#: This many runners that ended with an error within this time are a crash loop. One or two may
#: be bad luck, and platforms restart a runner after seconds, or minutes at most.
ENDS_OF_A_LOOP = 3
WITHIN = dt.timedelta(minutes=10)

_BY_STATE = {state: number for number, (state, _name) in enumerate(STATES)}


class Health(NamedTuple):
    """How a site is doing. ``jobs`` come in the order of their states, then of their names."""

    site: SiteFacts
    of_site: Sequence[Finding]
    jobs: Sequence[JobHealth]

    @property
    def findings(self) -> List[Finding]:
        """What is wrong, the worst first: each event once.

        If no runner is alive, the single jobs do not report that they have none.
        """
        found = [finding for finding in self.of_site if not finding.is_warning]
        of_jobs = [finding for job in self.jobs for finding in job.findings]
        if self.site.is_down:
            of_jobs = [one for one in of_jobs if one.kind != LATE or one.reason != NO_RUNNER]
        return found + sorted(of_jobs, key=lambda one: _BY_STATE[one.kind])

    @property
    def warnings(self) -> List[Finding]:
        """Findings that may be intended."""
        return [finding for finding in self.of_site if finding.is_warning]

    @property
    def is_well(self) -> bool:
        return not self.findings

    @property
    def needing_attention(self) -> List[JobHealth]:
        """The jobs that are stuck, late or failing."""
        return [job for job in self.jobs if job.findings]


def health_of(site: SiteFacts, jobs: Iterable[JobFacts]) -> Health:
    """Return how the site is doing, with these of its jobs."""
    of_jobs = [health_of_job(job, site) for job in jobs]
    of_jobs.sort(key=lambda job: (_BY_STATE[job.state], job.facts.name))
    return Health(site, findings_of_site(site), of_jobs)


def findings_of_site(site: SiteFacts) -> List[Finding]:
    """Return the findings about runners. A crash loop without a live runner is one finding."""
    found: List[Finding] = []
    ended = [one for one in site.ended_with_error if site.now - one.ended_at <= WITHIN]
    if len(ended) >= ENDS_OF_A_LOOP:
        newest = max(ended, key=lambda one: one.ended_at)
        since = min(one.ended_at for one in ended)
        found.append(
            Finding(
                RESTARTING,
                site.now,
                since=since,
                number=len(ended),
                runner=newest,
                is_anybody_alive=not site.is_down,
            )
        )
    elif site.is_down:
        found.append(_down(site))
    if site.shared_jobs:
        found.append(
            Finding(DUPLICATES, site.now, number=site.sharing, jobs=site.shared_jobs),
        )
    return found


def _down(site: SiteFacts) -> Finding:
    if site.once is not None:
        last = site.once.last
        return Finding(
            DOWN,
            site.now,
            since=last.ended_at,
            reason=NO_RUNS_ON_TIMER,
            limit=site.once.patience,
            runner=last,
            is_anybody_alive=False,
        )
    return Finding(
        DOWN,
        site.now,
        since=site.last.ended_at if site.last else None,
        reason="" if site.last else NEVER_A_RUNNER,
        runner=site.last,
        is_anybody_alive=False,
    )
