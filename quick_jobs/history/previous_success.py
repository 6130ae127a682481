"""The last success of a job, for the job itself."""

from __future__ import annotations

import asyncio
import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Optional

from django.db import connections, router

from quick_jobs.databases.timestamps import as_aware
from quick_jobs.models import JobExecution


def previous_success(job_name: str, known: Optional[float]) -> Optional[dt.datetime]:
    """Return the start of the job's last success, aware, or None.

    ``known`` is the last one in this runner as POSIX time, which may not be on
    record yet. Raises the database's exceptions.
    """
    found = _outside_of_event_loops(job_name)
    if known is None:
        return found
    known_at = dt.datetime.fromtimestamp(known, dt.timezone.utc)
    return known_at if found is None else max(known_at, found)


def _outside_of_event_loops(job_name: str) -> Optional[dt.datetime]:
    """Query the database in this thread, or in another one if this runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _last_success(job_name)
    with ThreadPoolExecutor(max_workers=1) as executor:  # Django refuses queries in this thread
        return executor.submit(_last_success_by_new_connection, job_name).result()


def _last_success_by_new_connection(job_name: str) -> Optional[dt.datetime]:
    try:
        return _last_success(job_name)
    finally:
        connections.close_all()


def _last_success(job_name: str) -> Optional[dt.datetime]:
    executions = JobExecution.objects.using(router.db_for_write(JobExecution))
    succeeded = executions.filter(job__name=job_name, outcome=JobExecution.SUCCEEDED)
    started = succeeded.order_by("-started_at").values_list("started_at", flat=True)
    started_at: Optional[dt.datetime] = started.first()
    return None if started_at is None else as_aware(started_at)
