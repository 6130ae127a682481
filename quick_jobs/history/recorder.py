"""The recorder: the one thread that writes the history.

It drains the backlog in batches, each a transaction: a lone execution is
written at once, a burst as one. What the database does not take is kept and
tried again, for as long as the runner lives.
"""

from __future__ import annotations

import threading
import time
from queue import Empty
from random import random as a_random_share
from typing import Callable, Iterable, List, Optional, Set

from django.db import Error, IntegrityError, connections

from quick_jobs import threads
from quick_jobs.history.backlog import Backlog
from quick_jobs.history.base import History, StopInfo, Tell
from quick_jobs.history.job_rows import NamesCollide
from quick_jobs.history.messages import (
    HistoryAway,
    HistoryClosed,
    HistoryRefused,
    StartsRecorded,
    ThreadDied,
)
from quick_jobs.history.pruning import Pruning
from quick_jobs.history.record import Record
from quick_jobs.history.retries import LastingError, Retries
from quick_jobs.history.storage import Storage
from quick_jobs.history.tables import NotMigrated
from quick_jobs.logs import get_logger
from quick_jobs.mailbox import Mailbox

logger = get_logger(__name__, may_wait=False)

# Starts and ends in one transaction: enough to make its cost small for each of them, and few
# enough that a job waits no more than milliseconds for the others in its batch.
_BATCH = 250

# What may wait in memory while the database is away, in bytes: some 50,000 executions without
# tracebacks, which even a small container can spare.
_CAPACITY = 32 * 1024 * 1024

# Tries of a batch by a database that answers otherwise, before one by one; then of a long record,
# before it is cut. A server that is sent
# too much may just close the connection, as it does for many other reasons.
_TRIES = 3

_LASTING = (
    "the history is not written, and waiting will not help: %s. This is no outage. Put right what "
    "it names (run 'manage.py migrate', look at the rights of the database's user and at "
    "DATABASES), or run with --no-history. What is not saved when the runner stops is logged, "
    "and the exit status is 1"
)


