"""The end of the process, which threads left behind by jobs must not delay."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time

# Seconds for functions registered with atexit, such as sending the last events to Sentry.
_AT_EXIT = 3.0


def leave(status: int, patience: float) -> None:
    """End the process with ``status`` if threads are left; otherwise return.

    Threads that are not daemons get ``patience`` seconds to end. The
    interpreter's own exit would wait for them without limit, and for a reader of
    what was printed. It can also crash on daemon threads that are still at work.
    """
    deadline = time.monotonic() + patience
    with contextlib.suppress(KeyboardInterrupt):  # on Ctrl-C, do not wait
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join(max(0.0, deadline - time.monotonic()))
    is_alone = threading.active_count() == 1
    cut = threading.Timer(_AT_EXIT, os._exit, args=(status,))
    cut.daemon = True
    try:
        cut.start()
    except (RuntimeError, MemoryError):
        # No further thread can be started. Without this one, what follows may take long.
        if is_alone:
            return
        os._exit(status)
    if not is_alone:
        atexit._run_exitfuncs()
    _flush()  # which blocks if nobody reads
    if not is_alone:
        os._exit(status)
    cut.cancel()
    cut.join()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # It may be closed, or None from the start.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            try:
                stream.flush()
            except BrokenPipeError:
                # Its reader has gone. The interpreter would flush once more, and treat the error as
                # a failure of the process.
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
