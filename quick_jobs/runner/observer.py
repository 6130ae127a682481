"""Who wants to know how a runner is doing. The runner's loop calls these, and waits for none."""

from __future__ import annotations

from typing import Optional, Sequence

from quick_jobs.history.record import Record
from quick_jobs.runner.execution import Execution
from quick_jobs.runner.running import RunningExecutions


class Observer:
    """Does nothing, and costs nothing; subclasses do something. No method may raise.

    Times are in monotonic seconds.
    """

    def next_check(self) -> Optional[float]:
        """Return when :meth:`look` is to be called next, whatever happens."""
        return None

    def started(self, execution: Execution) -> None:
        """Take note of an execution that goes to a thread."""

    def ended(self, execution: Execution, record: Record) -> None:
        """Take note of how an execution ended, or that it was given up on."""

    def stopped(self, reason: str, detail: str, exit_status: int) -> None:
        """Take note of why and how the runner has ended."""

    def look(self, now: float, is_stopping: bool, running: RunningExecutions) -> None:
        """Take note of a step of the loop."""


class Observers(Observer):
    """Several, in order."""

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
