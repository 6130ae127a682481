"""The output of ``run_jobs --print-jobs``."""

from __future__ import annotations

import datetime as dt
from typing import Iterator

from django.utils import translation

from quick_jobs.console import printable
from quick_jobs.durations import format_duration
from quick_jobs.next_starts import Plan, local_start
from quick_jobs.registration import RegisteredJob
from quick_jobs.schedules import ScheduleError, next_start
from quick_jobs.wording import schedule_in_words


def lines_about(job: RegisteredJob, now: dt.datetime) -> Iterator[str]:
    """Return the job's name and, indented, the facts about it.

    The next start is that of a runner that begins ``now``. The database is not queried.
    """
    yield printable(job.name)
    if job.description:
        yield f"    description: {printable(job.description)}"
    with translation.override("en"):  # like the rest
        words = schedule_in_words(job.schedule, job.interval, job.variance)
    yield f"    schedule: {printable(words)}"
    yield f"    next start: {printable(_next_start(job, now))}"
    yield f"    timeout: {'none' if job.timeout is None else format_duration(job.timeout)}"


def _next_start(job: RegisteredJob, now: dt.datetime) -> str:
    if job.schedule is None:
        if job.resume:
            return "by its last start on record"
        return f"within {format_duration(job.variance)}" if job.variance else "at once"
    try:
        moment = next_start(job.schedule, now)
    except ScheduleError as error:
        return f"none: {error}"
    words = str(local_start(Plan.of(job), moment))
    return f"{words}, or at once if one was missed" if job.resume else words
