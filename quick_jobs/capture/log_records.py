"""Copies log records for executions, including those that the site's handlers never see.

A handler of the root logger would not do: the root's level keeps INFO from it, and with a lower
level the site's own handlers would print more than before.
"""

from __future__ import annotations

import contextlib
import logging
from typing import Iterator

from quick_jobs.capture.captured import LONG, MOST_WAITING
from quick_jobs.capture.current import CURRENT
from quick_jobs.logs import LoweredLevel, is_for_site
from quick_jobs.tracebacks import class_name, traceback_text

# Bytes of a record's traceback. The filter sees it before it is cut.
_LONGEST_TRACEBACK = 1_000_000

_OWN = "quick_jobs"


@contextlib.contextmanager
def watched(least: int) -> Iterator[None]:
    """Capture records from the level ``least`` up, of each logger whose own level allows it.

    The site's handlers get the same records as before.
    """
    root = logging.getLogger()
    site_level = root.level
    lowered = LoweredLevel(min(site_level, least))
    lowered.site_level = site_level
    before = logging.Logger.callHandlers
    get_current, set_current, reset_current = CURRENT.get, CURRENT.set, CURRENT.reset

    def call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
        capture = get_current()
        level = record.levelno
        if capture is None:
            if level >= site_level or is_for_site(logger, level):
                before(logger, record)
            return
        if level >= least:
            name = record.name
            if name[:10] != _OWN or name[10:11] not in ("", "."):
                # This is Capture.add() inlined: the time of a function call matters here.
                try:
                    text = record.getMessage()
                    if record.exc_info or record.stack_info or type(text) is not str:
                        text = _whole(text, record)
                except Exception as exc:  # for the site's handlers to report
                    text = f"(a message that cannot be formatted: {class_name(type(exc))})"
                waiting = capture.waiting
                waiting.append((record.created, record.levelname, name, text))
                if len(waiting) >= MOST_WAITING or len(text) > LONG:
                    capture.settle()
        if (
            level >= site_level
            or (logger.level and logger is not root)
            or is_for_site(logger, level)
        ):
            # Without this, a handler that prints to the terminal would add the line a second time.
            token = set_current(None)
            try:
                before(logger, record)
            finally:
                reset_current(token)

    logging.Logger.callHandlers = call_handlers  # type: ignore[assignment, method-assign]
    root.setLevel(lowered)
    try:
        yield
    finally:
        if root.level is lowered:
            root.setLevel(site_level)
        # If other code has wrapped it since, it stays and does nothing.
        if logging.Logger.callHandlers is call_handlers:
            logging.Logger.callHandlers = before  # type: ignore[method-assign]


def _whole(text: str, record: logging.LogRecord) -> str:
    """Return ``text`` as a ``str``, with the record's traceback and its stack, if any."""
    parts = [str.__str__(text)]
    exc_info = record.exc_info
    if record.exc_text:
        parts.append(str(record.exc_text))
    elif isinstance(exc_info, tuple) and isinstance(exc_info[1], BaseException):
        parts.append(traceback_text(exc_info[1], _LONGEST_TRACEBACK).rstrip("\n"))
    if record.stack_info:
        parts.append(str(record.stack_info))
    return "\n".join(parts)
