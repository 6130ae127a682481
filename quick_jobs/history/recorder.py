"""The recorder: the one thread that writes the history.

It drains the backlog in batches, each in a transaction: a single execution is
written at once, a burst together. What cannot be written is kept and tried
again, as long as the runner lives.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from queue import Empty
from random import random as a_random_share
from typing import Callable, Iterable, Optional, Sequence

from django.db import Error, connections

from quick_jobs import threads
from quick_jobs.history.automatic_pruning import AutomaticPruning
from quick_jobs.history.backlog import Backlog
from quick_jobs.history.base import History, StopInfo, Tell
from quick_jobs.history.batch_writer import BatchRefused, BatchWriter
from quick_jobs.history.job_rows import NamesCollide
from quick_jobs.history.lasting_error import LastingError, log_lasting_error
from quick_jobs.history.life_signs import LifeSigns
from quick_jobs.history.look import Look
from quick_jobs.history.messages import (
    HistoryAway,
    HistoryClosed,
    HistoryRefused,
    LastStarts,
    StartsRecorded,
    ThreadDied,
)
from quick_jobs.history.previous_success import previous_success
from quick_jobs.history.pruning import Pruning
from quick_jobs.history.record import Record
from quick_jobs.history.retries import Retries
from quick_jobs.history.storage import Storage
from quick_jobs.history.tables import NotMigrated
from quick_jobs.history.texts import one_line
from quick_jobs.logs import get_logger
from quick_jobs.mailbox import Mailbox

logger = get_logger(__name__, may_wait=False)

# Bytes that may wait in memory while the database is away: about 50,000 executions without
# tracebacks, which even a small container can spare.
_CAPACITY = 32 * 1024 * 1024


class Recorder(History):
    """Writes the records given to :meth:`put`. No method waits for the database.

    :meth:`start` gets ``tell``, which is called in the recorder's thread with
    messages of :mod:`quick_jobs.history.messages`.
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
        self._backlog = Backlog(capacity)
        self._writer = BatchWriter(storage, self._backlog)
        self._life_signs = LifeSigns(storage, self._backlog, heartbeat_interval)
        self._clock = clock
        self._random = random
        self._commands: Mailbox[Callable[[], None]] = Mailbox()
        self._tell: Tell = lambda message: None
        self._thread = threading.Thread(target=self._run, name="quick_jobs recorder", daemon=True)
        self._is_first_answer = True
        self._lasting = LastingError()
        self._was_refused = self._is_stop_owed = False
        self._owes_last_starts = storage.has_resuming_jobs
        self._retries = Retries(clock())
        self._pruning = AutomaticPruning(storage.using, new_pruning, clock, storage.is_outage)
        self._stop_info: Optional[StopInfo] = None
        self._is_closed = False

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

    def beat(self, now: float, looks: Sequence[Look] = ()) -> None:
        self._commands.put(lambda: self._life_signs.take(now, looks))

    def prune(self) -> None:
        self._commands.put(self._pruning.begin)

    def break_off(self) -> bool:
        return self._storage.break_off()

    def previous_success(self, job_name: str, known: Optional[float]) -> Optional[dt.datetime]:
        return previous_success(job_name, known)

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
        if error is None or not (unsaved or is_stop_lost or self._writer.refusal):
            return False
        if not self._lasting.is_told:
            log_lasting_error(error)
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
        """Handle the waiting commands, or wait for one; then write what is due."""
        self._obey(self._seconds_to_wait())
        now = self._clock()
        if self._is_closed or self._retries.is_waiting(now):
            return
        self.waits_since = now
        try:
            self._storage.connect()
            self._write()
        except BatchRefused as refused:
            self._writer.go_one_by_one(refused.error)
            self._retries.at_once(self._clock())  # it is not an outage
        except Exception as exc:
            self._fail(exc)
        else:
            self._succeed()
        finally:
            self.waits_since = None

    def _seconds_to_wait(self) -> Optional[float]:
        if self._retries.at is not None:
            return max(0.0, self._retries.at - self._clock())
        if self._backlog.has_waiting() or self._stop_info:
            return 0.0
        return self._pruning.seconds_to_wait()

    def _obey(self, timeout: Optional[float]) -> None:
        try:
            command = self._commands.get(timeout)
            while True:
                command()
                command = self._commands.get_nowait()
        except Empty:
            pass

    def _take_stop(self, stop_info: StopInfo) -> None:
        self._stop_info = stop_info
        self._pruning.abandon()
        self._retries.hurry(self._clock())

    def _close(self) -> None:
        self._is_closed = True

    def _write(self) -> None:
        """Write a batch, then whatever else is due. Raises the database's exceptions."""
        if not self._storage.is_registered:
            self._storage.register()
        if self._owes_last_starts:
            self._tell(LastStarts(self._storage.last_starts()))
            self._owes_last_starts = False
        batch = self._writer.write_next()
        if batch:
            self._tell(StartsRecorded([record.number for record in batch if not record.is_end]))
        self._life_signs.write(self._clock())
        if self._backlog.has_waiting():
            return
        self._pruning.step()
        if self._stop_info:
            self._storage.stop(*self._stop_info, dropped_executions=self._backlog.dropped)
            self._is_stop_owed = False
            self._pruning.run_last(self._storage.is_on_timer)
            self._is_closed = True

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
        if self._writer.refusal is None:
            self._lasting.forget()
        else:
            self._lasting.failed(self._writer.refusal, self._clock(), is_outage=False)
        self._retries.succeeded()

    def _fail(self, exc: Exception) -> None:
        """Keep the unwritten records, and decide when and how to try again."""
        self._backlog.put_back()
        self._retries.failed(self._clock(), self._random(), self._storage.is_locked(exc))
        self._pruning.abandon()
        if isinstance(exc, (NotMigrated, NamesCollide)) and self._is_first_answer:
            self._was_refused = self._is_closed = True
            self._tell(HistoryRefused(str(exc)))
            return
        self._lasting.failed(exc, self._clock(), self._storage.is_outage(exc))
        if self._stop_info and not isinstance(exc, Error):
            self._is_closed = True  # no further error of the database changes that
            return
        if self._storage.is_about_data(exc):
            self._storage.forget_registration()  # in case the rows that are referred to are gone
        self._storage.reset()
        if not self._retries.was_outage:
            logger.debug("writing the history failed; trying again", exc_info=exc)
        elif self._retries.begins_outage:
            logger.warning("the history cannot be written, and waits in memory: %s", one_line(exc))
            self._tell(HistoryAway())
