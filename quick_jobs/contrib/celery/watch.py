"""The thread that watches over the executions of a process.

It learns that the worker stops, renews locks, and does the housekeeping of the history. Before
Celery kills an execution that takes too long, it records the execution's stack.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional

from quick_jobs import threads
from quick_jobs.contrib.celery.overlap import Lock
from quick_jobs.logs import get_logger
from quick_jobs.runner.execution import Execution
from quick_jobs.runner.running import RunningExecutions

logger = get_logger(__name__)

# Seconds from an execution's soft time limit, at which it should end, until its stack is recorded.
STACK_AFTER = 1.0


class AtWork(RunningExecutions):
    """The executions of a process, which its threads begin and end themselves."""

    def add(self, execution: Execution, now: float) -> None:
        self._running[execution.number] = execution

    def get(self, number: int) -> Optional[Execution]:
        """Return the execution with this number, if it runs."""
        return self._running.get(number)

    def at_work(self) -> List[Execution]:
        return [
            execution
            for execution in list(self._running.values())
            if execution.entered is not None and execution.duration is None
        ]


class Watched(NamedTuple):
    """A running execution; ``deadline`` is when its stack is recorded, or None."""

    execution: Execution
    lock: Lock
    deadline: Optional[float]


class Watch:
    """Calls ``on_stop`` once the stop line's ``descriptor`` is readable.

    ``on_overdue`` is called once with an execution that runs over its deadline. ``housekeeping``
    does what is due at a moment, in monotonic seconds, and returns when to call it next; None if
    there is nothing to do. ``at_work`` has the running executions.
    """

    def __init__(
        self,
        descriptor: int,
        at_work: AtWork,
        heartbeat_interval: float,
        on_stop: Callable[[], None],
        on_overdue: Callable[[Execution], None],
        housekeeping: Optional[Callable[[float], float]],
    ) -> None:
        self._descriptors = [descriptor]
        self._at_work = at_work
        self._interval = heartbeat_interval
        self._on_stop = on_stop
        self._on_overdue = on_overdue
        self._housekeeping = housekeeping
        self._wake_read, self._wake_write = os.pipe()
        self._watched: Dict[int, Watched] = {}
        self._renewal = time.monotonic() + heartbeat_interval
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="quick_jobs watch", daemon=True)

    def start(self) -> None:
        threads.start(self._thread)

    def close(self) -> None:
        """End the thread, soon."""
        self._is_closed = True
        self._wake()

    @contextlib.contextmanager
    def over(self, execution: Execution, lock: Lock, limit: Optional[float]) -> Iterator[None]:
        """Watch over ``execution`` in this block; after ``limit`` seconds it is overdue."""
        now = time.monotonic()
        deadline = None if limit is None else now + limit + STACK_AFTER
        self._at_work.add(execution, now)
        self._watched[execution.number] = Watched(execution, lock, deadline)
        if deadline is not None:
            self._wake()
        try:
            yield
        finally:
            self._watched.pop(execution.number, None)
            self._at_work.end(execution)

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"\0")

    def _run(self) -> None:
        try:
            seconds: Optional[float] = 0.0
            while not self._is_closed:
                readable = select.select([*self._descriptors, self._wake_read], [], [], seconds)[0]
                self._take(readable)
                seconds = self._do(time.monotonic())
        except BaseException as error:
            logger.critical("the thread that watches over jobs died", exc_info=error)

    def _take(self, readable: List[int]) -> None:
        for descriptor in readable:
            if descriptor == self._wake_read:
                os.read(descriptor, 1024)
            else:
                self._descriptors.remove(descriptor)
                self._on_stop()

    def _do(self, now: float) -> Optional[float]:
        """Do what is due; return in how many seconds the next thing is."""
        moments = [self._renewal] if self._watched else []
        if now >= self._renewal:
            self._renewal = now + self._interval
            for watched in list(self._watched.values()):
                watched.lock.renew()
        for number, watched in list(self._watched.items()):
            if watched.deadline is None:
                continue
            if watched.deadline > now:
                moments.append(watched.deadline)
            elif self._watched.get(number) is watched:
                self._watched[number] = watched._replace(deadline=None)
                self._on_overdue(watched.execution)
        if self._housekeeping is not None:
            moments.append(self._housekeeping(now))
        else:
            moments.append(self._renewal)  # new executions do not wake this thread
        return max(0.0, min(moments) - now)
