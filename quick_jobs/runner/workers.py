"""The pool of threads that run the jobs."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections import deque
from typing import Callable, Deque, Generic, List, Optional, Set, TypeVar

from django.db import connections

from quick_jobs import threads
from quick_jobs.logs import get_logger

logger = get_logger(__name__, may_wait=False)

Task = TypeVar("Task")

# Seconds that work waits without a free thread before a thread is added. Several times what a
# thread takes to wake up, and less than anyone notices.
GROW_AFTER = 0.005

# Seconds without work until a thread ends. Longer than most intervals of a busy site.
IDLE_TIMEOUT = 10.0

# No thread is added for tasks that the existing threads will have begun after this many checks:
# each thread opens and keeps a database connection.
_SOON = 4

# While the process uses more than this share of a core, work waits for the processor and not
# for a thread: more threads would only make it slower (of two rounds of 10,000 short jobs every
# second, those without this rule had 40 and 132 threads in place of 13 and 21) ...
_BUSY_CPU_SHARE = 0.3

# ... unless nothing has been begun for this many checks: then a job holds its thread.
_PATIENCE = 20

# Seconds without a further try after the machine could not start a thread.
_TRY_AGAIN_AFTER = 1.0


class Growth:
    """Decides how many threads to add when work waits. Pure: the caller gives the facts."""

    def __init__(self) -> None:
        self._step = 1
        self._still = 0
        self._added = 0

    def threads_to_add(self, waiting: int, taken: int, cpu_share: float) -> int:
        """Return how many threads the ``waiting`` tasks need.

        ``taken`` tasks were begun since the last check, in which the process
        used ``cpu_share`` of a core. Twice as many each time, as long as that
        does not help.
        """
        moved = taken - self._added  # each thread that was added has taken one
        self._added = 0
        self._still = 0 if taken else self._still + 1
        if cpu_share > _BUSY_CPU_SHARE and self._still < _PATIENCE:
            self._step = 1
        elif waiting > max(0, _SOON * moved):
            self._added = min(waiting, self._step)
            self._step *= 2
        return self._added


class WorkerPool(Generic[Task]):
    """Threads that do ``work`` with each task that is submitted.

    There are only as many as are needed, never more than tasks at one time: a
    task takes a thread that rests, the last first; the pool grows when tasks
    have waited, or makes do with the threads that the machine gives it. A
    thread that has rested for long goes, and closes its database connections.
    ``cpu_clock`` returns the seconds of CPU that the process has used.
    All methods are for one thread, the owner's. A thread that dies of an
    error, which ``work`` should never let happen, says so with ``on_death``.
    """

    def __init__(
        self,
        work: Callable[[Task], None],
        on_death: Callable[[BaseException], None],
        idle_timeout: float = IDLE_TIMEOUT,
        cpu_clock: Callable[[], float] = time.process_time,
    ) -> None:
        self._work = work
        self._on_death = on_death
        self._idle_timeout = idle_timeout
        self._cpu_clock = cpu_clock
        self._lock = threading.Lock()  # for the four below
        self._tasks: Deque[Task] = deque()
        self._idle: List[threading.Lock] = []  # what wakes each of them up when released
        self._waking = 0  # threads that were woken or started, and have not asked for work yet
        self._is_stopped = False
        self._threads: Set[threading.Thread] = set()
        self._names = itertools.count(1)
        self._try_again_at = -math.inf  # when another thread may be asked for
        self._has_said_so = False
        self._growth = Growth()
        self._checked_at: Optional[float] = None
        self._cpu_at_check = 0.0
        self._waiting_at_check = 0

    @property
    def size(self) -> int:
        """How many threads there are."""
        return len(self._threads)

    @property
    def waiting(self) -> int:
        """How many tasks wait for a thread."""
        return len(self._tasks)

    def submit(self, task: Task, now: float) -> None:
        """Have ``task`` done by the next thread that is free; ``now`` is monotonic seconds."""
        with self._lock:
            self._tasks.append(task)
            if not self._waking:
                self._wake()
        self._waiting_at_check += 1
        if self._checked_at is None:
            self._start_checking(now)
        if not self._threads:
            self._add_thread(now)

    def next_check(self) -> Optional[float]:
        """Return when :meth:`check` is to be called, or None if no task is waiting."""
        if self._checked_at is None or not self._tasks:
            self._checked_at = None
            return None
        soon = self._checked_at + GROW_AFTER
        return soon if self._idle else max(soon, self._try_again_at)

    def check(self, now: float) -> None:
        """Add threads if tasks have been waiting and more threads would help."""
        if self._checked_at is None or now < self._checked_at + GROW_AFTER:
            return
        if now < self._try_again_at and not self._idle:
            return
        waiting = len(self._tasks)
        taken = self._waiting_at_check - waiting
        cpu_share = (self._cpu_clock() - self._cpu_at_check) / (now - self._checked_at)
        if not self._threads:
            cpu_share = 0.0  # whatever the process is busy with, a thread is needed
        unattended = max(0, waiting - self._waking)
        for _ in range(self._growth.threads_to_add(unattended, taken, cpu_share)):
            with self._lock:
                is_woken = self._wake()
            if not is_woken and not self._add_thread(now):
                break
        self._continue_checking(now, waiting)

    def stop(self) -> None:
        """Have every thread leave after the task it is at; :meth:`check` adds none any more."""
        self._checked_at = None
        with self._lock:
            self._is_stopped = True
            while self._wake():
                pass

    def join(self, timeout: float) -> None:
        """Wait until the threads have left, for at most ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))

    def _start_checking(self, now: float) -> None:
        self._growth = Growth()
        self._continue_checking(now, len(self._tasks))

    def _continue_checking(self, now: float, waiting: int) -> None:
        self._checked_at = now
        self._cpu_at_check = self._cpu_clock()
        self._waiting_at_check = waiting

    def _wake(self) -> bool:
        """Wake the thread that has rested for the shortest time, if there is one."""
        if not self._idle:
            return False
        self._waking += 1
        self._idle.pop().release()
        return True

    def _add_thread(self, now: float) -> bool:
        """Start a thread; return False if the machine has none to give, or had none just now."""
        if now < self._try_again_at:
            return False
        thread = threading.Thread(
            target=self._run, name=f"quick_jobs worker {next(self._names)}", daemon=True
        )
        self._threads.add(thread)
        with self._lock:
            self._waking += 1
        try:
            threads.start(thread)
        except threads.NoThread as exc:
            with self._lock:
                self._waking -= 1
            self._threads.discard(thread)
            self._try_again_at = now + _TRY_AGAIN_AFTER
            if not self._has_said_so:
                self._has_said_so = True
                logger.warning("%s The jobs go on with the threads there are: %d.", exc, self.size)
            return False
        return True

    def _run(self) -> None:
        try:
            try:
                self._serve()
            finally:
                connections.close_all()
        except BaseException as exc:
            self._on_death(exc)
        finally:
            self._threads.discard(threading.current_thread())

    def _serve(self) -> None:
        wake_up = threading.Lock()
        wake_up.acquire()
        has_come = True
        while True:
            with self._lock:
                self._waking -= has_come
                task = self._tasks.popleft() if self._tasks else None
                if task is None:
                    if self._is_stopped:
                        return
                    self._idle.append(wake_up)
            has_come = task is None
            if task is not None:
                self._work(task)
            elif not wake_up.acquire(timeout=self._idle_timeout) and self._may_go(wake_up):
                return

    def _may_go(self, wake_up: threading.Lock) -> bool:
        """Return whether a thread that has rested for long was not woken at the last moment."""
        with self._lock:
            if wake_up in self._idle:
                self._idle.remove(wake_up)
                return True
        wake_up.acquire()
        return False
