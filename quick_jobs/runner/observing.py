"""Observes running executions: their output since the last look, and their stacks.

A look is cheap for the loop: stacks are kept and compared as files, lines and names. The recorder
turns changed ones into text.
"""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Tuple

from quick_jobs.history.look import Look
from quick_jobs.progress import Reached
from quick_jobs.runner.execution import Execution
from quick_jobs.runner.running import RunningExecutions
from quick_jobs.tracebacks import Place, places_of, threads_frames

# Executions in one look: with short logs, one statement writes as many in milliseconds.
_MOST = 100


class _Seen(NamedTuple):
    """The last look at an execution."""

    note: str = ""
    reached: Optional[Reached] = None
    log_version: int = 0
    stack: Tuple[Place, ...] = ()


class Observing:
    """Observes ``running`` executions, and remembers the last look at each."""

    def __init__(self, running: RunningExecutions) -> None:
        self._running = running
        self._seen: Dict[int, _Seen] = {}

    def look(self) -> List[Look]:
        """Return the changes of at most 100 executions, the longest-running first."""
        executions = self._running.at_work()
        before, self._seen = self._seen, {}
        if not executions:
            return []
        looks: List[Look] = []
        threads = threads_frames()
        for execution in executions:
            last = seen = before.get(execution.number, _Seen())
            if len(looks) < _MOST:
                seen = _Seen(
                    execution.env.noted,
                    execution.env.reached,
                    0 if execution.capture is None else execution.capture.version,
                    places_of(execution.frames(threads)) or last.stack,
                )
            if execution.duration is not None:
                continue  # it has ended meanwhile, and its thread may run the next one
            self._seen[execution.number] = seen
            if seen != last:
                execution.was_observed = True
                looks.append(_look(execution, last, seen))
        return looks


def _look(execution: Execution, last: _Seen, seen: _Seen) -> Look:
    has_log = execution.capture is not None and seen.log_version != last.log_version
    return Look(
        execution.number,
        seen.note if seen.note != last.note else None,
        seen.reached if seen.reached != last.reached else None,
        execution.capture.text if execution.capture is not None and has_log else None,
        seen.stack if seen.stack != last.stack else None,
    )
