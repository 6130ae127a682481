"""Writes executions, in statements of bounded size.

An execution is identified by its runner and number, so a write can be
repeated. An end overwrites an existing row, a start does not.
"""

from __future__ import annotations

from typing import Iterator, List, Mapping, Sequence, Tuple

from django.db import transaction

from quick_jobs.databases.base import Database
from quick_jobs.databases.tables import (
    DURATION,
    INTEGER,
    NUMBER,
    TEXT,
    TIMESTAMP,
    WORD,
    Column,
    UpsertTable,
)
from quick_jobs.history.record import Record
from quick_jobs.models import JobExecution

# The columns are in the order of a record's fields.
_FACTS = (
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
    Column("cpu_time", DURATION),
)
_WORDS = (
    Column("note", TEXT),
    Column("progress_done", NUMBER),
    Column("progress_total", NUMBER),
    Column("log", TEXT),
    Column("fingerprint", TEXT),
)

# Most executions have no words. Their statement is short, and leaves these columns unchanged.
_WITHOUT_WORDS = UpsertTable(
    JobExecution._meta.db_table,
    shared="runner_id",
    columns=_FACTS,
    key=("runner_id", "number"),
    final="finished_at",
    blank=("fingerprint", "note", "log", "stack"),
)
# The end deletes the stack that a running execution had.
_WITH_WORDS = UpsertTable(
    JobExecution._meta.db_table,
    shared="runner_id",
    columns=(*_FACTS, *_WORDS, Column("stack", TEXT)),
    key=("runner_id", "number"),
    final="finished_at",
)


def upsert(
    database: Database,
    runner_id: int,
    job_ids: Mapping[str, int],
    records: Sequence[Record],
) -> None:
    """Write ``records`` in one transaction."""

    def write(table: UpsertTable, part: Sequence[Record]) -> None:
        numbers, jobs, *others, words = zip(*part)
        columns = [numbers, [job_ids[name] for name in jobs], *others]
        if table is _WITH_WORDS:
            columns += [*zip(*words), [""] * len(part)]
        database.upsert(table, runner_id, columns)

    parts = list(_parts(records, database))
    if len(parts) == 1:  # a transaction in itself, in one round trip
        write(*parts[0])
        return
    with transaction.atomic(using=database.connection.alias):
        for table, part in parts:
            write(table, part)


def _parts(
    records: Sequence[Record], database: Database
) -> Iterator[Tuple[UpsertTable, List[Record]]]:
    """Split ``records`` into parts for one statement of bounded size each."""
    wordy = [record for record in records if record.words is not None]
    if len(wordy) < len(records):
        plain = [record for record in records if record.words is None] if wordy else records
        for part in _bounded(plain, database.max_rows(_WITHOUT_WORDS), database.max_characters):
            yield _WITHOUT_WORDS, part
    if wordy:
        for part in _bounded(wordy, database.max_rows(_WITH_WORDS), database.max_characters):
            yield _WITH_WORDS, part


def _bounded(
    records: Sequence[Record], max_rows: int, max_characters: int
) -> Iterator[List[Record]]:
    part: List[Record] = []
    characters = 0
    for record in records:
        length = record.characters
        if part and (len(part) == max_rows or characters + length > max_characters):
            yield part
            part, characters = [], 0
        part.append(record)
        characters += length
    yield part
