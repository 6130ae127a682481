"""The threads in which an execution's async code runs synchronous code, such as the ORM."""

from __future__ import annotations

import contextlib
from concurrent.futures import Executor, Future
from typing import Optional

from django.db import connections

from quick_jobs.compat import (
    initialized_connections,
    set_thread_context,
    shared_async_executor,
    take_thread_of,
)
from quick_jobs.logs import get_logger

logger = get_logger(__name__)


class AsyncThread:
    """A thread of one execution's own for ``sync_to_async``, if it needs one.

    With ``async_to_sync`` the ORM runs in the worker's thread, on its connections. With
    ``asyncio.run`` it would run in a thread that all jobs of the process share, one after
    the other, with connections that nobody closes.
    """

    __slots__ = ("_context",)

    def __init__(self) -> None:
        self._context: Optional[object] = None

    def enter(self) -> None:
        """Let the async code of this context, and of copies of it, use the thread."""
        self._context = set_thread_context()

    def leave(self, name: str) -> Optional[Future[None]]:
        """End the thread, if there is one, and close its connections, without waiting.

        The log names ``name`` as the culprit of a transaction that was left open there.
        """
        executor = take_thread_of(self._context)
        if executor is not None:
            closed = _submit(executor, name)
            executor.shutdown(wait=False)
            return closed
        shared = shared_async_executor()
        return None if shared is None else _submit(shared, "")


def _submit(executor: Executor, name: str) -> Optional[Future[None]]:
    with contextlib.suppress(RuntimeError):  # the process is about to end
        return executor.submit(_close_connections, name)
    return None


def _close_connections(name: str) -> None:
    """Close this thread's connections; without ``name``, others may be in a transaction there."""
    for connection in initialized_connections():
        if connection.in_atomic_block:
            if not name:
                continue
            logger.warning("%s left a transaction open; it is rolled back", name)
        try:
            connection.close()
        except Exception as exc:
            logger.debug("Closing a connection failed", exc_info=exc)
        del connections[connection.alias]
