"""The jobs of a runner, as chosen on the command line."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import List, Sequence

from django.apps import apps
from django.conf import settings

from quick_jobs.checks import LEFT_OUT
from quick_jobs.discovery import (
    JobsError,
    all_jobs,
    check_runnable,
    included_jobs,
    jobs_left_out,
    jobs_without,
    why_left_out,
)
from quick_jobs.logs import get_logger
from quick_jobs.registration import RegisteredJob
from quick_jobs.submodules import may_have_jobs

_DECORATED = re.compile(r"^@register_job\b", re.MULTILINE)

logger = get_logger("quick_jobs", may_wait=False)


def find_jobs(included: Sequence[str], excluded: Sequence[str]) -> List[RegisteredJob]:
    """Return the jobs to run; raise :exc:`JobsError` if any of them cannot be run."""
    if included:
        jobs = included_jobs(included)
    elif excluded:
        jobs, unknown = jobs_without(excluded)
        for name in unknown:
            logger.warning("--exclude-job %s matches no job", name)
    else:
        jobs = all_jobs()
    if not included and LEFT_OUT not in settings.SILENCED_SYSTEM_CHECKS:
        for job in jobs_left_out():
            if job.name not in excluded:
                logger.warning("%s", why_left_out(job))
    if not jobs:
        raise JobsError(
            [
                "There are no jobs to run: decorate a function in an installed app's jobs.py "
                f"with @register_job(interval).{_where_jobs_are()}"
                if not excluded
                else "There are no jobs to run: all of them are excluded."
            ]
        )
    check_runnable(jobs)
    return jobs


def _where_jobs_are() -> str:
    """Return a sentence on a file of an app that has jobs beside its jobs.py, "" if none has."""
    for app in apps.get_app_configs():
        for file in sorted(Path(app.path).glob("*.py")):
            if file.stem == "jobs" or not may_have_jobs(file.stem):
                continue
            with contextlib.suppress(OSError, ValueError):
                if _DECORATED.search(file.read_text("utf-8")):
                    return f" {file} has @register_job: move its jobs to jobs.py."
    return ""


def log_jobs(jobs: Sequence[RegisteredJob]) -> None:
    """Log the list of jobs."""
    names = ", ".join(job.name for job in jobs)
    count = "1 job" if len(jobs) == 1 else f"{len(jobs)} jobs"
    logger.info("%s to run: %s", count, names)
