"""Records of the runner's loop, sent to the history once in each step."""

from __future__ import annotations

from typing import List, Sequence

from quick_jobs.history import History
from quick_jobs.history.record import Record
from quick_jobs.logs import get_logger
from quick_jobs.models import JobExecution
from quick_jobs.runner.execution import Execution
from quick_jobs.runner.execution_record import record_given_up, record_of
from quick_jobs.runner.late_signals import LateSignals
from quick_jobs.runner.observer import Observer
from quick_jobs.text_filter import filtered
from quick_jobs.tracebacks import storable

logger = get_logger(__name__, may_wait=False)

NEVER_BEGUN = "the runner stopped before the job began"


class Outbox:
    """Records that wait for :meth:`send`. ``max_traceback`` is in bytes.

    ``observers`` get ends at once. Signals that the threads of jobs cannot send are sent here.
    """

    def __init__(
        self, history: History, max_traceback: int, observers: Sequence[Observer] = ()
    ) -> None:
        self._late_signals = LateSignals()
        self._observers = observers
        self._history = history
        self._max_traceback = max_traceback
        self._records: List[Record] = []

    def put(self, records: List[Record]) -> None:
        """Add ``records``."""
        self._records += records

    def put_ended(self, execution: Execution) -> None:
        """Add how ``execution`` ended."""
        self._put_end(execution, record_of(execution))

    def put_never_begun(self, execution: Execution, now: float) -> None:
        """Record that ``execution`` did not begin before the runner stopped."""
        record = record_given_up(execution, JobExecution.INTERRUPTED, now, NEVER_BEGUN, "")
        self._put_end(execution, record)

    def put_given_up(self, execution: Execution, outcome: str, error: str, now: float) -> None:
        """Record, log and signal that the runner no longer waits for ``execution``."""
        stack = execution.stack(self._max_traceback)
        logger.error("%s %s\n%s", execution.name, error, stack)
        stack = storable(filtered(stack), self._max_traceback)
        record = record_given_up(execution, outcome, now, error, stack)
        self._put_end(execution, record)
        if record.outcome == outcome and execution.signals_end.take():
            self._late_signals.send_given_up(execution.scheduled.job, record)

    def put_stopped(self, reason: str, detail: str, exit_status: int, patience: float) -> None:
        """Signal why and how the runner ends; give receivers ``patience`` seconds at most."""
        for observer in self._observers:
            observer.stopped(reason, detail, exit_status)
        self._late_signals.send_stopped(reason, detail, exit_status)
        self._late_signals.wait(patience)

    def _put_end(self, execution: Execution, record: Record) -> None:
        self._records.append(record)
        for observer in self._observers:
            observer.ended(execution, record)

    def send(self) -> None:
        """Pass the records to the history."""
        if self._records:
            self._history.put(self._records)
            self._records = []
