"""Starts threads, which the machine may refuse."""

from __future__ import annotations

import threading


class NoThread(Exception):
    """A thread could not be started. The message names it, and what to check."""


def start(thread: threading.Thread) -> None:
    """Start ``thread``, or raise :exc:`NoThread`."""
    try:
        thread.start()
    except (RuntimeError, MemoryError) as exc:
        why = str(exc) or type(exc).__name__
        raise NoThread(
            f"The thread {thread.name!r} cannot be started: {why}. Look at the limits of threads "
            "and of memory (ulimit -u and -v, pids.max and memory.max of the container)."
        ) from exc
