"""Whether a database has the tables of the history, with all their columns.

Only the tables count: how they were created is the site's own affair.
"""

from __future__ import annotations

from typing import List

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from quick_jobs.models import Job, JobExecution, JobRunner

_MODELS = (Job, JobRunner, JobRunner.jobs.through, JobExecution)


class NotMigrated(Exception):
    """The database answers, but the tables of this version are not there."""


def check_tables(using: str) -> None:
    """Raise :exc:`NotMigrated` if a table or a column of this version is not there.

    Raises the database's exceptions.
    """
    message = what_is_missing(using, ", or keep no history with --no-history")
    if message:
        raise NotMigrated(message)


def what_is_missing(using: str, otherwise: str = "") -> str:
    """Return which tables of this version are missing and what to run, "" if none are.

    ``otherwise`` is an alternative for the user. Raises the database's exceptions.
    """
    missing = _missing_in(connections[using])
    if not missing:
        return ""
    message = (
        f"The tables of quick_jobs are not in the database {using!r}: "
        f"run '{_migrate_command(using)}'{otherwise}."
    )
    if missing != [model._meta.db_table for model in _MODELS]:
        message += f" Missing: {', '.join(missing)}."
    return message


def _missing_in(connection: BaseDatabaseWrapper) -> List[str]:
    """Return the history's tables and columns that are missing in a database."""
    ignores_case = connection.features.ignores_table_name_case
    missing: List[str] = []
    with connection.cursor() as cursor:
        introspection = connection.introspection
        tables = {
            name.lower() if ignores_case else name: name
            for name in introspection.table_names(cursor, include_views=True)
        }
        for model in _MODELS:
            wanted = model._meta.db_table
            table = tables.get(wanted.lower() if ignores_case else wanted)
            if table is None:
                missing.append(wanted)
                continue
            rows = introspection.get_table_description(cursor, table)
            columns = {row.name.lower() for row in rows}
            missing += [
                f"{wanted}.{field.column}"
                for field in model._meta.concrete_fields
                if str(field.column).lower() not in columns
            ]
    return missing


def _migrate_command(using: str) -> str:
    """Return the command that creates the history's tables."""
    command = "manage.py migrate"
    if settings.MIGRATION_MODULES.get(Job._meta.app_label, "") is None:
        command += " --run-syncdb"
    if using != DEFAULT_DB_ALIAS:
        command += f" --database {using}"
    return command
