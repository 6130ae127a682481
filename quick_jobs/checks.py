"""System checks, under the tag ``quick_jobs``. Only W005 and W006 query a database.

=====================  ======================================================================
``quick_jobs.E001``    ``QUICK_JOBS_HEARTBEAT_INTERVAL`` is wrong
``quick_jobs.E002``    ``QUICK_JOBS_LOST_AFTER`` is wrong
``quick_jobs.E003``    ``QUICK_JOBS_START_RECORD_TIMEOUT`` is wrong
``quick_jobs.E004``    ``QUICK_JOBS_HISTORY_RETENTION`` is wrong
``quick_jobs.E005``    ``QUICK_JOBS_MAX_TRACEBACK`` is wrong
``quick_jobs.E006``    a ``jobs`` module cannot be imported; for some commands a warning
``quick_jobs.E007``    several jobs have the same name
``quick_jobs.E008``    a job cannot be run: its signature, kind or name, or what hides it
``quick_jobs.E009``    the history is to be in an SQLite older than 3.24
``quick_jobs.E010``    ``QUICK_JOBS_LOG`` is wrong
``quick_jobs.E011``    ``QUICK_JOBS_LOG_LEVEL`` is wrong
``quick_jobs.E012``    ``QUICK_JOBS_MAX_LOG`` is wrong
``quick_jobs.E013``    ``QUICK_JOBS_LOG_FILTER`` is wrong
``quick_jobs.E014``    ``QUICK_JOBS_RELEASE`` is wrong
``quick_jobs.E015``    ``QUICK_JOBS_STATUS_TOKEN`` is wrong
``quick_jobs.E016``    ``QUICK_JOBS_ALERTS`` is wrong
``quick_jobs.E017``    ``QUICK_JOBS_ALERT_AFTER`` is wrong
``quick_jobs.E018``    ``QUICK_JOBS_ALERT_REMINDER`` is wrong
``quick_jobs.E019``    ``QUICK_JOBS_HEARTBEAT_URL`` is wrong
``quick_jobs.W001``    ``QUICK_JOBS_LOST_AFTER`` is not more than twice the heartbeat's interval
``quick_jobs.W002``    the history is kept for good (``check --deploy`` only)
``quick_jobs.W003``    a job is registered in a module whose jobs are not run
``quick_jobs.W004``    a cron expression has both a day of the month and one of the week
``quick_jobs.W005``    SQLite without WAL or with deferred transactions (tag ``database``)
``quick_jobs.W006``    MariaDB or MySQL without strict mode (tag ``database``)
``quick_jobs.W009``    alerts go to ``ADMINS``, and that is empty
=====================  ==============================================================="""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any, List

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections, router
from django.urls import get_resolver

from quick_jobs.alerts import mail_admins
from quick_jobs.commands import needs_jobs, running_command
from quick_jobs.conf import DEFAULTS, conf
from quick_jobs.databases import database_of, is_supported
from quick_jobs.databases.write_lock import faults_of_locking
from quick_jobs.discovery import (
    ImportFailed,
    JobsError,
    NameConflict,
    all_jobs,
    check_runnable,
    jobs_left_out,
    why_left_out,
)
from quick_jobs.documentation import documented
from quick_jobs.durations import format_duration
from quick_jobs.models import JobExecution
from quick_jobs.registration import RegisteredJob
from quick_jobs.schedules import Cron

_SETTINGS = {
    "quick_jobs.E001": "heartbeat_interval",
    "quick_jobs.E002": "lost_after",
    "quick_jobs.E003": "start_record_timeout",
    "quick_jobs.E004": "history_retention",
    "quick_jobs.E005": "max_traceback",
    "quick_jobs.E010": "log",
    "quick_jobs.E011": "log_level",
    "quick_jobs.E012": "max_log",
    "quick_jobs.E013": "log_filter",
    "quick_jobs.E014": "release",
    "quick_jobs.E015": "status_token",
    "quick_jobs.E016": "alerts",
    "quick_jobs.E017": "alert_after",
    "quick_jobs.E018": "alert_reminder",
    "quick_jobs.E019": "heartbeat_url",
}

#: The ids that ``SILENCED_SYSTEM_CHECKS`` can keep out of the runner's log as well.
LEFT_OUT = "quick_jobs.W003"


@checks.register("quick_jobs")
def check_settings(**_: object) -> List[checks.CheckMessage]:
    """Report each setting that is wrong."""
    messages: List[checks.CheckMessage] = []
    for check_id, attribute in _SETTINGS.items():
        try:
            getattr(conf, attribute)
        except ImproperlyConfigured as error:
            default = DEFAULTS[f"QUICK_JOBS_{attribute.upper()}"]
            shown = format_duration(default) if isinstance(default, timedelta) else default
            hint = f"Without this setting the default applies, {shown}."
            messages.append(checks.Error(str(error), hint=hint, id=check_id))
    return messages


@checks.register("quick_jobs")
def check_lost_after(**_: object) -> List[checks.CheckMessage]:
    """Warn when a single late heartbeat makes a runner look lost."""
    try:
        heartbeat_interval, lost_after = conf.heartbeat_interval, conf.lost_after
    except ImproperlyConfigured:
        return []  # check_settings tells
    if lost_after > 2 * heartbeat_interval:
        return []
    return [
        checks.Warning(
            f"QUICK_JOBS_LOST_AFTER is {format_duration(lost_after)}, and "
            f"QUICK_JOBS_HEARTBEAT_INTERVAL is {format_duration(heartbeat_interval)}: "
            "one late heartbeat makes a runner look lost.",
            hint="Make the first more than twice the second.",
            id="quick_jobs.W001",
        )
    ]


