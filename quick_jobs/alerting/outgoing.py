"""The queue of alerts and pings to send, in bounded memory: alerts first."""

from __future__ import annotations

from collections import deque
from typing import Callable, Deque, Optional

Task = Callable[[], object]

# Tasks that may wait. Alerts are few, and a ping that is an hour late is of no use.
_CAPACITY = 300


class Outgoing:
    """Two queues. When they are full, the oldest ping is dropped, else the oldest news."""

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self._news: Deque[Task] = deque()
        self._pings: Deque[Task] = deque()

    def __len__(self) -> int:
        return len(self._news) + len(self._pings)

    def put_news(self, task: Task) -> bool:
        """Add a task that may become an alert; return False if another was dropped for it."""
        self._news.append(task)
        return self._make_room()

    def put_ping(self, task: Task) -> bool:
        """Add a ping; return False if a task was dropped for it."""
        self._pings.append(task)
        return self._make_room()

    def take(self) -> Optional[Task]:
        """Return the next task, None if there is none."""
        if self._news:
            return self._news.popleft()
        return self._pings.popleft() if self._pings else None

    def _make_room(self) -> bool:
        if len(self) <= self._capacity:
            return True
        (self._pings or self._news).popleft()
        return False
