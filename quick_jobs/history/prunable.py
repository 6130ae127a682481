"""Finds the executions that are old enough to be pruned, batch by batch.

``find`` returns the next batch of a search, and ``advance`` marks it as done.
Each ``find`` reads a bounded piece of an index, and never the same piece twice.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from django.db import connections
from django.db.models import Max, QuerySet

from quick_jobs.models import JobExecution, JobExecutionQuerySet, JobRunner

# Executions that a batch excludes, at most: older releases of PostgreSQL compare each row with each
# of them.
_MOST_SPARED = 1000

# The least difference between moments in a database.
_TICK = dt.timedelta(microseconds=1)

Rows = List["QuerySet[Any]"]

#: Returns the primary keys of executions to keep, for some that started between two moments. It may
#: return others too.
Spared = Callable[[JobExecutionQuerySet, dt.datetime, dt.datetime], List[int]]


class Rules(NamedTuple):
    """The rules for what is pruned: executions that started longer ago than ``older_than``.

    The ``keep_last`` newest of each job always stay. With ``outcomes``, other outcomes stay.
    Unless ``jobs`` (primary keys) is None, the executions of other jobs stay. With
    ``keep_newest``, which replaces ``keep_last``, the newest execution and the newest success
    stay of each job that is in the code or in a live runner's list.
    """

    older_than: dt.timedelta
    keep_last: int = 0
    outcomes: Sequence[str] = ()
    jobs: Optional[Sequence[int]] = None
    keep_newest: bool = False

    @property
    def spare_some(self) -> bool:
        """Whether old executions of gone runners may stay."""
        return bool(self.keep_last or self.outcomes) or self.jobs is not None


class NewestOfEachJob:
    """The ``count`` newest executions of each job."""

    def __init__(self, using: str, count: int) -> None:
        self._executions = JobExecution.objects.using(using)
        self._count = count
        self._oldest: Dict[int, Optional[Tuple[dt.datetime, int]]] = {}

    def among(self, executions: JobExecutionQuerySet, *_: object) -> List[int]:
        """Return the primary keys of those in ``executions`` that are among the newest."""
        latest = executions.values_list("job_id").annotate(Max("started_at"))
        if not any(self._reaches(job, started_at) for job, started_at in latest):
            return []
        rows = executions.values_list("job_id", "started_at", "pk")
        return [pk for job, started_at, pk in rows.iterator() if self._reaches(job, started_at, pk)]

    def _reaches(self, job: int, started_at: dt.datetime, pk: Optional[int] = None) -> bool:
        if job not in self._oldest:
            newest = self._executions.filter(job_id=job).order_by("-started_at", "-pk")
            self._oldest[job] = _nth(newest.values_list("started_at", "pk"), self._count - 1)
        oldest = self._oldest[job]
        if oldest is None:  # there are fewer than that
            return True
        return started_at >= oldest[0] if pk is None else (started_at, pk) >= oldest


class OldExecutions:
    """Executions that started before ``cutoff``, oldest first.

    ``only`` is a condition that comes before ``started_at`` in an index. Those ``spared`` stay.
    """

    def __init__(
        self,
        using: str,
        rules: Rules,
        cutoff: dt.datetime,
        only: Dict[str, Any],
        spared: Optional[Spared] = None,
    ) -> None:
        self.is_finished = False
        self.reached: Optional[dt.datetime] = None
        self._using = using
        self._rules = rules
        self._spared = spared
        self._executions = JobExecution.objects.using(using).filter(**only)
        self._cutoff = cutoff
        # Of those that started at the current moment, all up to this primary key are done.
        self._after: Optional[int] = None
        self._next: Tuple[Optional[dt.datetime], Optional[int]] = (None, None)

    def find(self, size: int) -> Rows:
        """Return those of the next ``size`` executions that are to be pruned."""
        if self.reached is None:
            self.reached = _nth(self._by_start(self._old()), 0)
        if self.reached is None:
            self._next = (None, None)
            return []
        rows = self._window(self.reached, size)
        spared = self._spared_among(self.reached, rows)
        most = min(most_values(self._using), _MOST_SPARED)
        if len(spared) > most:
            rows = self._window(self.reached, most)
            found = set(rows.values_list("pk", flat=True))
            spared = list(found.intersection(self._spared_among(self.reached, rows)))
        if spared:
            rows = rows.exclude(pk__in=spared)
        return [self._without_those_that_run(rows)]

    def advance(self) -> None:
        """Continue after the batch that was found."""
        self.reached, self._after = self._next
        self.is_finished = self.reached is None

    def _spared_among(self, start: dt.datetime, rows: JobExecutionQuerySet) -> List[int]:
        if not self._spared:
            return []
        return self._spared(rows, start, self._next[0] or self._cutoff)

    def _window(self, start: dt.datetime, size: int) -> JobExecutionQuerySet:
        """Return those of the next ``size`` executions that have the right outcome."""
        rows = self._next_ones(start, size)
        return rows.filter(outcome__in=self._rules.outcomes) if self._rules.outcomes else rows

    def _next_ones(self, start: dt.datetime, size: int) -> JobExecutionQuerySet:
        """Return the next ``size`` executions; fewer, but at least one, if many started at once."""
        if self._after is not None:
            return self._of_one_moment(start, self._after, size)
        rest = self._old(since=start)
        end = _nth(self._by_start(rest), size)
        if end == start:
            return self._of_one_moment(start, 0, size)
        self._next = (end, None)
        return rest if end is None else self._old(since=start, before=end)

    def _of_one_moment(self, moment: dt.datetime, after: int, size: int) -> JobExecutionQuerySet:
        same = self._executions.filter(started_at=moment, pk__gt=after)
        last = _nth(same.order_by("pk").values_list("pk", flat=True), size - 1)
        if last is None:
            self._next = (moment + _TICK, None)
            return same
        self._next = (moment, last)
        return same.filter(pk__lte=last)

    def _old(
        self, since: Optional[dt.datetime] = None, before: Optional[dt.datetime] = None
    ) -> JobExecutionQuerySet:
        # With two upper bounds, SQLite would use the first one, and read up to it.
        old = self._executions.filter(started_at__lt=before or self._cutoff)
        return old if since is None else old.filter(started_at__gte=since)

    def _by_start(self, executions: JobExecutionQuerySet) -> QuerySet[Any]:
        return executions.order_by("started_at").values_list("started_at", flat=True)

    def _without_those_that_run(self, rows: JobExecutionQuerySet) -> JobExecutionQuerySet:
        alive = JobRunner.objects.using(self._using).alive().values_list("pk", flat=True)
        return rows.exclude(outcome=JobExecution.RUNNING, runner_id__in=list(alive))


def most_values(using: str) -> int:
    """Return how many values a statement takes, without the few others in it."""
    return (connections[using].features.max_query_params or 10_000) - 99


def _nth(rows: QuerySet[Any], index: int) -> Any:
    """Return the row at ``index``, from 0, or None."""
    return next(iter(rows[index : index + 1]), None)
