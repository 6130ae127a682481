"""The writing of executions, in statements of bounded size.

An execution is found again by its runner and number, so that a write can be
repeated. An end overwrites what is there, a start does not.
"""

from __future__ import annotations

from typing import Iterator, List, Mapping, Sequence

from django.db import transaction

from quick_jobs.databases.base import Database
from quick_jobs.databases.tables import (
    DURATION,
    INTEGER,
    TEXT,
    TIMESTAMP,
    WORD,
    Column,
    UpsertTable,
)
from quick_jobs.history.record import Record
from quick_jobs.models import JobExecution

# The columns are in the order of a record's fields.
_EXECUTIONS = UpsertTable(
    JobExecution._meta.db_table,
    shared="runner_id",
    columns=(
        Column("number", INTEGER),
        Column("job_id", INTEGER),
        Column("started_at", TIMESTAMP),
        Column("finished_at", TIMESTAMP),
        Column("duration", DURATION),
        Column("lateness", DURATION),
        Column("outcome", WORD),
        Column("error", TEXT),
        Column("traceback", TEXT),
        Column("due_at", TIMESTAMP),
    ),
    key=("runner_id", "number"),
    final="finished_at",
    blank=("fingerprint", "note", "log", "stack"),
)


def upsert(
    database: Database,
    runner_id: int,
    job_ids: Mapping[str, int],
    records: Sequence[Record],
) -> None:
    """Write ``records`` in one transaction."""

    def write(part: Sequence[Record]) -> None:
        numbers, jobs, *others = zip(*part)
        columns = [numbers, [job_ids[name] for name in jobs], *others]
        database.upsert(_EXECUTIONS, runner_id, columns)

    parts = list(_parts(records, database))
    if len(parts) == 1:  # a transaction by itself, in one round trip
        write(parts[0])
        return
    with transaction.atomic(using=database.connection.alias):
        for part in parts:
            write(part)


def _parts(records: Sequence[Record], database: Database) -> Iterator[List[Record]]:
    """Split ``records`` so that each part makes one statement of bounded size."""
    max_rows, max_characters = database.max_rows(_EXECUTIONS), database.max_characters
    part: List[Record] = []
    characters = 0
    for record in records:
        length = len(record.error) + len(record.traceback)
        if part and (len(part) == max_rows or characters + length > max_characters):
            yield part
            part, characters = [], 0
        part.append(record)
        characters += length
    yield part