@checks.register("quick_jobs")
def check_admins(**_: object) -> List[checks.CheckMessage]:
    """Warn when alerts are to be mailed to nobody."""
    with contextlib.suppress(ImproperlyConfigured):  # check_settings tells
        if conf.alerts is mail_admins and not settings.ADMINS:
            return [
                checks.Warning(
                    "QUICK_JOBS_ALERTS mails alerts to ADMINS, which is empty: nobody is told.",
                    hint="Set ADMINS, and try it with 'manage.py check_jobs --test-alert'.",
                    id="quick_jobs.W009",
                )
            ]
    return []


@checks.register("quick_jobs")
def check_jobs(**_: object) -> List[checks.CheckMessage]:
    """Report each job of the installed apps that cannot or will not be run."""
    try:
        jobs = all_jobs()
    except ImportFailed as failure:
        if needs_jobs(running_command()):
            return _errors(failure, "quick_jobs.E006")
        return _warnings(failure, "quick_jobs.E006")
    except NameConflict as failure:
        return _errors(failure, "quick_jobs.E007")
    # A job in a view's module is seen when that is imported. Django's own check of URLs imports
    # it anyway, before or after this one.
    with contextlib.suppress(Exception):
        list(get_resolver().url_patterns)
    messages: List[checks.CheckMessage] = [
        checks.Warning(why_left_out(job), id=LEFT_OUT) for job in jobs_left_out()
    ]
    try:
        check_runnable(jobs)
    except JobsError as failure:
        messages += _errors(failure, "quick_jobs.E008")
    for job in jobs:
        if isinstance(job.schedule, Cron) and job.schedule.takes_either_day:
            messages.append(_either_day(job))
    return messages


@checks.register("quick_jobs")
def check_database(**_: object) -> List[checks.CheckMessage]:
    """Report a database that cannot hold the history, as when Python's SQLite is too old."""
    connection = connections[router.db_for_write(JobExecution)]
    unsuitable = database_of(connection).unsuitable() if is_supported(connection) else None
    if unsuitable is None:
        return []
    return [checks.Error(unsuitable.reason, hint=unsuitable.remedy, id="quick_jobs.E009")]


@checks.register(checks.Tags.database)
def check_sqlite_locking(**options: Any) -> List[checks.CheckMessage]:
    """Warn if requests can fail because a runner writes to the same SQLite file.

    It queries the database, so it only runs where Django allows that: with ``migrate``
    and ``check --database``.
    """
    using = router.db_for_write(JobExecution)
    if "databases" in options and using not in (options["databases"] or ()):
        return []
    try:
        faults = faults_of_locking(connections[using])
    except DatabaseError:
        return []  # whoever needs it will say so
    if not faults:
        return []
    wal = "'init_command': 'PRAGMA journal_mode=WAL'"
    return [
        checks.Warning(
            f"Beside run_jobs, requests that use the SQLite database {using!r} can fail "
            f"with 'database is locked': {', and '.join(faults)}.",
            hint=f"With Django 5.1 or newer, set in DATABASES[{using!r}]: "
            f"OPTIONS = {{'transaction_mode': 'IMMEDIATE', {wal}}}. "
            f"Why, and what to do before: {documented('troubleshooting', 'sqlite')}",
            id="quick_jobs.W005",
        )
    ]


@checks.register(checks.Tags.database)
def check_texts(**options: Any) -> List[checks.CheckMessage]:
    """Warn if the history's database changes texts without an error.

    It queries the database, so it only runs with ``migrate`` and ``check --database``.
    """
    using = router.db_for_write(JobExecution)
    if "databases" in options and using not in (options["databases"] or ()):
        return []
    connection = connections[using]
    try:
        fault = database_of(connection).text_faults() if is_supported(connection) else None
    except DatabaseError:
        return []  # whoever needs it will say so
    if fault is None:
        return []
    return [
        checks.Warning(
            f"Texts of the job history can be changed in the database {using!r}: {fault.reason}.",
            hint=fault.remedy,
            id="quick_jobs.W006",
        )
    ]


@checks.register("quick_jobs", deploy=True)
def check_history_retention(**_: object) -> List[checks.CheckMessage]:
    """Warn, for a site in production, if the history is never pruned."""
    with contextlib.suppress(ImproperlyConfigured):  # check_settings tells
        if conf.history_retention is None:
            return [
                checks.Warning(
                    "QUICK_JOBS_HISTORY_RETENTION is None: the job history is kept for good.",
                    hint="Set it to a duration or leave it out (90 days), or run prune_job_history "
                    "now and then and silence this.",
                    id="quick_jobs.W002",
                )
            ]
    return []


def _either_day(job: RegisteredJob) -> checks.CheckMessage:
    return checks.Warning(
        f"{job.name} starts by {job.schedule!r} on each day that matches the day of the month "
        "or the day of the week: cron does not require both.",
        hint="If both must match, write * for one of them, and test the date in the job. "
        "If one of them is enough, silence this warning.",
        id="quick_jobs.W004",
    )


def _errors(failure: JobsError, check_id: str) -> List[checks.CheckMessage]:
    return [checks.Error(problem, id=check_id) for problem in failure.problems]


def _warnings(failure: JobsError, check_id: str) -> List[checks.CheckMessage]:
    hint = "This command continues anyway: the module may need a table that does not exist yet."
    return [checks.Warning(problem, hint=hint, id=check_id) for problem in failure.problems]
