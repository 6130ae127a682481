"""Deletes old history in small batches that block nobody."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Optional, Union

from django.db import DatabaseError, IntegrityError, connections, transaction
from django.db.models import Count

from quick_jobs.conf import conf
from quick_jobs.databases import database_now, database_of
from quick_jobs.databases.base import Database
from quick_jobs.databases.timestamps import as_stored
from quick_jobs.history.batch_size import BatchSize
from quick_jobs.history.in_use import InUse
from quick_jobs.history.newest import NewestOfKnownJobs
from quick_jobs.history.pieces import Pieces
from quick_jobs.history.prunable import NewestOfEachJob, OldExecutions, Rows, Rules, Spared
from quick_jobs.history.unused import ForgottenJobs, GoneRunners
from quick_jobs.models import JobExecution
from quick_jobs.registration import registered_as

Search = Union[NewestOfKnownJobs, OldExecutions, GoneRunners, ForgottenJobs]

#: Rows in a batch, at most. More would not be faster, even if they take only milliseconds.
BATCH_SIZE = 50_000

# Seconds for a batch, on average, when a runner prunes: the starts of its jobs wait meanwhile.
_STEP_TIME_IN_RUNNER = 0.02

# Seconds after which a runner aborts a single statement, if the database supports that.
_STATEMENT_TIMEOUT_IN_RUNNER = 1.0

# Until a vacuum, PostgreSQL reads all deleted executions of a runner to see that it has none left.
# This many are read before anyone notices.
_NOT_MANY = 50_000

# Tries for a batch that others have locked, and seconds between them. Usually they are deleting it
# too.
_TRIES = 5
_PATIENCE = 0.2


class Pruning:
    """Deletes old history by ``rules``, one batch with each :meth:`step`.

    Running executions of live runners stay, and so do live runners. The
    database's clock decides which are live, for each batch. With ``dry_run`` the
    executions are only counted, by job. Nothing happens before the first step.
    """

    @classmethod
    def by_retention(cls, using: str) -> Optional[Pruning]:
        """Return the pruning that ``QUICK_JOBS_HISTORY_RETENTION`` asks for, or None.

        It is for a runner: it keeps the newest executions of existing jobs,
        its steps are shorter, and after it has deleted much, it leaves
        unused runners and jobs to the next pruning.
        """
        age = conf.history_retention
        return None if age is None else cls(using, Rules(age, keep_newest=True), in_runner=True)

    def __init__(
        self,
        using: str,
        rules: Rules,
        batch_size: int = BATCH_SIZE,
        dry_run: bool = False,
        is_in_code: Callable[[str], object] = registered_as,
        in_runner: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        #: How many rows, by model.
        self.deleted: Counter[Any] = Counter()
        #: How many executions, by their job's primary key.
        self.counted: Counter[Any] = Counter()
        #: Rows that stay because rows of other apps refer to them.
        self.in_use = InUse(using)
        #: Whether something stays because others kept it locked.
        self.passed_over = False
        #: Seconds to pause before the next step, so that others get their turn.
        self.pause = 0.0
        self._using = using
        self._rules = rules
        self._dry_run = dry_run
        self._is_in_code = is_in_code
        self._in_runner = in_runner
        self._clock = clock
        self._seconds = 0.0
        step_time = _STEP_TIME_IN_RUNNER if in_runner else self._database.cleanup_batch_time
        self._size = BatchSize(batch_size, step_time)
        self._searches: Optional[List[Search]] = None
        self._newest: Optional[NewestOfKnownJobs] = None
        self._conflicts = 0
        self._was_refused = False
        self._pieces = Pieces()
        self._unpaused = 0.0

    @property
    def _database(self) -> Database:
        return database_of(connections[self._using])

    @property
    def reached(self) -> Optional[dt.datetime]:
        """The start of the next executions, while executions are searched."""
        search = self._searches[0] if self._searches else None
        return search.reached if isinstance(search, OldExecutions) else None

    def step(self) -> bool:
        """Delete one batch; return whether everything is done.

        Rows that others have locked are tried again in the next steps, then skipped. Rows to which
        others refer stay. Other database errors are raised; the next step continues.
        """
        self._database.commit_each_write()
        if self._searches is None:
            self._searches = self._plan()
        if not self._searches:
            return True
        rows: Optional[Rows] = None
        self._seconds = self.pause = 0.0
        began = self._clock()
        database = self._database
        statement_timeout = _STATEMENT_TIMEOUT_IN_RUNNER if self._in_runner else None
        try:
            with database.cleanup_timeouts(statement_timeout):
                rows = self._find(self._searches[0])
                counts = self._count(rows) if self._dry_run else self._delete(rows)
                with self._timed():
                    kept = [row for some in rows for row in self.in_use.among(some)]
        except DatabaseError as error:
            if isinstance(error, IntegrityError) and rows is not None:
                self._unpaused += self._clock() - began
                return self._find_what_is_in_the_way(self._searches, rows)
            if not database.is_conflict(error):
                raise
            return self._give_way(self._searches, rows is not None)
        self._conflicts = 0
        self._was_refused = False
        (self.counted if self._dry_run else self.deleted).update(counts)
        self.in_use.keep(kept)
        if rows and not self._pieces:
            self._size.learn(sum(counts.values()), self._seconds)
        self._unpaused += self._clock() - began
        # One pause follows as many pieces as take the time of a batch.
        if not self._pieces or self._unpaused > database.cleanup_batch_time:
            if counts and not self._dry_run:
                self.pause = database.pause_after(self._unpaused)
            self._unpaused = 0.0
        return self._go_on(self._searches)

    def _find(self, search: Search) -> Rows:
        if self._pieces:
            return self._pieces.next
        with self._timed():
            return search.find(self._size.rows)

    def _find_what_is_in_the_way(self, searches: List[Search], rows: Rows) -> bool:
        """Find the same batch again, as it may have changed meanwhile; then split it.

        Before that, the database is queried once for foreign keys to our tables.
        """
        if self._pieces:
            self.in_use.keep(self._pieces.halve())
            return not self._pieces and self._next_batch(searches)
        if not self._was_refused or self.in_use.look_up():
            self._was_refused = True
        else:
            self._pieces.begin(rows)
        return False

    def _give_way(self, searches: List[Search], is_found: bool) -> bool:
        """Try a smaller batch next time; skip it after some tries."""
        self._size.shrink()
        self._conflicts += 1
        self.pause = _PATIENCE
        if self._conflicts < _TRIES:
            return False
        self._conflicts = 0
        self.passed_over = True
        if is_found:
            return self._go_on(searches)
        searches.clear()
        return True

    def _go_on(self, searches: List[Search]) -> bool:
        if self._pieces:
            self._pieces.drop()
        return not self._pieces and self._next_batch(searches)

    def _next_batch(self, searches: List[Search]) -> bool:
        searches[0].advance()
        if searches[0].is_finished:
            del searches[0]
            if self._in_runner and self.deleted[JobExecution] > _NOT_MANY:
                searches.clear()
        return not searches

    def _plan(self) -> List[Search]:
        """Return the searches, one after the other."""
        rules, using = self._rules, self._using
        cutoff = as_stored(database_now(using) - rules.older_than)
        spared: Optional[Spared] = None
        first: List[Search] = []
        if rules.keep_newest:
            self._newest = NewestOfKnownJobs(using, cutoff, self._is_in_code)
            first, spared = [self._newest], self._newest.among
        elif rules.keep_last:
            spared = NewestOfEachJob(using, rules.keep_last).among
        conditions: List[Dict[str, Any]] = [{}]
        if rules.jobs is not None:
            conditions = [{"job_id": job} for job in rules.jobs]
        elif rules.outcomes:
            conditions = [{"outcome": outcome} for outcome in rules.outcomes]
        executions = [OldExecutions(using, rules, cutoff, only, spared) for only in conditions]
        if self._dry_run:
            return [*first, *executions]

        def unused(may_have_old: Callable[[], bool]) -> List[Search]:
            jobs = ForgottenJobs(using, cutoff, rules.jobs, self._is_in_code)
            return [GoneRunners(using, cutoff, may_have_old, self.in_use), jobs]

        before = unused(lambda: True) if self._in_runner else []
        return [*before, *first, *executions, *unused(self._may_have_left_some)]

    def _may_have_left_some(self) -> bool:
        """Return whether gone runners may have old executions that stayed."""
        kept = self._newest or self.in_use.kept[JobExecution]
        return self.passed_over or self._rules.spare_some or bool(kept)

    def _delete(self, rows: Rows) -> Counter[Any]:
        """Delete ``rows`` in one transaction; return how many of each model."""
        counts: Counter[Any] = Counter()
        if not rows:
            return counts
        writing = self._database.writing()
        with writing, transaction.atomic(using=self._using, savepoint=False), self._timed():
            for queryset in map(self.in_use.spare, rows):
                counts[queryset.model] += queryset._raw_delete(self._using) or 0
        return +counts

    def _count(self, rows: Rows) -> Counter[Any]:
        """Return how many executions of each job are in ``rows``."""
        counts: Counter[Any] = Counter()
        with self._timed():
            for queryset in map(self.in_use.spare, rows):
                counts.update(dict(queryset.values_list("job_id").annotate(Count("pk"))))
        return counts

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Measure the part of a batch's time that grows with its size: no commit, no waits."""
        began = self._clock()
        yield
        self._seconds += self._clock() - began
