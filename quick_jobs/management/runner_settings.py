"""A runner's options and its history, from the site's settings."""

from __future__ import annotations

import random
from typing import Any, Sequence

from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router

from quick_jobs.checks import check_database, check_settings
from quick_jobs.conf import conf
from quick_jobs.databases import SUPPORTED, is_supported, vendor_name
from quick_jobs.discovery import JobsError
from quick_jobs.history import History, NoHistory, Recorder
from quick_jobs.history.identity import RunnerIdentity
from quick_jobs.history.storage import Storage
from quick_jobs.logs import get_logger
from quick_jobs.models import JobExecution
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner import RunnerOptions

logger = get_logger("quick_jobs", may_wait=False)


def runner_options(options: Any) -> RunnerOptions:
    """Return the options of a runner; raise :exc:`JobsError` if settings are wrong."""
    wrong_settings = [error.msg for error in check_settings()]
    if wrong_settings:
        raise JobsError(wrong_settings)
    stop_after = options.get("stop_after")
    if stop_after is not None:
        stop_after += options["stop_variance"] * random.random()
    return RunnerOptions(
        stop_after=stop_after,
        stop_timeout=options["stop_timeout"],
        start_record_timeout=conf.start_record_timeout.total_seconds(),
        heartbeat_interval=conf.heartbeat_interval.total_seconds(),
        prunes=conf.history_retention is not None,
        max_traceback=conf.max_traceback,
    )


def history_of(jobs: Sequence[RegisteredJob], identity: RunnerIdentity) -> History:
    """Return a history for the runner ``identity``; on other databases, one that keeps nothing.

    Raises ``ImproperlyConfigured`` if the database cannot hold one.
    """
    using = router.db_for_write(JobExecution)
    connection = connections[using]
    if not is_supported(connection):
        logger.warning(
            "No history is kept: it needs a database of %s, and %r is %s. "
            "Use --no-history to run without one.",
            SUPPORTED,
            using,
            vendor_name(connection),
        )
        return NoHistory()
    for error in check_database():
        raise ImproperlyConfigured(error.msg)
    storage = Storage(identity, jobs)
    return Recorder(storage, conf.heartbeat_interval.total_seconds())
