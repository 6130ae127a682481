"""The thread that sends alerts and pings: no other thread waits for a mail or web server."""

from __future__ import annotations

import threading
import time
from typing import Callable, Optional

from django.db import connections

from quick_jobs import threads
from quick_jobs.alerting.outgoing import Outgoing, Task
from quick_jobs.logs import get_logger

logger = get_logger(__name__, may_wait=False)

# Seconds that waiting tasks get at the end of the runner.
AT_END = 2.0


class Sender:
    """Does one task after the other. An exception is logged, and the task is not repeated."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._outgoing = Outgoing()
        self._changed = threading.Condition()  # guards what follows, and the queue
        self._is_full = False
        self._ends_at: Optional[float] = None
        self._thread = threading.Thread(target=self._run, name="quick_jobs alerts", daemon=True)

    def start(self) -> None:
        """Start the thread, or raise ``NoThread``."""
        threads.start(self._thread)

    def put_news(self, task: Task) -> None:
        """Add ``task``, which may become an alert. Never waits."""
        with self._changed:
            self._note(self._outgoing.put_news(task))

    def put_ping(self, task: Task) -> None:
        """Add ``task``, to be done when no alerts wait. Never waits."""
        with self._changed:
            self._note(self._outgoing.put_ping(task))

    def seconds_left(self) -> float:
        """Return how long a task may take, in seconds: without limit before :meth:`finish`."""
        return threading.TIMEOUT_MAX if self._ends_at is None else self._ends_at - self._clock()

    def finish(self) -> None:
        """Do the waiting tasks, for two seconds at most, and end the thread."""
        with self._changed:
            self._ends_at = self._clock() + AT_END
            self._changed.notify_all()
        self._thread.join(AT_END)
        if self._thread.is_alive():
            logger.error(
                "alerts or pings were not sent in time at the end of the runner: one that was "
                "being sent, and %d that waited",
                len(self._outgoing),
            )

    def _note(self, has_room: bool) -> None:
        if not has_room and not self._is_full:
            self._is_full = True
            logger.error("too many alerts and pings wait to be sent: the oldest are dropped")
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            task = self._next()
            if task is None:
                return
            try:
                task()
            except BaseException as exc:
                logger.error("an alert or a ping could not be sent", exc_info=exc)
            finally:
                connections.close_all()

    def _next(self) -> Optional[Task]:
        """Wait for a task; return None when the thread is to end."""
        with self._changed:
            while True:
                if self.seconds_left() <= 0:
                    return None
                task = self._outgoing.take()
                if task is not None:
                    return task
                self._is_full = False
                if self._ends_at is not None:
                    return None
                self._changed.wait()
