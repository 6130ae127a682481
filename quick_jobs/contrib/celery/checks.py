"""System checks of a site whose jobs run on Celery.

=====================  ======================================================================
``quick_jobs.W007``    the cache ``default`` is local to a process: executions can overlap
``quick_jobs.W008``    the worker's pool knows no time limits, and jobs have timeouts
``quick_jobs.E020``    the worker's pool is one that is not supported
=====================  ======================================================================
"""

from __future__ import annotations

from typing import Any, List, Optional, Sequence

from django.core import checks

from quick_jobs.contrib.celery.limits import WITHOUT_LIMITS
from quick_jobs.registration import RegisteredJob

_SUPPORTED = ("prefork", "processes", *WITHOUT_LIMITS)

# The names of Celery's modules that differ from the names of the pools.
_MODULES = {"thread": "threads"}


def pool_fault(pool: str) -> Optional[str]:
    """Return what is wrong with a pool of this name, or None."""
    pool = _MODULES.get(pool, pool)
    if pool in _SUPPORTED:
        return None
    return f"quick_jobs does not run on Celery's pool {pool!r}: use prefork, threads or solo."


def limits_fault(pool: str, jobs: Sequence[RegisteredJob]) -> Optional[str]:
    """Return the warning about timeouts in a pool of this name, or None."""
    pool = _MODULES.get(pool, pool)
    names = [job.name for job in jobs if job.timeout is not None]
    if pool not in WITHOUT_LIMITS or not names:
        return None
    return (
        f"Celery's pool {pool!r} cannot end an execution: the timeouts of "
        f"{', '.join(names)} are only noticed afterwards."
    )


def overlap_fault() -> Optional[str]:
    """Return the warning about the cache that has the locks, or None."""
    from quick_jobs.contrib.celery.overlap import cache_name, is_local

    if not is_local():
        return None
    return (
        f"The cache 'default' is a {cache_name()}, which other processes do not see: with Celery, "
        "executions of a job can overlap."
    )


def check(pool: str, jobs: Sequence[RegisteredJob]) -> List[checks.CheckMessage]:
    """Return the messages for a site whose setting ``worker_pool`` is ``pool``."""
    messages: List[checks.CheckMessage] = []
    overlap = overlap_fault()
    if overlap is not None:
        hint = "Set CACHES['default'] to Redis, Memcached or the database."
        messages.append(checks.Warning(overlap, hint=hint, id="quick_jobs.W007"))
    limits = limits_fault(pool, jobs)
    if limits is not None:
        hint = "Use the pool prefork, or silence this."
        messages.append(checks.Warning(limits, hint=hint, id="quick_jobs.W008"))
    fault = pool_fault(pool)
    if fault is not None:
        messages.append(checks.Error(fault, id="quick_jobs.E020"))
    return messages


def register(app: Any) -> None:
    """Let ``manage.py check`` check the site of this Celery app."""

    def check_celery(**_: object) -> List[checks.CheckMessage]:
        from quick_jobs.discovery import JobsError, all_jobs

        try:
            jobs = all_jobs()
        except JobsError:
            return []  # another check reports it
        return check(app.conf.worker_pool or "prefork", jobs)

    checks.register(check_celery, "quick_jobs")
