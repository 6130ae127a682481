"""The event that says that the runner stops, to threads and to event loops."""

from __future__ import annotations

import contextlib
import threading
from typing import Callable, Iterator, Set


class StopFlag(threading.Event):
    """An event that is set once. Threads wait for it; an event loop has it call a function."""

    def __init__(self) -> None:
        super().__init__()
        self._listeners: Set[Callable[[], object]] = set()
        self._listeners_lock = threading.Lock()

    def set(self) -> None:
        """Wake all who wait, and call all who listen, in this thread."""
        super().set()
        with self._listeners_lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    @contextlib.contextmanager
    def calling(self, listener: Callable[[], object]) -> Iterator[None]:
        """Have :meth:`set` call ``listener``, which may not raise; at once if it is set already.

        In a race it may be called twice, or once after the block.
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
    import asyncio  # here, as Django 2.2 does without it

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
