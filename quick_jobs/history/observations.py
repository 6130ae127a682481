"""Writes looks at running executions: updates rows that have no end yet."""

from __future__ import annotations

import datetime as dt
from typing import Any, Dict, Iterator, List, Sequence

from quick_jobs.databases.base import Database
from quick_jobs.databases.statements import cases_update
from quick_jobs.databases.tables import UpdateTable
from quick_jobs.history.look import LookTexts
from quick_jobs.models import JobExecution

_EXECUTIONS = UpdateTable(
    JobExecution._meta.db_table, shared="runner_id", key="number", final="finished_at"
)


def update_observed(
    database: Database, runner_id: int, looks: Sequence[LookTexts], observed_at: dt.datetime
) -> None:
    """Write ``looks``, in one statement if they are not long. Ended executions do not change.

    ``observed_at`` is as a field holds it. Writing the same again changes nothing.
    """
    ops = database.connection.ops
    name = ops.quote_name(_EXECUTIONS.name)
    common = {"observed_at": ops.adapt_datetimefield_value(observed_at)}
    with database.connection.cursor() as cursor:
        for part in _parts(looks, database.max_characters):
            changes = {look.number: _columns(look) for look in part}
            cursor.execute(*cases_update(_EXECUTIONS, name, runner_id, common, changes))


def _columns(look: LookTexts) -> Dict[str, Any]:
    columns: Dict[str, Any] = {}
    if look.progress_done is not None:
        columns["progress_done"] = look.progress_done
        columns["progress_total"] = look.progress_total
    texts = {"note": look.note, "log": look.log, "stack": look.stack}
    columns.update((name, text) for name, text in texts.items() if text is not None)
    return columns


def _parts(looks: Sequence[LookTexts], max_characters: int) -> Iterator[List[LookTexts]]:
    part: List[LookTexts] = []
    characters = 0
    for look in looks:
        if part and characters + look.characters > max_characters:
            yield part
            part, characters = [], 0
        part.append(look)
        characters += look.characters
    if part:
        yield part
