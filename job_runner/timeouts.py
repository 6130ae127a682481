"""``TimeoutTracker``, which sites of 0.4 may use; the runner has its own way to watch timeouts."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Callable, List


class TimeoutTracker(threading.Thread):
    """Calls what it is given when its time has come, until ``stop`` is set."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__(name="Timeout tracker")
        self._stopping = stop
        self._timers: List[threading.Timer] = []

    def add_timeout(
        self, duration: timedelta, callback: Callable[[], object]
    ) -> Callable[[], None]:
        """Have ``callback`` called after ``duration``; return a function that prevents it."""
        timer = threading.Timer(duration.total_seconds(), callback)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()
        return timer.cancel

    def run(self) -> None:
        self._stopping.wait()
        for timer in self._timers:
            timer.cancel()
