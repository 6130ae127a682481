"""Executions that wait for their start to be on record. Pure: the caller gives the time."""

from __future__ import annotations

import math
from typing import Dict, Iterable, List, Optional, Tuple

from quick_jobs.runner.execution import Execution

# Enough to keep the recorder busy. More would wait just as long, and take memory meanwhile.
_MOST_AT_ONCE = 500


class PendingStarts:
    """Executions wait for their record for ``timeout`` seconds at most, and not at all with 0.

    Nor do they wait from when the history has not answered in time, or is
    known to be away, until it answers again.
    """

    def __init__(self, timeout: float) -> None:
        self.are_awaited = timeout > 0
        self._timeout = timeout
        self._waiting: Dict[int, Tuple[Execution, float]] = {}

    @property
    def room(self) -> float:
        """How many more may begin: no end of them while nobody waits."""
        return _MOST_AT_ONCE - len(self._waiting) if self.are_awaited else math.inf

    def add(self, execution: Execution, since: float) -> None:
        """Let ``execution`` wait; it has done so ``since`` that moment."""
        self._waiting[execution.number] = (execution, since + self._timeout)

    def next_check(self) -> Optional[float]:
        """Return when :meth:`overdue` is to be called next."""
        return next((deadline for _, deadline in self._waiting.values()), None)

    def recorded(self, numbers: Iterable[int]) -> List[Execution]:
        """Take out those of these numbers, which are on record now."""
        self.are_awaited = self._timeout > 0
        waiting = (self._waiting.pop(number, None) for number in numbers)
        return [each[0] for each in waiting if each is not None]

    def history_is_away(self) -> None:
        """Wait no longer: nothing will be recorded soon."""
        self.are_awaited = False

    def overdue(self, now: float) -> List[Execution]:
        """Take out those that have waited for too long; after one of them, nobody waits."""
        if self.are_awaited:
            deadline = self.next_check()
            if deadline is None or deadline > now:
                return []
            self.are_awaited = False
        return self.take_all()

    def take_all(self) -> List[Execution]:
        """Take out all that wait."""
        executions = [execution for execution, _ in self._waiting.values()]
        self._waiting.clear()
        return executions
