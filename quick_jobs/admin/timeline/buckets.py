"""In which buckets of a window a job has started, where its executions are too many to be read."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Set, Tuple

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import DateTimeField

from quick_jobs.admin.timeline.bars import BUCKETS, Window
from quick_jobs.models import Job, JobExecution

Query = Tuple[str, List[Any]]


def buckets_in_use(pks: Sequence[int], window: Window) -> Dict[int, Set[int]]:
    """Return the buckets in which each of these jobs has started, in one query."""
    connection = connections[router.db_for_read(JobExecution)]
    query = _by_grouping if connection.vendor == "mysql" else _by_probing
    found: Dict[int, Set[int]] = {pk: set() for pk in pks}
    with connection.cursor() as cursor:
        cursor.execute(*query(connection, pks, window))
        for pk, bucket in cursor.fetchall():
            if bucket is not None:
                found[pk].add(bucket)
    return found


def _by_probing(connection: BaseDatabaseWrapper, pks: Sequence[int], window: Window) -> Query:
    """Look once into the index for each bucket of each job, however many executions there are."""
    quote, adapt = connection.ops.quote_name, connection.ops.adapt_datetimefield_value
    moment = "%s"
    if connection.vendor != "sqlite":  # which has moments as texts
        moment = f"CAST(%s AS {DateTimeField().cast_db_type(connection)})"
    buckets = [
        f"SELECT {bucket} AS bucket, {moment} AS first, {moment} AS beyond"
        for bucket in range(BUCKETS)
    ]
    edges = [adapt(window.bucket_start(bucket)) for bucket in range(BUCKETS + 1)]
    params = [edge for pair in zip(edges, edges[1:]) for edge in pair]
    # In the list of what is selected, where no planner makes a join with the whole table of it.
    sql = (
        f"SELECT job.id, (SELECT buckets.bucket FROM {quote(JobExecution._meta.db_table)} execution"
        " WHERE execution.job_id = job.id AND execution.started_at >= buckets.first"
        " AND execution.started_at < buckets.beyond LIMIT 1)"
        f" FROM {quote(Job._meta.db_table)} job CROSS JOIN ({' UNION ALL '.join(buckets)}) buckets"
        f" WHERE job.id IN ({_places(pks)})"
    )
    return sql, [*params, *pks]


def _by_grouping(connection: BaseDatabaseWrapper, pks: Sequence[int], window: Window) -> Query:
    """Read the index from the window's start to its end: MariaDB has no better use for it.

    It would look for a bucket by reading all that the job has in the index.
    """
    start, end = map(connection.ops.adapt_datetimefield_value, window)
    sql = (
        "SELECT job_id, (TO_SECONDS(started_at) - TO_SECONDS(%s)) DIV %s AS bucket"
        f" FROM {connection.ops.quote_name(JobExecution._meta.db_table)}"
        f" WHERE job_id IN ({_places(pks)}) AND started_at >= %s AND started_at < %s"
        " GROUP BY job_id, bucket"
    )
    length = (window.end - window.start).total_seconds() / BUCKETS
    return sql, [start, int(length), *pks, start, end]


def _places(pks: Sequence[int]) -> str:
    return ", ".join(["%s"] * len(pks))
