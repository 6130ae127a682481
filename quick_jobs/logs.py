"""Loggers that neither raise nor delay their callers.

They are the standard library's, by the same names, with two differences. An exception of a handler,
a filter or a formatter is reported on standard error, and not raised. And in
:func:`in_background`, the critical threads (the runner's loop, the recorder) leave their lines to
another thread, because a handler may wait without limit.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
import time
import traceback
from collections import deque
from typing import Callable, Deque, Iterator, Optional, Tuple

# Seconds between two reports of failures: a broken handler fails with each line.
_REPORT_INTERVAL = 60.0

# Lines that may wait; further ones are dropped. More than the executions that the history keeps in
# memory, each of which makes a line if it cannot be saved by the end.
_CAPACITY = 100_000

# Seconds that waiting lines get at the end, when unsaved executions may make 50,000 lines; and
# seconds without a written line after which the wait is over. A mailed line takes a second or two.
_AT_END = 20.0
_STUCK_AFTER = 3.0


class LoweredLevel(int):
    """The root logger's level while it is lowered from ``site_level``, to see what jobs log.

    It is recognized by its type: the site may set the same number.
    """

    site_level = logging.NOTSET


def is_for_site(logger: logging.Logger, level: int) -> bool:
    """Return whether the site's handlers get a record for which ``logger`` is enabled."""
    root = logger.root
    root_level = root.level
    if type(root_level) is not LoweredLevel or level >= root_level.site_level:
        return True
    each = logger
    while each.parent is not None and not each.level:
        each = each.parent
    return each is not root


class Logger:
    """The methods of ``logging.getLogger(name)`` that are used here. None raises.

    ``may_wait`` is False in critical threads.
    """

    def __init__(self, name: str, may_wait: bool) -> None:
        self._logger = logging.getLogger(name)
        self._may_wait = may_wait

    def debug(self, message: str, *args: object, exc_info: Optional[BaseException] = None) -> None:
        self._log(logging.DEBUG, message, args, exc_info)

    def info(self, message: str, *args: object) -> None:
        self._log(logging.INFO, message, args, None)

    def warning(self, message: str, *args: object) -> None:
        self._log(logging.WARNING, message, args, None)

    def error(self, message: str, *args: object, exc_info: Optional[BaseException] = None) -> None:
        self._log(logging.ERROR, message, args, exc_info)

    def critical(
        self, message: str, *args: object, exc_info: Optional[BaseException] = None
    ) -> None:
        self._log(logging.CRITICAL, message, args, exc_info)

    def _log(
        self, level: int, message: str, args: Tuple[object, ...], error: Optional[BaseException]
    ) -> None:
        try:
            # Nobody else gets our lines, so a line that the site does not want is not made.
            if not self._logger.isEnabledFor(level) or not is_for_site(self._logger, level):
                return
            # As in Logger.info(), which on Python 3.7 would take this file for the caller's.
            caller = sys._getframe(2)
            code = caller.f_code
            record = self._logger.makeRecord(
                self._logger.name,
                level,
                code.co_filename,
                caller.f_lineno,
                message,
                args,
                None if error is None else (type(error), error, error.__traceback__),
                code.co_name,
            )
            if self._may_wait or not _background.is_on:
                self._logger.handle(record)
                return
        except BaseException as exc:
            _report(exc, message)
            return
        _background.put(lambda: self._logger.handle(record), message)


def get_logger(name: str, may_wait: bool = True) -> Logger:
    """Return the logger ``name``; with ``may_wait=False``, for a critical thread."""
    return Logger(name, may_wait)


def say(write: Callable[[], object], what: str) -> None:
    """Call ``write``, which reports ``what``, in the way that critical threads log lines."""
    if _background.is_on:
        _background.put(write, what)
    else:
        _guarded(write, what)


def wait_until_written(seconds: float) -> None:
    """Wait until all lines of critical threads are written, for ``seconds`` at most."""
    _background.settle(seconds)


@contextlib.contextmanager
def in_background() -> Iterator[None]:
    """Let a thread write the lines of loggers that may not wait. It exists only while they come.

    At the end this waits for them, unless no line gets written.
    """
    _background.is_on = True
    try:
        yield
    finally:
        _background.is_on = False
        _background.finish()


class _Background:
    """Writes waiting lines, in a thread that ends when none wait."""

    def __init__(self) -> None:
        self.is_on = False
        self._waiting: Deque[Tuple[Callable[[], object], str]] = deque()
        self._changed = threading.Condition()  # guards what follows, and is notified of progress
        self._thread: Optional[threading.Thread] = None
        self._progress_at = 0.0

    def put(self, write: Callable[[], object], what: str) -> None:
        """Let ``write`` be called soon. Never waits."""
        with self._changed:
            if len(self._waiting) < _CAPACITY:
                self._waiting.append((write, what))
            if self._thread is not None:
                return
            self._thread = thread = threading.Thread(
                target=self._run, name="quick_jobs log", daemon=True
            )
        try:
            thread.start()
        except (RuntimeError, MemoryError):  # no further thread can be started
            self._run()

    def settle(self, seconds: float) -> None:
        """Wait until no lines are left, for ``seconds`` at most."""
        with self._changed:
            self._changed.wait_for(lambda: self._thread is None, seconds)

    def finish(self) -> None:
        """Wait until all lines are written, unless none gets written for a while."""
        now = time.monotonic()
        deadline = now + _AT_END
        with self._changed:
            self._progress_at = now
            while self._thread is not None:
                left = min(deadline, self._progress_at + _STUCK_AFTER) - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._progress_at = time.monotonic()
                self._changed.notify_all()
                if not self._waiting:
                    self._thread = None
                    return
                write, what = self._waiting.popleft()
            _guarded(write, what)


_background = _Background()


def _guarded(write: Callable[[], object], what: str) -> None:
    try:
        write()
    except BaseException as exc:
        _report(exc, what)


class _Reports:
    """Decides when a failure of the log is reported, and counts those since the last report."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: Optional[float] = None
        self._unreported = 0

    def count(self, now: float) -> Optional[int]:
        """Count a failure; return how many before it were not reported, None if it is not."""
        with self._lock:
            if self._last is not None and now < self._last + _REPORT_INTERVAL:
                self._unreported += 1
                return None
            self._last = now
            unreported, self._unreported = self._unreported, 0
            return unreported


_reports = _Reports()


def _report(error: BaseException, what: str) -> None:
    """Report on standard error, if there is one, that ``what`` could not be written."""
    if isinstance(error, KeyboardInterrupt) and _is_ctrl_c():
        raise error
    unreported = _reports.count(time.monotonic())
    if unreported is None:
        return
    with contextlib.suppress(Exception):  # standard error may be missing, or have no reader
        since = f", and {unreported} lines before" if unreported else ""
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        sys.stderr.write(
            f"quick_jobs: a line of the log was lost ({what!r}){since}. This is said once a "
            f"minute.\n{''.join(lines)}"
        )
        sys.stderr.flush()


def _is_ctrl_c() -> bool:
    """Return whether KeyboardInterrupt in this thread can come from a person."""
    return (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
