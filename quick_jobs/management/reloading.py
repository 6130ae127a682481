"""``run_jobs --reload``: a parent process that restarts the runner when code changes.

The runner is in a child process, and handles signals in its main thread. The child watches the
files of the modules that it has imported (see :mod:`quick_jobs.management.watching`), and ends with
a special exit status when one changes. If the child has failed, as with a syntax error, the parent
watches the files.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from queue import Empty
from typing import Dict, Union

from django.utils import autoreload

from quick_jobs import threads
from quick_jobs.console import log_to_console
from quick_jobs.logs import get_logger
from quick_jobs.mailbox import Mailbox
from quick_jobs.management.source_files import source_files
from quick_jobs.management.watching import CODE_CHANGED, stop_on_signals_and_changes
from quick_jobs.stop_signals import StopWhenAsked, stop_on_signals

logger = get_logger("quick_jobs")

# In the environment of a child: the time of its start, in seconds since 1970.
_STARTED_AT = "QUICK_JOBS_STARTED_AT"

# Seconds between two checks of the files while there is no child.
_LOOK_INTERVAL = 0.5

# A signal's name, or a child's exit status.
_Message = Union[str, int]


def reload_on_changes(verbosity: int) -> StopWhenAsked:
    """In the child, return a function that stops the runner on signals and changes.

    In the parent, this raises :exc:`SystemExit` at the end: with 0 after a signal or if the child
    ended by itself with 0, with 1 if a signal has ended the child in another way.
    """
    # Not for the processes that a job starts: they may be runners too.
    started_at = os.environ.pop(_STARTED_AT, None)
    if started_at is None:
        raise SystemExit(_be_parent(verbosity))
    autoreload.ensure_echo_on()  # the debugger may have ended with the child before
    return stop_on_signals_and_changes(float(started_at))


def _be_parent(verbosity: int) -> int:
    mailbox: Mailbox[_Message] = Mailbox()
    with log_to_console(verbosity), stop_on_signals(mailbox.put, mailbox.wake):
        while True:
            # Before the child reads them, so that a repair while it fails counts too.
            files = source_files()
            child = _start_child(mailbox)
            is_stopping = False
            while True:
                message = mailbox.get(None)
                if isinstance(message, int):
                    break
                is_stopping = True
                # A signal from a terminal has reached the child already; it counts both as one.
                with contextlib.suppress(OSError, ValueError):
                    child.send_signal(getattr(signal, message))
            if is_stopping:
                return 1 if message == 1 else 0
            if message == 0:
                return 0
            if message != CODE_CHANGED:
                logger.warning(
                    "The runner has ended with exit status %s. It starts again when a file of "
                    "the project changes.",
                    message,
                )
                if not _wait_for_change(files, mailbox):
                    return 0


def _start_child(mailbox: Mailbox[_Message]) -> subprocess.Popen[bytes]:
    """Start this command as a child. Its exit status is put into the mailbox.

    It stays in the terminal's foreground group, so a debugger in it can read.
    """
    environment = {
        **os.environ,
        _STARTED_AT: repr(time.time()),
        # Apps check this in ready(), as with Django's own server.
        autoreload.DJANGO_AUTORELOAD_ENV: "true",
    }
    child = subprocess.Popen(autoreload.get_child_arguments(), env=environment)
    waiter = threading.Thread(
        target=lambda: mailbox.put(child.wait()), name="quick_jobs child", daemon=True
    )
    threads.start(waiter)
    return child


def _wait_for_change(before: Dict[str, int], mailbox: Mailbox[_Message]) -> bool:
    """Return True when the files are no longer as ``before``, False when a signal comes first."""
    while source_files() == before:
        with contextlib.suppress(Empty):
            mailbox.get(_LOOK_INTERVAL)
            return False
    return True
