"""The texts of alerts. Pure, except for the site's time zone and its filter for secrets."""

from __future__ import annotations

import datetime as dt
from typing import Iterable, List, Optional, Sequence

from django.utils import timezone

from quick_jobs.alerting.missed import Missed
from quick_jobs.alerts import (
    ABANDONED,
    FAILING,
    RECOVERED,
    STILL_FAILING,
    STUCK,
    TIMED_OUT,
    Alert,
)
from quick_jobs.durations import format_duration
from quick_jobs.models import Job, JobExecution
from quick_jobs.text_filter import filtered

# Characters of a subject; lines of a traceback, of a log and of a list in a mail.
_SUBJECT = 200
_LINES = 40
_ITEMS = 20

# The name of the job that a test alert is about.
_TEST = "quick_jobs.test"


def alert_of(
    kind: str,
    since: dt.datetime,
    count: int,
    subject: str,
    paragraphs: Iterable[str],
    job: Optional[str] = None,
    execution: Optional[JobExecution] = None,
    url: Optional[str] = None,
) -> Alert:
    """Return an alert with ``subject`` and ``paragraphs``, filtered and shortened."""
    parts = [part for part in paragraphs if part]
    if url:
        parts.append(url)
    line = " ".join(filtered(subject).split())
    if len(line) > _SUBJECT:
        line = f"{line[: _SUBJECT - 1]}…"
    text = filtered("\n\n".join(parts) + "\n")
    return Alert(kind, job, since, count, execution, line, text, url)


def alert_of_test(now: dt.datetime, hostname: str) -> Alert:
    """Return an alert like that of a job that began to fail, which says that it is a test."""
    error = "TestAlert: no job has failed"
    execution = JobExecution(
        job=Job(name=_TEST),
        number=1,
        started_at=now,
        finished_at=now,
        duration=dt.timedelta(0),
        outcome=JobExecution.FAILED,
        error=error,
    )
    text = (
        "This is a test of QUICK_JOBS_ALERTS, sent by 'manage.py check_jobs --test-alert' on "
        f"{hostname}. Nothing is wrong."
    )
    subject = f"Test: {subject_of_job(FAILING, _TEST, error, 0.0)}"
    return alert_of(FAILING, now, 1, subject, [text], _TEST, execution)


def subject_of_job(kind: str, name: str, error: str, running_for: float) -> str:
    """Return the subject of an alert of a job."""
    return {
        FAILING: f"{name} fails: {error}",
        STILL_FAILING: f"{name} still fails: {error}",
        RECOVERED: f"{name} works again",
        STUCK: f"{name} has been running for {duration_text(running_for)}",
        TIMED_OUT: f"{name} {error}",
        ABANDONED: f"{name} was abandoned: it {error}",
    }[kind]


def how_often(kind: str, name: str, since: dt.datetime, count: int, most: int) -> str:
    """Return a sentence on how many times a job failed in a row, and since when."""
    times = "once" if count == 1 else f"{count} times in a row"
    if count > most:
        times = f"{most} times in a row, or more"
    if kind == RECOVERED:
        return f"{name} has succeeded. It had failed {times}, since {moment_text(since)}."
    return f"{name} has failed {times}, since {moment_text(since)}."


def facts_of(execution: JobExecution) -> List[str]:
    """Return what is known of an execution, as paragraphs."""
    parts = [f"Started: {moment_text(execution.started_at)}"]
    if execution.duration is not None:
        parts.append(f"Duration: {format_duration(execution.duration)}")
    if execution.error:
        parts.append(f"Error: {execution.error}")
    if execution.note:
        parts.append(f"Note: {execution.note}")
    found = ["\n".join(parts)]
    if execution.traceback:
        title = "Where it was" if execution.outcome in JobExecution.HAS_STACK else "Traceback"
        found.append(f"{title}:\n{last_lines(execution.traceback)}")
    if execution.stack:
        found.append(f"Where it was last seen:\n{last_lines(execution.stack)}")
    if execution.log:
        found.append(f"Log:\n{last_lines(execution.log)}")
    return found


def list_of_missed(missed: Sequence[Missed]) -> str:
    """Return the starts that were missed."""
    if not missed:
        return "No start was missed."
    lines = []
    for job, first, times in missed[:_ITEMS]:
        more = "" if times == 1 else f", and {times - 1} more"
        lines.append(f"- {job}: {moment_text(first)}{more}")
    if len(missed) > _ITEMS:
        lines.append(f"- and those of {len(missed) - _ITEMS} more jobs")
    return "\n".join(["Starts that were missed:", *lines])


def list_of_running(executions: Sequence[JobExecution]) -> str:
    """Return what was running in a runner that vanished."""
    if not executions:
        return "Nothing was running."
    lines = [f"- {each.job.name}, since {moment_text(each.started_at)}" for each in executions]
    if len(executions) > _ITEMS:
        lines[_ITEMS:] = ["- and more"]
    return "\n".join(["Running then:", *lines])


def last_lines(text: str) -> str:
    """Return the end of ``text``."""
    lines = text.rstrip().splitlines()
    return "\n".join(["...", *lines[-_LINES:]] if len(lines) > _LINES else lines)


def duration_text(seconds: float) -> str:
    return format_duration(dt.timedelta(seconds=round(seconds)))


def moment_text(moment: dt.datetime) -> str:
    """Return a moment, aware or as a field holds it, in the site's time zone."""
    if timezone.is_naive(moment):
        return f"{moment:%Y-%m-%d %H:%M:%S}"
    local = timezone.localtime(moment, timezone.get_default_timezone())
    return f"{local:%Y-%m-%d %H:%M:%S %Z}"
