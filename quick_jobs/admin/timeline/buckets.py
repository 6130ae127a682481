"""The buckets of a window in which a job has started, for jobs with too many executions to read."""

from __future__ import annotations

from typing import Dict, Sequence, Set

from django.db import connections, router

from quick_jobs.admin.timeline.bars import BUCKETS, Window
from quick_jobs.databases import database_of
from quick_jobs.databases.tables import BucketQuestion
from quick_jobs.models import Job, JobExecution


def buckets_in_use(pks: Sequence[int], window: Window) -> Dict[int, Set[int]]:
    """Return the buckets in which each of these jobs has started, in one query."""
    connection = connections[router.db_for_read(JobExecution)]
    question = BucketQuestion(
        Job._meta.db_table,
        JobExecution._meta.db_table,
        pks,
        [window.bucket_start(bucket) for bucket in range(BUCKETS + 1)],
    )
    found: Dict[int, Set[int]] = {pk: set() for pk in pks}
    with connection.cursor() as cursor:
        cursor.execute(*database_of(connection).buckets_statement(question))
        for pk, bucket in cursor.fetchall():
            if bucket is not None:
                found[pk].add(bucket)
    return found
