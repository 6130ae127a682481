"""Starting a thread, on a machine that may have none to give."""

from __future__ import annotations

import threading


class NoThread(Exception):
    """A thread could not be started; the message says which, and what to look at."""


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
