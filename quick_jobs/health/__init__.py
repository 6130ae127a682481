"""How jobs and the site's runners are doing: the one definition that all outlets show. Pure.

:mod:`quick_jobs.health.reading` reads from the database what is judged here; nothing is imported
from there, so that the rules can be used where the facts are known already.
"""

from quick_jobs.health.facts import JobFacts, OnceFacts, Outcome, RunnerFacts, Running, SiteFacts
from quick_jobs.health.findings import (
    DOWN,
    DUPLICATES,
    FAILING,
    GONE,
    LATE,
    NEVER_RUN,
    OK,
    RESTARTING,
    STATES,
    STUCK,
    Finding,
)
from quick_jobs.health.jobs import JobHealth, health_of_job
from quick_jobs.health.sites import Health, findings_of_site, health_of
from quick_jobs.health.streaks import Streak, failing_streak, typical_duration
from quick_jobs.health.words import advice_on, sentence_of

__all__ = [
    "DOWN",
    "DUPLICATES",
    "FAILING",
    "GONE",
    "LATE",
    "NEVER_RUN",
    "OK",
    "RESTARTING",
    "STATES",
    "STUCK",
    "Finding",
    "Health",
    "JobFacts",
    "JobHealth",
    "OnceFacts",
    "Outcome",
    "RunnerFacts",
    "Running",
    "SiteFacts",
    "Streak",
    "advice_on",
    "failing_streak",
    "findings_of_site",
    "health_of",
    "health_of_job",
    "sentence_of",
    "typical_duration",
]
