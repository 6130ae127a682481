"""Messages to a thread, from other threads and from signal handlers."""

from __future__ import annotations

import threading
import time
from collections import deque
from queue import Empty
from typing import Deque, Generic, Iterator, Optional, TypeVar

Message = TypeVar("Message")


class Mailbox(Generic[Message]):
    """A queue with one reader. :meth:`put` is safe in signal handlers.

    It replaces ``queue.SimpleQueue``, whose ``get`` never returns if its timeout has
    passed when it begins to wait, as happens with short timeouts on a busy machine
    (seen on CPython 3.7 to 3.12). There Modules/_queuemodule.c passes a negative rest
    of the timeout to PyThread_acquire_lock_timed(), which takes it for no timeout.
    """

    def __init__(self) -> None:
        self._messages: Deque[Message] = deque()
        # Locked while there are no messages. Each operation on it and on the deque is atomic in the
        # interpreter, so a signal handler finds no operation half done and no lock held.
        self._no_news = threading.Lock()
        self._no_news.acquire()

    def put(self, message: Message) -> None:
        """Add a message. Never waits."""
        self._messages.append(message)
        self.wake()

    def put_quietly(self, message: Message) -> None:
        """Add a message without waking the reader. It is read with the next, or after a wait."""
        self._messages.append(message)

    def wake(self) -> None:
        """Wake the reader for a moment; without a message it goes on waiting."""
        try:  # noqa: SIM105 - contextlib.suppress takes ten times as long
            self._no_news.release()
        except RuntimeError:
            pass  # it is unlocked already

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
                # It may still be unlocked for a message that was read without waiting.
                left = -1.0 if deadline is None else max(0.0, deadline - time.monotonic())
                if not self._no_news.acquire(timeout=left):
                    return self.get_nowait()

    def get_waiting(self, at_most: int) -> Iterator[Message]:
        """Yield the messages that are there, each when the one before has been handled."""
        for _ in range(at_most):
            try:
                message = self._messages.popleft()
            except IndexError:
                return
            yield message

    def get_nowait(self) -> Message:
        """Return the oldest message, or raise :exc:`queue.Empty`."""
        try:
            return self._messages.popleft()
        except IndexError:
            raise Empty from None
