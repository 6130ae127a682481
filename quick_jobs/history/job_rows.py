"""The rows of the jobs that a runner registers.

Which names are equal, and which characters there are, is for the database to
say: MariaDB mostly holds ``resume`` and ``résumé`` for one name.
"""

from __future__ import annotations

import datetime as dt
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, TypeVar

from django.db import transaction

from quick_jobs.history.texts import in_every_form
from quick_jobs.models import Job
from quick_jobs.registration import LONGEST_NAME, RegisteredJob

Item = TypeVar("Item")

# Rows in one of the few queries made when a runner is registered. SQLite takes 999 values.
_ROWS_PER_QUERY = 400


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
    for part in in_parts([job for job in jobs if _is_ascii(job.name)]):
        found.update(_rows_of_plain_names(using, part))
    for job in jobs:
        if job.name not in found:
            found[job.name] = _row_of(using, job, is_about_data)
    _refuse_collisions(using, found)
    for job in jobs:
        row, stored_name = found[job.name]
        wanted = {"name": stored_name, **_schedule_of(job)}
        if any(getattr(row, field) != value for field, value in wanted.items()):
            Job.objects.using(using).filter(pk=row.pk).update(**wanted)
    return {name: row.pk for name, (row, _) in found.items()}


def _rows_of_plain_names(using: str, jobs: Sequence[RegisteredJob]) -> Dict[str, _Found]:
    """Return rows by name; none for a job where one with an equal name is in the way."""
    rows = _rows_named(using, jobs)
    missing = [job for job in jobs if job.name not in rows]
    if missing:
        Job.objects.using(using).bulk_create(
            [Job(name=job.name, **_schedule_of(job)) for job in missing],
            ignore_conflicts=True,
        )
        rows.update(_rows_named(using, missing))
    return rows


def _rows_named(using: str, jobs: Sequence[RegisteredJob]) -> Dict[str, _Found]:
    names = {job.name for job in jobs}
    rows = Job.objects.using(using).filter(name__in=names)
    return {row.name: _Found(row, row.name) for row in rows if row.name in names}


def _row_of(
    using: str, job: RegisteredJob, is_about_data: Callable[[BaseException], bool]
) -> _Found:
    """Return the row of a job whose name the database may hold for another, or may not take."""
    refusal: Optional[Exception] = None
    for name in in_every_form(job.name, LONGEST_NAME):
        try:
            row = _row_with_equal_name(using, job, name)
        except Exception as exc:
            if not is_about_data(exc):
                raise
            refusal = exc
        else:
            if row is not None:
                return _Found(row, name)
    raise refusal or ValueError(f"the database does not take the job's name {job.name!r}")


def _row_with_equal_name(using: str, job: RegisteredJob, name: str) -> Optional[Job]:
    """Return the row with an equal name, if need be a new one; None if the name is changed."""
    rows = Job.objects.using(using)
    with transaction.atomic(using=using):
        row: Job
        row, is_new = rows.get_or_create(name=name, defaults=_schedule_of(job))
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


def _schedule_of(job: RegisteredJob) -> Dict[str, Optional[dt.timedelta]]:
    return {"interval": job.interval, "variance": job.variance, "timeout": job.timeout}


def in_parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Split ``items`` into what one query can take, and what little memory can."""
    for start in range(0, len(items), _ROWS_PER_QUERY):
        yield items[start : start + _ROWS_PER_QUERY]
