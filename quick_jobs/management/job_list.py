"""What ``run_jobs --print-jobs`` prints."""

from __future__ import annotations

from typing import Iterator

from django.utils import translation

from quick_jobs.console import printable
from quick_jobs.durations import format_duration
from quick_jobs.registration import RegisteredJob
from quick_jobs.wording import schedule_in_words


def lines_about(job: RegisteredJob) -> Iterator[str]:
    """Return the job's name, and the facts about it, which are indented."""
    yield printable(job.name)
    if job.description:
        yield f"    description: {printable(job.description)}"
    with translation.override("en"):  # like the rest
        words = schedule_in_words(job.schedule, job.interval, job.variance)
    yield f"    schedule: {printable(words)}"
    yield f"    timeout: {'none' if job.timeout is None else format_duration(job.timeout)}"
