"""The executions that automatic pruning keeps at any age, so that every job has a history.

An execution that is recorded meanwhile may make one of them the second newest. It then stays until
the next pruning.
"""

from __future__ import annotations

import datetime as dt
import math
from bisect import bisect_left, bisect_right, insort
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

from django.db.models import QuerySet, Subquery

from quick_jobs.history.prunable import Rows
from quick_jobs.models import Job, JobExecution, JobExecutionQuerySet, JobRunner

# Jobs that are read together.
_JOBS = 200

# A job's executions that are read at once in search of a success: first, next, and from then on.
# Usually the first ones include a success.
_READS = (10, 100, 500)

# Reads in one step.
_READS_AT_ONCE = 10


class _Walk(NamedTuple):
    """The position of the search for a job's newest success."""

    job: int
    before: Optional[dt.datetime] = None
    reads: int = 0


class NewestOfKnownJobs:
    """The newest execution and the newest success of each known job, if older than ``cutoff``.

    A job is known if it is in the code or in a live runner's list. The search deletes nothing, and
    must be finished before old executions are deleted. Each step reads a bounded piece of an index.
    If a job has failed for long, not all of its executions newer than ``cutoff`` are read: the
    newest old success then stays even if there is a newer one.
    """

    def __init__(
        self, using: str, cutoff: dt.datetime, is_in_code: Callable[[str], object]
    ) -> None:
        self.is_finished = False
        self._using = using
        self._executions = JobExecution.objects.using(using)
        self._cutoff = cutoff
        self._is_in_code = is_in_code
        self._kept: List[Tuple[dt.datetime, float]] = []  # by start, with the primary key
        self._walks: List[_Walk] = []
        self._after: Optional[int] = 0

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._kept)

    def among(
        self, executions: JobExecutionQuerySet, since: dt.datetime, until: dt.datetime
    ) -> List[int]:
        """Return the primary keys of those that started from ``since`` to ``until``."""
        first = bisect_left(self._kept, (since, 0))
        last = bisect_right(self._kept, (until, math.inf))
        return [int(pk) for _, pk in self._kept[first:last]]

    def find(self, size: int) -> Rows:
        """Read the next jobs, or search further for their successes; return no rows."""
        if self._walks:
            self._walk_on()
        else:
            self._look_at_jobs(min(size, _JOBS))
        return []

    def advance(self) -> None:
        """Note that this step is done."""
        self.is_finished = self._after is None and not self._walks

    def _look_at_jobs(self, size: int) -> None:
        newest = self._executions.of_each("job")
        jobs = Job.objects.using(self._using).filter(pk__gt=self._after).order_by("pk")
        jobs = jobs.annotate(newest=Subquery(newest.values("pk")[:1]))
        page = list(jobs.values_list("pk", "name", "newest")[:size])
        elsewhere = [pk for pk, name, _ in page if not self._is_in_code(name)]
        unknown = set(elsewhere).difference(self._in_lists_of_live_runners(elsewhere))
        rows = self._executions.filter(
            pk__in=[last for pk, _, last in page if last is not None and pk not in unknown]
        )
        walks = []
        for job, *row, outcome in rows.values_list("job_id", "started_at", "pk", "outcome"):
            self._keep(*row)
            if outcome != JobExecution.SUCCEEDED:
                walks.append(_Walk(job))
        self._walks = walks
        self._after = page[-1][0] if len(page) == size else None

    def _in_lists_of_live_runners(self, jobs: List[int]) -> List[int]:
        if not jobs:
            return []
        links: QuerySet[Any] = JobRunner.jobs.through._default_manager.using(self._using)
        alive = JobRunner.objects.using(self._using).alive().values_list("pk", flat=True)
        linked = links.filter(job_id__in=jobs, jobrunner_id__in=list(alive))
        return list(linked.values_list("job_id", flat=True))

    def _walk_on(self) -> None:
        walks = self._walks[:]
        for _ in range(_READS_AT_ONCE):
            if walks:
                walks += self._read(walks.pop())
        self._walks = walks

    def _read(self, walk: _Walk) -> List[_Walk]:
        """Read the next executions of a job; return where to continue if there is no success."""
        size = _READS[min(walk.reads, len(_READS) - 1)]
        executions = self._executions.filter(job_id=walk.job)
        rows = executions if walk.before is None else executions.filter(started_at__lt=walk.before)
        # Whatever the planner assumes about outcomes, this reads a piece of the index by job.
        newest = rows.order_by("-started_at").values_list("started_at", "pk", "outcome")
        found = list(newest[:size])
        successes = [row for row in found if row[2] == JobExecution.SUCCEEDED]
        if not successes and len(found) == size:
            # The piece may end in the middle of executions that started at the same moment.
            last = executions.filter(started_at=found[-1][0], outcome=JobExecution.SUCCEEDED)
            successes = list(last.values_list("started_at", "pk", "outcome")[:1])
        if successes:
            self._keep(*successes[0][:2])
        if successes or len(found) < size:
            return []
        before = found[-1][0]
        if walk.reads:  # enough recent executions have been read
            before = min(before, self._cutoff)
        return [_Walk(walk.job, before, walk.reads + 1)]

    def _keep(self, started_at: dt.datetime, pk: int) -> None:
        if started_at < self._cutoff:
            insort(self._kept, (started_at, pk))
