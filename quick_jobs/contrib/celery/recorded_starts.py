"""Lets starts wait, for a short time at most, until they are on record."""

from __future__ import annotations

import threading
from typing import Callable, Dict, List

from quick_jobs.history.messages import (
    HistoryAway,
    HistoryClosed,
    HistoryMessage,
    HistoryRefused,
    StartsRecorded,
    ThreadDied,
)
from quick_jobs.logs import get_logger

logger = get_logger(__name__)


class RecordedStarts:
    """Passes the recorder's messages to the threads that run jobs.

    A start waits for ``timeout`` seconds at most. After one has waited in vain, or while the
    database is known to be away, none waits until it answers again. ``fail`` is called with the
    cause when no history can be kept any more; ``was_refused`` says that there never was one.
    """

    def __init__(self, timeout: float, fail: Callable[[str], None]) -> None:
        self.closed = threading.Event()
        self.was_refused = False
        self._timeout = timeout
        self._fail = fail
        self._waiting: Dict[int, threading.Event] = {}
        self._answers = timeout > 0

    def tell(self, message: HistoryMessage) -> None:
        """Take a message. Called in the recorder's thread."""
        if isinstance(message, StartsRecorded):
            self._answers = self._timeout > 0
            self._let_go(message.numbers)
        elif isinstance(message, HistoryAway):
            self._give_up_waiting()
        elif isinstance(message, HistoryRefused):
            self._give_up_waiting()
            self.was_refused = True
            self._fail(message.why)
        elif isinstance(message, ThreadDied):
            logger.critical("%s died of an error", message.name, exc_info=message.error)
            self._give_up_waiting()
            self._fail(f"{message.name}: {message.error!r}")
        elif isinstance(message, HistoryClosed):
            self._give_up_waiting()
            self.closed.set()

    def expect(self, number: int) -> None:
        """Prepare to wait for this execution's start, before the recorder gets it."""
        if self._answers:
            self._waiting[number] = threading.Event()

    def wait(self, number: int) -> None:
        """Wait until the expected start is on record, or has waited long enough."""
        event = self._waiting.get(number)
        if event is None:
            return
        if not event.wait(self._timeout):
            self._answers = False
        self._waiting.pop(number, None)

    def _give_up_waiting(self) -> None:
        self._answers = False
        self._let_go(list(self._waiting))

    def _let_go(self, numbers: List[int]) -> None:
        for number in numbers:
            event = self._waiting.get(number)
            if event is not None:
                event.set()
