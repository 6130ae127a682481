"""The newest executions of each of several jobs, or runners, in two queries."""

from __future__ import annotations

from typing import Dict, List, Sequence

from django.db.models import Model

from quick_jobs.admin.execution_view import ExecutionView, read_executions
from quick_jobs.admin.page_clock import PageClock
from quick_jobs.admin.recent.statistics import RecentExecutions
from quick_jobs.health.newest import Newest as Newest
from quick_jobs.health.newest import any_of as any_of
from quick_jobs.health.newest import newest_of as newest_of
from quick_jobs.health.newest import newest_of_each as newest_of_each
from quick_jobs.models import JobExecution


def recent_executions(
    group: str, rows: Sequence[Model], count: int, clock: PageClock
) -> Dict[int, RecentExecutions]:
    """Return, by primary key, the newest ``count`` executions of each job or runner in ``rows``.

    ``group`` is "job" or "runner". That takes two queries.
    """
    found: Dict[int, List[ExecutionView]] = {row.pk: [] for row in rows}
    if rows:
        ranges = newest_of_each(group, [row.pk for row in rows], count)
        for view in read_executions(JobExecution.objects.filter(any_of(group, ranges)), clock):
            found[getattr(view, f"{group}_id")].append(view)
    for views in found.values():
        views.sort(key=lambda view: (view.started_at, view.pk), reverse=True)
        del views[count:]
    return {pk: RecentExecutions(views) for pk, views in found.items()}
