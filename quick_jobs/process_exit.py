"""The end of the process, which no thread that a job left behind may hold up."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time

# Seconds for what is registered with atexit, like sending the last events to Sentry.
_AT_EXIT = 3.0


def leave(status: int, patience: float) -> None:
    """End the process with ``status`` if threads are left; else return, as all is well.

    Threads that are not daemons get ``patience`` seconds to end. The
    interpreter's own way out would wait for them for ever, and can crash on
    daemon threads that are still at work.
    """
    deadline = time.monotonic() + patience
    with contextlib.suppress(KeyboardInterrupt):  # who presses Ctrl-C now has no more patience
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join(max(0.0, deadline - time.monotonic()))
    if threading.active_count() == 1:
        return
    cut = threading.Timer(_AT_EXIT, os._exit, args=(status,))
    cut.daemon = True
    cut.start()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        # Its reader may have gone, it may be closed, or None if it was from the start.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(status)
