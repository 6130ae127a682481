"""Finds runners and jobs to which nothing refers any more, batch by batch."""

from __future__ import annotations

import datetime as dt
from typing import Any, Callable, List, Optional, Sequence

from django.db.models import Exists, OuterRef, Q, QuerySet

from quick_jobs.databases import database_now
from quick_jobs.databases.timestamps import as_stored
from quick_jobs.history.in_use import InUse
from quick_jobs.history.prunable import Rows, most_values
from quick_jobs.models import Job, JobExecution, JobRunner, JobRunnerQuerySet
from quick_jobs.once_runs import LAST_RUNS

# Values that a statement takes on every database, with room for the few others in it.
_MOST_VALUES = 900

# Runners that are checked together. Each may have had millions of executions.
_RUNNERS = 10

# How long runs of ``run_jobs --once`` are kept that had nothing to run.
_IDLE_RUNS_STAY = dt.timedelta(days=1)


class _ByPrimaryKey:
    """A search that goes through a table by primary key."""

    def __init__(self) -> None:
        self.is_finished = False
        self._after = 0
        self._next: Optional[int] = 0

    def advance(self) -> None:
        """Continue after the batch that was found."""
        self.is_finished = self._next is None
        self._after = self._next or self._after

    def _page(self, rows: QuerySet[Any], fields: Sequence[str], size: int) -> List[Any]:
        """Return the next ``size`` of ``rows``, with their primary key and ``fields``."""
        rows = rows.filter(pk__gt=self._after).order_by("pk")
        found = list(rows.values_list("pk", *fields)[:size])
        self._next = found[-1][0] if len(found) == size else None
        return found


class GoneRunners(_ByPrimaryKey):
    """Runners without executions whose end or last heartbeat was before ``cutoff``.

    Those of ``run_jobs --once`` go after a day, because most run nothing. The last ones stay: they
    show when the next is expected.
    With ``may_have_old``, they may have executions from before it. To check that takes long if many
    have just been deleted. Those ``in_use`` keep their links.
    """

    def __init__(
        self, using: str, cutoff: dt.datetime, may_have_old: Callable[[], bool], in_use: InUse
    ) -> None:
        super().__init__()
        self._using = using
        self._cutoff = cutoff
        self._may_have_old = may_have_old
        self._in_use = in_use
        self._idle_before = as_stored(database_now(using) - _IDLE_RUNS_STAY)
        runs = JobRunner.objects.using(using).filter(kind=JobRunner.ONCE).order_by("-pk")
        self._last_runs = list(runs.values_list("pk", flat=True)[:LAST_RUNS])

    def find(self, size: int) -> Rows:
        """Return some of the next ones, after ``size`` of their links to jobs."""
        page = self._page(self._gone(), [], _RUNNERS)
        unused = _without_executions(
            "runner_id", [pk for (pk,) in page], self._cutoff, self._using, self._may_have_old()
        )
        free = self._in_use.free(JobRunner, unused)
        links = _links(self._using).filter(jobrunner_id__in=free)
        size = min(size, most_values(self._using))
        some_links = list(links.values_list("pk", flat=True)[:size])
        rows: Rows = [links.filter(pk__in=some_links)]
        if len(some_links) == size:  # a runner may have thousands of jobs
            self._next = self._after
        else:
            rows.append(self._gone().filter(pk__in=unused))
        return rows

    def _gone(self) -> JobRunnerQuerySet:
        runners = JobRunner.objects.using(self._using)
        is_idle_run = Q(kind=JobRunner.ONCE, stopped_at__lt=self._idle_before)
        stopped = runners.stopped().filter(
            Q(stopped_at__lt=self._cutoff) | is_idle_run & ~Q(pk__in=self._last_runs)
        )
        return stopped | runners.lost().filter(last_heartbeat_at__lt=self._cutoff)


class ForgottenJobs(_ByPrimaryKey):
    """Jobs without executions that no runner has and that are not in the code.

    Unless ``jobs`` (primary keys) is None, only those.
    """

    def __init__(
        self,
        using: str,
        cutoff: dt.datetime,
        jobs: Optional[Sequence[int]],
        is_in_code: Callable[[str], object],
    ) -> None:
        super().__init__()
        self._using = using
        self._cutoff = cutoff
        self._only = jobs
        self._is_in_code = is_in_code

    def find(self, size: int) -> Rows:
        """Return those of the next ``size`` jobs that are unused."""
        jobs = Job.objects.using(self._using)
        has_runners = Exists(_links(self._using).filter(job_id=OuterRef("pk")))
        page = self._page(
            jobs.annotate(has_runners=has_runners), ["name", "has_runners"], min(size, _MOST_VALUES)
        )
        unknown = [
            pk
            for pk, name, has_runners in page
            if not (has_runners or self._is_in_code(name))
            and (self._only is None or pk in self._only)
        ]
        forgotten = _without_executions("job_id", unknown, self._cutoff, self._using)
        return [jobs.filter(pk__in=forgotten)]


def _without_executions(
    field: str, owners: List[int], cutoff: dt.datetime, using: str, may_have_old: bool = True
) -> List[int]:
    """Return those primary keys of ``owners`` to which no execution's ``field`` refers."""
    executions = JobExecution.objects.using(using)
    # Until a vacuum, PostgreSQL reads deleted rows too. So the first query is for executions
    # after the cutoff, where nothing has been deleted.
    recent = executions.filter(started_at__gte=cutoff)
    for rows in [recent, executions] if may_have_old else [recent]:
        owners = [pk for pk in owners if not rows.filter(**{field: pk}).exists()]
    return owners


def _links(using: str) -> QuerySet[Any]:
    return JobRunner.jobs.through._default_manager.using(using).all()
