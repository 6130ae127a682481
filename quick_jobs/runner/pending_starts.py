"""Executions that wait until their start is on record. Pure: the caller gives the time."""

from __future__ import annotations

import math
from typing import Dict, Iterable, List, Optional, Tuple

from quick_jobs.runner.execution import Execution

# Enough to keep the recorder busy. More would wait just as long, and take memory meanwhile.
_MOST_AT_ONCE = 500


class PendingStarts:
    """Executions that wait for their record: ``timeout`` seconds at most, with 0 not at all.

    After the history did not answer in time, or while it is known to be away,
    none waits until it answers again.
    """

    def __init__(self, timeout: float) -> None:
        self.are_awaited = timeout > 0
        self._timeout = timeout
        self._waiting: Dict[int, Tuple[Execution, float]] = {}

    @property
    def room(self) -> float:
        """How many more may begin: without limit while none waits."""
        return _MOST_AT_ONCE - len(self._waiting) if self.are_awaited else math.inf

    def add(self, execution: Execution, since: float) -> None:
        """Let ``execution`` wait, counted ``since`` this moment."""
        self._waiting[execution.number] = (execution, since + self._timeout)

    def next_check(self) -> Optional[float]:
        """Return when to call :meth:`overdue` next."""
        for _, deadline in self._waiting.values():
            return deadline
        return None

    def recorded(self, numbers: Iterable[int]) -> List[Execution]:
        """Remove and return those with these numbers, which are on record now."""
        self.are_awaited = self._timeout > 0
        take = self._waiting.pop
        waiting = [take(number, None) for number in numbers]
        return [each[0] for each in waiting if each is not None]

    def history_is_away(self) -> None:
        """Stop waiting: nothing will be recorded soon."""
        self.are_awaited = False

    def overdue(self, now: float) -> List[Execution]:
        """Remove and return those that have waited too long. After one of them, none waits."""
        deadline = self.next_check()
        if deadline is None or (self.are_awaited and deadline > now):
            return []
        self.are_awaited = False
        return self.take_all()

    def take_all(self) -> List[Execution]:
        """Remove and return all."""
        executions = [execution for execution, _ in self._waiting.values()]
        self._waiting.clear()
        return executions
