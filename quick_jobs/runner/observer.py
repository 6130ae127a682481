"""Observers of a runner. The loop calls their methods, which must not wait."""

from __future__ import annotations

from typing import Optional, Sequence

from quick_jobs.history.record import Record
from quick_jobs.runner.execution import Execution
from quick_jobs.runner.running import RunningExecutions


class Observer:
    """Does nothing; subclasses override methods. No method may raise.

    Times are in monotonic seconds.
    """

    def next_check(self) -> Optional[float]:
        """Return when to call :meth:`look` next at the latest, None if never."""
        return None

    def started(self, execution: Execution) -> None:
        """Called when an execution is given to a thread."""

    def ended(self, execution: Execution, record: Record) -> None:
        """Called when an execution has ended, or the runner has given up on it."""

    def stopped(self, reason: str, detail: str, exit_status: int) -> None:
        """Called when the runner has ended."""

    def look(self, now: float, is_stopping: bool, running: RunningExecutions) -> None:
        """Called in each step of the loop."""


class Observers(Observer):
    """Several observers, in order."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def next_check(self) -> Optional[float]:
        moments = [observer.next_check() for observer in self._observers]
        return min((moment for moment in moments if moment is not None), default=None)

    def started(self, execution: Execution) -> None:
        for observer in self._observers:
            observer.started(execution)

    def ended(self, execution: Execution, record: Record) -> None:
        for observer in self._observers:
            observer.ended(execution, record)

    def stopped(self, reason: str, detail: str, exit_status: int) -> None:
        for observer in self._observers:
            observer.stopped(reason, detail, exit_status)

    def look(self, now: float, is_stopping: bool, running: RunningExecutions) -> None:
        for observer in self._observers:
            observer.look(now, is_stopping, running)


NOBODY = Observer()
