"""The executions that were handed out, and their timeouts. Pure: the caller gives the time."""

from __future__ import annotations

import heapq
from typing import Dict, List, Optional, Tuple

from quick_jobs.runner.execution import Execution

# Executions that have ended stay in the heap until their deadline, unless they outnumber running
# ones by this many: short jobs with long timeouts would fill the memory.
_MOST_ENDED = 1000


class RunningExecutions:
    """Executions from when they are handed out until they end or are given up.

    One that ran over its timeout is given up, and kept apart as long as its
    thread is still at work.
    """

    def __init__(self) -> None:
        self._running: Dict[int, Execution] = {}
        self._timed_out: Dict[int, Execution] = {}
        self._deadlines: List[Tuple[float, int]] = []  # a heap of deadlines and numbers

    def __len__(self) -> int:
        return len(self._running) + len(self._timed_out)

    def names(self) -> List[str]:
        """Return the names of the jobs whose threads are at work, sorted."""
        executions = [*self._running.values(), *self._timed_out.values()]
        return sorted(execution.name for execution in executions)

    def at_work(self) -> List[Execution]:
        """Return those that have begun and not ended or been given up, the oldest first."""
        return [
            execution
            for execution in self._running.values()
            if execution.entered is not None and execution.duration is None
        ]

    def add(self, execution: Execution, now: float) -> None:
        """Add ``execution``, which is handed out ``now``, and watch its job's timeout."""
        self._running[execution.number] = execution
        timeout = execution.scheduled.timeout
        if timeout is None:
            return
        heapq.heappush(self._deadlines, (now + timeout, execution.number))
        if len(self._deadlines) > 2 * len(self._running) + _MOST_ENDED:
            self._deadlines = [each for each in self._deadlines if each[1] in self._running]
            heapq.heapify(self._deadlines)

    def end(self, execution: Execution) -> bool:
        """Remove ``execution``, which has ended; return False if it was given up before."""
        self._timed_out.pop(execution.number, None)
        return self._running.pop(execution.number, None) is not None

    def next_check(self) -> Optional[float]:
        """Return when to call :meth:`give_up_on_overdue` next."""
        while self._deadlines and self._deadlines[0][1] not in self._running:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def give_up_on_overdue(self, now: float) -> List[Execution]:
        """Return those that have run longer than their timeout, counted from their first line.

        Each is returned once.
        """
        overdue: List[Execution] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            execution = self._running.get(heapq.heappop(self._deadlines)[1])
            if execution is None or execution.duration is not None:
                continue  # it has ended, even if the loop does not know yet
            began = now if execution.entered is None else execution.entered
            deadline = began + (execution.scheduled.timeout or 0.0)
            if deadline <= now:
                overdue.append(execution)
                self._timed_out[execution.number] = self._running.pop(execution.number)
            else:
                heapq.heappush(self._deadlines, (deadline, execution.number))
        return overdue

    def give_up_on_all(self) -> Tuple[List[Execution], List[Execution]]:
        """Remove all; return those that run, and those that ran over their timeout before."""
        running, timed_out = list(self._running.values()), list(self._timed_out.values())
        self._running.clear()
        self._timed_out.clear()
        self._deadlines.clear()
        return running, timed_out
