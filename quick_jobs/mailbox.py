"""Messages to a thread, from other threads and from signal handlers."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from queue import Empty
from typing import Deque, Generic, Optional, TypeVar

Message = TypeVar("Message")


class Mailbox(Generic[Message]):
    """A queue with one reader. :meth:`put` is safe in signal handlers.

    It does what ``queue.SimpleQueue`` should: the ``get`` of that class never
    returns if its timeout has passed when it begins to wait, as happens to
    short ones on a busy machine (seen on CPython 3.7 to 3.12). There
    Modules/_queuemodule.c hands a negative rest of the timeout to
    PyThread_acquire_lock_timed(), which takes it for no timeout at all.
    """

    def __init__(self) -> None:
        self._messages: Deque[Message] = deque()
        # Locked while there is no news. All that is done with it and with the deque is one step
        # for the interpreter, so a signal handler finds nothing half done and nothing held.
        self._no_news = threading.Lock()
        self._no_news.acquire()

    def put(self, message: Message) -> None:
        """Add a message; this never waits."""
        self.put_quietly(message)
        self.wake()

    def put_quietly(self, message: Message) -> None:
        """Add a message without waking the reader; it is read with the next, or after a wait."""
        self._messages.append(message)

    def wake(self) -> None:
        """Have the reader look up if it waits; without a message it waits on."""
        with contextlib.suppress(RuntimeError):  # there is news already
            self._no_news.release()

    def get(self, timeout: Optional[float]) -> Message:
        """Return the oldest message.

        Raises :exc:`queue.Empty` if none comes within ``timeout`` seconds; None
        waits without end.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                return self._messages.popleft()
            except IndexError:
                # There may be news still of a message that was read without waiting.
                left = -1.0 if deadline is None else max(0.0, deadline - time.monotonic())
                if not self._no_news.acquire(timeout=left):
                    return self.get_nowait()

    def get_nowait(self) -> Message:
        """Return the oldest message, or raise :exc:`queue.Empty`."""
        try:
            return self._messages.popleft()
        except IndexError:
            raise Empty from None