class Recorder(History):
    """Writes what it is given with :meth:`put`. No method waits for the database.

    ``tell``, which :meth:`start` is given, is called in the recorder's thread
    with messages of :mod:`quick_jobs.history.messages`.
    """

    is_kept = True

    def __init__(
        self,
        storage: Storage,
        heartbeat_interval: float,
        new_pruning: Callable[[str], Optional[Pruning]] = Pruning.by_retention,
        capacity: int = _CAPACITY,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = a_random_share,
    ) -> None:
        self._storage = storage
        self._heartbeat_interval = heartbeat_interval
        self._new_pruning = new_pruning
        self._backlog = Backlog(capacity)
        self._clock = clock
        self._random = random
        self._commands: Mailbox[Callable[[], None]] = Mailbox()
        self._tell: Tell = lambda message: None
        self._thread = threading.Thread(target=self._run, name="quick_jobs recorder", daemon=True)
        self._is_first_answer = True
        self._writes_one_by_one = False
        self._batch_failures = 0
        self._lasting = LastingError()
        self._was_refused = False
        self._is_stop_owed = False
        self._retries = Retries(clock())
        self._beat_at: Optional[float] = None
        self._pruning: Optional[Pruning] = None
        self._prune_at = 0.0
        self._told_reasons: Set[str] = set()
        self._stop_info: Optional[StopInfo] = None
        self._is_closed = False
        self._calls_since: Optional[float] = None

    # What the runner's loop calls.

    def start(self, tell: Tell) -> None:
        self._tell = tell
        threads.start(self._thread)

    def put(self, records: Iterable[Record]) -> None:
        dropped_before = self._backlog.dropped
        if self._backlog.put(records):
            self._commands.put(lambda: None)
        if self._backlog.dropped and not dropped_before:
            logger.error("the memory for the history is full: the oldest executions are dropped")

    def forget(self, number: int) -> bool:
        return self._backlog.forget(number)

    def beat(self, now: float) -> None:
        self._commands.put(lambda: self._take_beat(now))

    def prune(self) -> None:
        self._commands.put(self._take_prune)

    def waits_since(self) -> Optional[float]:
        return self._calls_since

    def break_off(self) -> None:
        self._storage.break_off()

    def stop(self, stop_info: StopInfo) -> None:
        self._is_stop_owed = True
        self._commands.put(lambda: self._take_stop(stop_info))

    def give_up(self) -> bool:
        unsaved = self._backlog.unsaved()
        for record in unsaved:
            logger.error("not saved: %s", record.as_json())
        is_stop_lost = self._is_stop_owed and not self._was_refused
        if is_stop_lost:
            logger.error("the stop of this runner could not be saved: it will be shown as lost")
        self._commands.put(self._close)
        error = self._lasting.text
        if error is None or not (unsaved or is_stop_lost):
            return False
        if not self._lasting.is_told:
            logger.error(_LASTING, error)
        return True

    # What happens in the recorder's thread.

    def _run(self) -> None:
        try:
            while not self._is_closed:
                self.step()
        except BaseException as exc:
            self._tell(ThreadDied("the recorder of the history", exc))
        finally:
            try:
                connections.close_all()
            finally:
                self._tell(HistoryClosed())

    def step(self) -> None:
        """Obey the commands there are, waiting for one if need be; then write what is due."""
        self._obey(self._seconds_to_wait())
        if self._is_closed or self._retries.is_waiting(self._clock()):
            return
        self._calls_since = self._clock()
        try:
            self._storage.connect()
            self._write()
        except _BatchRefused as refused:
            self._go_one_by_one(refused.error)
        except Exception as exc:
            self._fail(exc)
        else:
            self._succeed()
        finally:
            self._calls_since = None

    def _seconds_to_wait(self) -> Optional[float]:
        if self._retries.at is not None:
            return max(0.0, self._retries.at - self._clock())
        if self._backlog.has_waiting() or self._stop_info:
            return 0.0
        if self._pruning:
            return max(0.0, self._prune_at - self._clock())
        return None

    def _obey(self, timeout: Optional[float]) -> None:
        try:
            command = self._commands.get(timeout)
            while True:
                command()
                command = self._commands.get_nowait()
        except Empty:
            pass

    def _take_beat(self, at: float) -> None:
        self._beat_at = at

    def _take_prune(self) -> None:
        self._pruning = self._pruning or self._new_pruning(self._storage.using)

    def _take_stop(self, stop_info: StopInfo) -> None:
        self._stop_info = stop_info
        self._pruning = None
        self._retries.hurry(self._clock())

    def _close(self) -> None:
        self._is_closed = True

    def _write(self) -> None:
        """Write a batch, then whatever else is due; raise what the database raises."""
        if not self._storage.is_registered:
            self._storage.register()
        self._write_batch()
        if self._beat_at is not None:
            # A beat that had to wait for the database says nothing of the loop's health now.
            if self._clock() - self._beat_at < self._heartbeat_interval:
                self._storage.beat(self._backlog.dropped)
            self._beat_at = None
        if self._backlog.has_waiting():
            return
        if self._pruning and self._clock() >= self._prune_at:
            self._prune(self._pruning)
        if self._stop_info:
            self._storage.stop(*self._stop_info, dropped_executions=self._backlog.dropped)
            self._is_stop_owed = False
            self._is_closed = True

    def _prune(self, pruning: Pruning) -> None:
        """Delete a batch of old history, and leave time for others."""
        if pruning.step():
            self._pruning = None
            self._log_what_stays(pruning)
        self._prune_at = self._clock() + pruning.pause

    def _log_what_stays(self, pruning: Pruning) -> None:
        """Say what old history stays in use, once for all that refers to it."""
        if pruning.in_use.reasons - self._told_reasons:
            logger.info("old history is in use: %s", pruning.in_use.in_words())
            self._told_reasons |= pruning.in_use.reasons

    def _write_batch(self) -> None:
        batch = self._backlog.take(_BATCH)
        if not batch:
            return
        if self._writes_one_by_one:
            for record in batch:
                self._write_alone(record)
        else:
            self._write_together(batch)
        self._backlog.confirm()
        self._writes_one_by_one = False
        self._batch_failures = 0
        self._tell(StartsRecorded([record.number for record in batch if not record.is_end]))

    def _write_together(self, batch: List[Record]) -> None:
        """Write a batch as a whole, or find that it is refused for what is in it."""
        answers = self._batch_failures >= _TRIES - 1
        if answers:
            self._storage.probe(self._backlog.dropped)
        try:
            self._storage.write(batch)
        except Exception as exc:
            is_of_size = self._storage.may_be_of_size(exc)
            if self._storage.is_about_data(exc) or (answers and is_of_size):
                raise _BatchRefused(exc) from exc
            self._batch_failures += is_of_size
            raise

    def _write_alone(self, record: Record) -> None:
        """Write as much of a record as the database takes; what it refuses altogether is logged."""
        error = self._refusal_of(record, record.is_long)
        if error is None:
            return
        for form in record.in_less_and_less():
            if self._refusal_of(form, record.is_long) is None:
                if form.is_cut_from(record):
                    logger.warning(
                        "saved in part, as the database refuses the rest (%s): execution %d of %s",
                        _one_line(error),
                        record.number,
                        record.job,
                    )
                return
        logger.error(
            "not saved, as the database refuses it (%s): %s",
            " ".join(str(error).split()),
            record.as_json(),
        )

    def _refusal_of(self, record: Record, may_be_long: bool) -> Optional[Exception]:
        """Write one record; return the error if it is refused, and not for an outage."""
        tries = 0
        is_registered_anew = False
        while True:
            try:
                self._storage.write([record])
                return None
            except Exception as exc:
                is_of_size = may_be_long and self._storage.may_be_of_size(exc)
                is_about_data = self._storage.is_about_data(exc)
                if not is_about_data and not is_of_size:
                    raise
                error = exc
            self._storage.reset()
            if isinstance(error, IntegrityError) and not is_registered_anew:
                self._register_anew()
                is_registered_anew = True
                continue
            if is_about_data:
                return error
            self._storage.probe(self._backlog.dropped)
            tries += 1
            if tries == _TRIES:
                return error

    def _register_anew(self) -> None:
        """Register again, in case the rows of the runner and its jobs have gone."""
        self._storage.forget_registration()
        self._storage.register()

    def _succeed(self) -> None:
        if self._is_first_answer:
            logger.info("the history is kept in the database %r", self._storage.using)
        elif self._retries.was_outage:
            logger.warning(
                "the history is written again, after %d failures; %d executions were dropped",
                self._retries.failures,
                self._backlog.dropped,
            )
        self._is_first_answer = False
        self._lasting.forget()
        self._retries.succeeded()

    def _go_one_by_one(self, error: Exception) -> None:
        """Try again at once, each record by itself: it is no outage."""
        logger.debug("a batch is refused; writing its records one by one", exc_info=error)
        self._backlog.put_back()
        self._writes_one_by_one = True
        if isinstance(error, IntegrityError):
            self._storage.forget_registration()  # in case the rows referred to have gone
        self._storage.reset()
        self._retries.at_once(self._clock())

    def _fail(self, exc: Exception) -> None:
        """Keep what was to be written, and decide when and how to try again."""
        self._backlog.put_back()
        self._retries.failed(self._clock(), self._random(), self._storage.is_locked(exc))
        self._pruning = None
        if isinstance(exc, (NotMigrated, NamesCollide)) and self._is_first_answer:
            self._was_refused = self._is_closed = True
            self._tell(HistoryRefused(str(exc)))
            return
        self._look_whether_it_lasts(exc)
        if self._stop_info and not isinstance(exc, Error):
            self._is_closed = True  # nothing that the database says will change that
            return
        if self._storage.is_about_data(exc):
            self._storage.forget_registration()  # in case the rows referred to have gone
        self._storage.reset()
        if not self._retries.was_outage:
            logger.debug("writing the history failed; trying again", exc_info=exc)
        elif self._retries.begins_outage:
            logger.warning("the history cannot be written, and waits in memory: %s", _one_line(exc))
            self._tell(HistoryAway())

    def _look_whether_it_lasts(self, exc: Exception) -> None:
        """Tell of an error that only somebody can put right, when it has lasted."""
        if self._storage.is_outage(exc):
            self._lasting.forget()
        elif self._lasting.seen(_one_line(exc), self._clock()):
            logger.error(_LASTING, _one_line(exc))


class _BatchRefused(Exception):
    """A batch is refused for what is in it; ``error`` is what the database says."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def _one_line(exc: Exception) -> str:
    return f"{type(exc).__name__}: {' '.join(str(exc).split())}"
