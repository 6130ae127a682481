"""The buckets of a window in which a job has started, for jobs with too many executions to read."""

from __future__ import annotations

import datetime as dt
from typing import Any, Dict, List, NamedTuple, Sequence, Set, Tuple

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import DateTimeField

from quick_jobs.admin.timeline.bars import BUCKETS, Window
from quick_jobs.models import Job, JobExecution

Statement = Tuple[str, List[Any]]


class Question(NamedTuple):
    """What a statement is made of. Bucket n reaches from edge n up to edge n + 1."""

    job_table: str
    execution_table: str
    jobs: Sequence[int]  # primary keys
    edges: Sequence[dt.datetime]


def buckets_in_use(pks: Sequence[int], window: Window) -> Dict[int, Set[int]]:
    """Return the buckets in which each of these jobs has started, in one query."""
    connection = connections[router.db_for_read(JobExecution)]
    question = Question(
        Job._meta.db_table,
        JobExecution._meta.db_table,
        pks,
        [window.bucket_start(bucket) for bucket in range(BUCKETS + 1)],
    )
    statement = by_grouping if connection.vendor == "mysql" else by_probing
    found: Dict[int, Set[int]] = {pk: set() for pk in pks}
    with connection.cursor() as cursor:
        cursor.execute(*statement(connection, question))
        for pk, bucket in cursor.fetchall():
            if bucket is not None:
                found[pk].add(bucket)
    return found


# The statements give pairs of a job and a bucket, and know no model.


def by_probing(connection: BaseDatabaseWrapper, question: Question) -> Statement:
    """Look once into the index for each bucket of each job, however many executions there are."""
    quote, adapt = connection.ops.quote_name, connection.ops.adapt_datetimefield_value
    moment = "%s"
    if connection.vendor != "sqlite":  # which has moments as texts
        moment = f"CAST(%s AS {DateTimeField().cast_db_type(connection)})"
    edges = [adapt(edge) for edge in question.edges]
    pairs = list(zip(edges, edges[1:]))
    buckets = [
        f"SELECT {bucket} AS bucket, {moment} AS first, {moment} AS beyond"
        for bucket in range(len(pairs))
    ]
    # In the list of what is selected, where no planner makes a join with the whole table of it.
    sql = (
        f"SELECT job.id, (SELECT buckets.bucket FROM {quote(question.execution_table)} execution"
        " WHERE execution.job_id = job.id AND execution.started_at >= buckets.first"
        " AND execution.started_at < buckets.beyond LIMIT 1)"
        f" FROM {quote(question.job_table)} job CROSS JOIN ({' UNION ALL '.join(buckets)}) buckets"
        f" WHERE job.id IN ({_places(question.jobs)})"
    )
    return sql, [*(edge for pair in pairs for edge in pair), *question.jobs]


def by_grouping(connection: BaseDatabaseWrapper, question: Question) -> Statement:
    """Read the index from the window's start to its end: MariaDB has no better use for it.

    It would look for a bucket by reading all that the job has in the index.
    """
    quote, adapt = connection.ops.quote_name, connection.ops.adapt_datetimefield_value
    first, last = question.edges[0], question.edges[-1]
    start, end = adapt(first), adapt(last)
    sql = (
        "SELECT job_id, (TO_SECONDS(started_at) - TO_SECONDS(%s)) DIV %s AS bucket"
        f" FROM {quote(question.execution_table)}"
        f" WHERE job_id IN ({_places(question.jobs)}) AND started_at >= %s AND started_at < %s"
        " GROUP BY job_id, bucket"
    )
    length = (last - first).total_seconds() / (len(question.edges) - 1)
    return sql, [start, int(length), *question.jobs, start, end]


def _places(values: Sequence[int]) -> str:
    return ", ".join(["%s"] * len(values))
