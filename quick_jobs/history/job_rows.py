"""The rows of the jobs that a runner registers.

The database decides which names are equal, and which characters it can store:
for MariaDB, ``resume`` and ``résumé`` are usually the same name.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, TypeVar

from django.db import transaction

from quick_jobs.databases import database_now
from quick_jobs.databases.timestamps import as_stored
from quick_jobs.history.texts import in_ascii, in_every_form
from quick_jobs.models import Job
from quick_jobs.registration import LONGEST_NAME, RegisteredJob
from quick_jobs.schedules import schedule_repr

Item = TypeVar("Item")

_TEXTS = ("schedule", "description")

# Rows in one of the few queries that register a runner. SQLite takes 999 values.
ROWS_PER_QUERY = 400


class NamesCollide(Exception):
    """The database treats the names of several jobs as equal."""


class _Found(NamedTuple):
    row: Job
    stored_name: str  # the job's name, as the database can store it


def register_jobs(
    using: str, jobs: Sequence[RegisteredJob], is_about_data: Callable[[BaseException], bool]
) -> Dict[str, int]:
    """Put ``jobs`` on record with their schedules; return their primary keys by name.

    If a job was renamed to a name that the database treats as equal, its row is
    used for the new name. Raises :exc:`NamesCollide`.
    """
    # Sorted, so that runners that start at the same moment do not deadlock.
    jobs = sorted(jobs, key=lambda job: job.name)
    found: Dict[str, _Found] = {}
    now = as_stored(database_now(using))
    for part in in_parts([job for job in jobs if _is_ascii(job.name)]):
        found.update(_rows_of_plain_names(using, part, now))
    for job in jobs:
        if job.name not in found:
            found[job.name] = _row_of(using, job, now, is_about_data)
    _refuse_collisions(using, found)
    for job in jobs:
        row, stored_name = found[job.name]
        wanted = {
            "name": stored_name,
            # Not known for jobs that were recorded before the field existed.
            "registered_at": row.registered_at or now,
            **_facts_of(job),
        }
        changes = {field: new for field, new in wanted.items() if getattr(row, field) != new}
        if changes:
            _update(using, row.pk, changes, is_about_data)
    return {name: row.pk for name, (row, _) in found.items()}


def _update(
    using: str, pk: int, changes: Dict[str, Any], is_about_data: Callable[[BaseException], bool]
) -> None:
    """Write ``changes``, with texts in ASCII if the database does not accept them."""
    rows = Job.objects.using(using).filter(pk=pk)
    try:
        rows.update(**changes)
    except Exception as exc:
        texts = {field: changes[field] for field in _TEXTS if field in changes}
        if not texts or not is_about_data(exc):
            raise
        rows.update(**{**changes, **{field: in_ascii(text)[:255] for field, text in texts.items()}})


def _rows_of_plain_names(
    using: str, jobs: Sequence[RegisteredJob], now: dt.datetime
) -> Dict[str, _Found]:
    """Return rows by name, without jobs whose place is taken by an equal name."""
    rows = _rows_named(using, jobs)
    missing = [job for job in jobs if job.name not in rows]
    if missing:
        Job.objects.using(using).bulk_create(
            [Job(name=job.name, registered_at=now, **_plain_facts_of(job)) for job in missing],
            ignore_conflicts=True,
        )
        rows.update(_rows_named(using, missing))
    return rows


def _rows_named(using: str, jobs: Sequence[RegisteredJob]) -> Dict[str, _Found]:
    names = {job.name for job in jobs}
    rows = Job.objects.using(using).filter(name__in=names)
    return {row.name: _Found(row, row.name) for row in rows if row.name in names}


def _row_of(
    using: str,
    job: RegisteredJob,
    now: dt.datetime,
    is_about_data: Callable[[BaseException], bool],
) -> _Found:
    """Return the row of a job whose name may equal another for the database, or be refused."""
    refusal: Optional[Exception] = None
    for name in in_every_form(job.name, LONGEST_NAME):
        try:
            row = _row_with_equal_name(using, job, name, now)
        except Exception as exc:
            if not is_about_data(exc):
                raise
            refusal = exc
        else:
            if row is not None:
                return _Found(row, name)
    raise refusal or ValueError(f"the database does not take the job's name {job.name!r}")


def _row_with_equal_name(
    using: str, job: RegisteredJob, name: str, now: dt.datetime
) -> Optional[Job]:
    """Return the row with an equal name, or a new one; None if the database changes the name."""
    rows = Job.objects.using(using)
    with transaction.atomic(using=using):
        row: Job
        defaults = {"registered_at": now, **_plain_facts_of(job)}
        row, is_new = rows.get_or_create(name=name, defaults=defaults)
        if is_new and rows.get(pk=row.pk).name != name:
            # MariaDB without strict mode has written "?" for what it cannot write.
            rows.filter(pk=row.pk).delete()
            return None
    return row


def _refuse_collisions(using: str, found: Dict[str, _Found]) -> None:
    names: Dict[int, List[str]] = {}
    for name, (row, _) in found.items():
        names.setdefault(row.pk, []).append(name)
    collisions = [" and ".join(sorted(same)) for same in names.values() if len(same) > 1]
    if collisions:
        raise NamesCollide(
            f"The database {using!r} holds the names of these jobs for one, by its collation: "
            f"{'; '.join(collisions)}. Rename all but one, or give the column "
            f"{Job._meta.db_table}.name a collation that tells them apart, such as utf8mb4_bin."
        )


def _is_ascii(text: str) -> bool:
    return all(ord(character) < 128 for character in text)


def _plain_facts_of(job: RegisteredJob) -> Dict[str, Any]:
    """Return :func:`_facts_of` in a form that every database accepts."""
    facts = _facts_of(job)
    return {field: fact for field, fact in facts.items() if field not in _TEXTS or _is_ascii(fact)}


def _facts_of(job: RegisteredJob) -> Dict[str, Any]:
    return {
        "interval": job.interval,
        "variance": job.variance,
        "timeout": job.timeout,
        "schedule": "" if job.schedule is None else schedule_repr(job.schedule),
        "description": job.description,
    }


def in_parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Split ``items`` into parts for one query each, which also saves memory."""
    for start in range(0, len(items), ROWS_PER_QUERY):
        yield items[start : start + ROWS_PER_QUERY]
