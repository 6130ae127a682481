"""Which executions have run over their job's timeout. Pure: the caller gives the time."""

from __future__ import annotations

import heapq
from typing import Dict, List, Optional, Tuple

from quick_jobs.runner.execution import Execution

# Executions that have ended stay in the heap until they are due, unless they outnumber those that
# run by so many: short jobs with long timeouts would fill the memory.
_MOST_ENDED = 1000


class Timeouts:
    """Watches executions from when they are handed out; ``running`` says which have not ended."""

    def __init__(self, running: Dict[int, Execution]) -> None:
        self._running = running
        self._deadlines: List[Tuple[float, int]] = []

    def watch(self, execution: Execution, now: float) -> None:
        """Watch ``execution`` if its job has a timeout."""
        timeout = execution.scheduled.timeout
        if timeout is None:
            return
        heapq.heappush(self._deadlines, (now + timeout, execution.number))
        if len(self._deadlines) > 2 * len(self._running) + _MOST_ENDED:
            self._deadlines = [each for each in self._deadlines if each[1] in self._running]
            heapq.heapify(self._deadlines)

    def next_check(self) -> Optional[float]:
        """Return when :meth:`overdue` is to be called next."""
        while self._deadlines and self._deadlines[0][1] not in self._running:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def overdue(self, now: float) -> List[Execution]:
        """Return those which run for longer than their timeout, counted from their first line."""
        overdue: List[Execution] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            execution = self._running.get(heapq.heappop(self._deadlines)[1])
            if execution is None or execution.duration is not None:
                continue  # it has ended, whether or not the loop has heard of it
            began = now if execution.entered is None else execution.entered
            deadline = began + (execution.scheduled.timeout or 0.0)
            if deadline <= now:
                overdue.append(execution)
            else:
                heapq.heappush(self._deadlines, (deadline, execution.number))
        return overdue
