"""The event that tells threads and event loops that the runner stops."""

from __future__ import annotations

import contextlib
import threading
from typing import Callable, Iterator, Set


class StopFlag(threading.Event):
    """An event that is set once. Threads wait for it; for an event loop it calls a function."""

    def __init__(self) -> None:
        super().__init__()
        self._listeners: Set[Callable[[], object]] = set()
        self._listeners_lock = threading.Lock()

    def set(self) -> None:
        """Wake all waiting threads, and call all listeners in this thread."""
        super().set()
        with self._listeners_lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    @contextlib.contextmanager
    def calling(self, listener: Callable[[], object]) -> Iterator[None]:
        """Let :meth:`set` call ``listener``, which may not raise; call it now if already set.

        In a race it may be called twice, or after the block.
        """
        with self._listeners_lock:
            self._listeners.add(listener)
        try:
            if self.is_set():
                listener()
            yield
        finally:
            with self._listeners_lock:
                self._listeners.discard(listener)


async def sleep_until_set(flag: StopFlag, seconds: float) -> None:
    """Sleep for ``seconds`` in the running event loop, or until ``flag`` is set, by any thread."""
    import asyncio  # imported here: Django 2.2 works without asyncio

    loop = asyncio.get_running_loop()
    woken: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not woken.done():
            woken.set_result(None)

    def wake_from_any_thread() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(wake)

    timer = loop.call_later(seconds, wake)
    try:
        with flag.calling(wake_from_any_thread):
            await woken
    finally:
        timer.cancel()
