"""What ``run_jobs --print-jobs`` prints."""

from __future__ import annotations

from typing import Iterator

from quick_jobs.console import printable
from quick_jobs.durations import format_duration
from quick_jobs.registration import RegisteredJob


def lines_about(job: RegisteredJob) -> Iterator[str]:
    """Return the job's name, and the facts about it, which are indented."""
    yield printable(job.name)
    if job.description:
        yield f"    description: {printable(job.description)}"
    yield f"    interval: {format_duration(job.interval)}"
    yield f"    variance: {format_duration(job.variance)}"
    yield f"    timeout: {'none' if job.timeout is None else format_duration(job.timeout)}"
