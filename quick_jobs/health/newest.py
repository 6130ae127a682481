"""The newest executions of each of several jobs, or runners, however many there are of each.

First, an index tells at which moment the newest ``count`` of each begin. Then one query reads all
of them by ranges of that index, so older history costs nothing.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Dict, Iterable, Mapping, NamedTuple, Optional

from django.db.models import Q, Subquery
from django.db.models.query import QuerySet

from quick_jobs.models import Job, JobExecution, JobRunner


class Newest(NamedTuple):
    """The time range in which the newest executions of a job or runner started.

    It may have some more executions if several started at the same moment.
    """

    start: dt.datetime
    end: dt.datetime
    is_full: bool  # else there are no older ones


_GROUPS: Dict[str, Any] = {"job": Job, "runner": JobRunner}


def newest_of(executions: QuerySet[JobExecution], count: int) -> Optional[Newest]:
    """Return the time range of the newest ``count`` of ``executions``, None if there are fewer."""
    starts = executions.order_by("-started_at").values_list("started_at", flat=True)
    start = next(iter(starts[count - 1 : count]), None)
    return None if start is None else Newest(start, starts[0], True)


def newest_of_each(
    group: str,
    pks: Iterable[int],
    count: int,
    until: Optional[dt.datetime] = None,
    using: Optional[str] = None,
) -> Dict[int, Newest]:
    """Return the time range of the newest ``count`` executions of each job or runner in ``pks``.

    ``group`` is "job" or "runner". Those that have no executions are left out.
    """
    executions = JobExecution.objects.using(using)
    if until is not None:
        executions = executions.filter(started_at__lte=until)
    newest_first = executions.of_each(group).values("started_at")
    oldest_first = executions.of_each(group, newest_first=False).values("started_at")
    rows = _GROUPS[group].objects.using(using).filter(pk__in=list(pks)).order_by()
    rows = rows.annotate(
        since=Subquery(newest_first[count - 1 : count]),
        oldest=Subquery(oldest_first[:1]),
        newest=Subquery(newest_first[:1]),
    )
    return {
        pk: Newest(since or oldest, newest, since is not None)
        for pk, since, oldest, newest in rows.values_list("pk", "since", "oldest", "newest")
        if newest is not None
    }


def any_of(group: str, ranges: Mapping[int, Newest]) -> Q:
    """Return the condition for the executions of each job or runner in its time range.

    The ranges have an end because databases estimate the number of rows from their lengths.
    """
    found = Q(pk__in=[])
    for pk, time_range in ranges.items():
        found |= Q(**{group: pk}, started_at__gte=time_range.start, started_at__lte=time_range.end)
    return found
