"""A site's health for other programs: as JSON, and as metrics for Prometheus. Pure."""

from __future__ import annotations

import datetime as dt
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from quick_jobs.health.facts import JobFacts
from quick_jobs.health.findings import FAILING, GONE, LATE, STUCK, Finding
from quick_jobs.health.jobs import JobHealth
from quick_jobs.health.sites import Health
from quick_jobs.health.words import advice_on, sentence_of

#: The media type of :func:`as_metrics`.
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_Sample = Tuple[str, Optional[float]]


def as_json(health: Health, successes: Mapping[str, dt.datetime]) -> Dict[str, Any]:
    """Return the values for JSON; the documents have the keys. ``successes`` are by job name."""
    return {
        "healthy": health.is_well,
        "time": _moment(health.site.now),
        "runners_alive": len(health.site.alive),
        "heartbeat_age": _heartbeat_age(health),
        "findings": [_finding(finding) for finding in health.findings],
        "warnings": [_finding(finding) for finding in health.warnings],
        "jobs": [_job(job, successes) for job in health.jobs],
    }


def _finding(finding: Finding) -> Dict[str, Any]:
    return {
        "kind": finding.kind,
        "job": finding.job,
        "since": _moment(finding.since),
        "sentence": sentence_of(finding),
        "advice": advice_on(finding),
    }


def _job(job: JobHealth, successes: Mapping[str, dt.datetime]) -> Dict[str, Any]:
    facts = job.facts
    failing = next((one for one in job.findings if one.kind == FAILING), None)
    return {
        "name": facts.name,
        "state": job.state,
        "stuck": job.is_(STUCK),
        "late": job.is_(LATE),
        "failing": failing is not None,
        "failures_in_a_row": failing.number if failing else 0,
        "running": len(facts.running),
        "last_start": _moment(facts.last.started_at if facts.last else None),
        "last_success": _moment(successes.get(facts.name)),
        "last_duration": _last_duration(facts),
    }


def as_metrics(health: Health, successes: Mapping[str, dt.datetime]) -> str:
    """Return the metrics in Prometheus' text format. Jobs that are gone have none."""
    jobs = [job for job in health.jobs if job.state != GONE]
    metrics: List[Tuple[str, str, List[_Sample]]] = [
        ("healthy", "Whether nothing is wrong.", [("", float(health.is_well))]),
        ("runners_alive", "Runners that are alive.", [("", float(len(health.site.alive)))]),
        (
            "heartbeat_age_seconds",
            "Age of the newest heartbeat of any runner.",
            [("", _heartbeat_age(health))],
        ),
        (
            "job_last_success_timestamp_seconds",
            "Start of the last execution that succeeded.",
            [(_label(job), _timestamp(successes.get(job.facts.name))) for job in jobs],
        ),
        (
            "job_last_duration_seconds",
            "Duration of the last execution that ended by itself.",
            [(_label(job), _last_duration(job.facts)) for job in jobs],
        ),
        (
            "job_failing",
            "Whether the last execution went wrong.",
            [(_label(job), float(job.is_(FAILING))) for job in jobs],
        ),
        (
            "job_late",
            "Whether the next start is overdue.",
            [(_label(job), float(job.is_(LATE))) for job in jobs],
        ),
        (
            "job_stuck",
            "Whether an execution runs for too long.",
            [(_label(job), float(job.is_(STUCK))) for job in jobs],
        ),
        (
            "job_running",
            "Executions that run now.",
            [(_label(job), float(len(job.facts.running))) for job in jobs],
        ),
    ]
    return "".join(f"{line}\n" for metric in metrics for line in _lines(*metric))


def _lines(name: str, text: str, samples: List[_Sample]) -> Iterator[str]:
    yield f"# HELP quick_jobs_{name} {text}"
    yield f"# TYPE quick_jobs_{name} gauge"
    for label, value in samples:
        if value is not None:
            yield f"quick_jobs_{name}{label} {value!r}"


def _label(job: JobHealth) -> str:
    name = job.facts.name.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'{{job="{name}"}}'


def _heartbeat_age(health: Health) -> Optional[float]:
    """Return the age of the newest heartbeat in seconds, None if there was none."""
    runners = [*health.site.alive, *filter(None, [health.site.last])]
    if not runners:
        return None
    newest = max(runner.last_heartbeat_at for runner in runners)
    return max(0.0, (health.site.now - newest).total_seconds())


def _last_duration(job: JobFacts) -> Optional[float]:
    if job.telling is None or job.telling.duration is None:
        return None
    return job.telling.duration.total_seconds()


def _moment(moment: Optional[dt.datetime]) -> Optional[str]:
    return None if moment is None else moment.isoformat()


def _timestamp(moment: Optional[dt.datetime]) -> Optional[float]:
    return None if moment is None else moment.timestamp()
