"""Whether the log and the output of jobs are captured in this process."""

from __future__ import annotations

import contextlib
import threading
from typing import Iterator, NamedTuple, Optional, Sequence

from quick_jobs.capture.captured import Capture
from quick_jobs.capture.log_records import watched
from quick_jobs.capture.streams import teed
from quick_jobs.conf import LOG_ALL, LOG_OFF, conf


class _Settings(NamedTuple):
    max_log: int
    keeps_successes: bool


class _State:
    """How many users there are, and the settings, which are the first one's."""

    lock = threading.Lock()
    users = 0
    settings: Optional[_Settings] = None
    stack = contextlib.ExitStack()


@contextlib.contextmanager
def installed(streams: Sequence[str] = ("stdout", "stderr")) -> Iterator[None]:
    """Let :func:`new_capture` make captures; with ``QUICK_JOBS_LOG = "off"``, do nothing at all.

    ``streams`` are those whose text is captured: none if it is turned into log records.
    """
    if conf.log == LOG_OFF:
        yield
        return
    settings = _Settings(conf.max_log, conf.log == LOG_ALL)
    level = conf.log_level
    with _State.lock:
        if not _State.users:
            _State.stack.enter_context(watched(level))
            _State.stack.enter_context(teed(*streams))
            _State.settings = settings
        _State.users += 1
    try:
        yield
    finally:
        with _State.lock:
            _State.users -= 1
            if not _State.users:
                _State.settings = None
                _State.stack.close()


def new_capture() -> Optional[Capture]:
    """Return a capture for an execution's log and output, None if nothing is installed."""
    settings = _State.settings
    return None if settings is None else Capture(*settings)
