"""The rows of the jobs that a runner registers.

Which names are equal, and which characters there are, is for the database to
say: MariaDB mostly holds ``resume`` and ``résumé`` for one name.
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

# Rows in one of the few queries made when a runner is registered. SQLite takes 999 values.
ROWS_PER_QUERY = 400


class NamesCollide(Exception):
    """The database holds the names of several jobs for one."""


class _Found(NamedTuple):
    row: Job
    stored_name: str  # the job's name, as far as the database can write it


def register_jobs(
    using: str, jobs: Sequence[RegisteredJob], is_about_data: Callable[[BaseException], bool]
) -> Dict[str, int]:
    """Put ``jobs`` on record with their schedules; return their primary keys by name.

    The row of a job that was renamed to what the database holds for the same
    name goes on as that of the new name. Raises :exc:`NamesCollide`.
    """
    # Sorted, so that runners which start at the same moment do not deadlock.
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
            # Not known of a job from before it was put on record.
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
    """Write ``changes``; texts that the database does not take are written in ASCII."""
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
    """Return rows by name; none for a job where one with an equal name is in the way."""
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
    """Return the row of a job whose name the database may hold for another, or may not take."""
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
    """Return the row with an equal name, if need be a new one; None if the name is changed."""
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
    """Return what every database takes of :func:`_facts_of`."""
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
    """Split ``items`` into what one query can take, and what little memory can."""
    for start in range(0, len(items), ROWS_PER_QUERY):
        yield items[start : start + ROWS_PER_QUERY]
