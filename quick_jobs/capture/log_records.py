"""Log records, of which executions get a copy: also those that the site's handlers never see.

A handler of the root logger would be the wrong door: the root's level keeps INFO from it, and
with a lower one the site's own handlers print more than before.
"""

from __future__ import annotations

import contextlib
import logging
from typing import Iterator

from quick_jobs.capture.current import CURRENT
from quick_jobs.tracebacks import class_name, traceback_text

# Bytes of the traceback in a record, which the filter sees before it is cut.
_LONGEST_TRACEBACK = 1_000_000

_OWN = "quick_jobs"


class _Lowered(int):
    """The root's level while it is lowered, known by identity: the site may set the same."""


@contextlib.contextmanager
def watched(least: int) -> Iterator[None]:
    """Capture records from the level ``least`` up, of each logger whose own level allows it.

    The site's handlers get the records that they got before.
    """
    root = logging.getLogger()
    site_level = root.level
    lowered = _Lowered(min(site_level, least))
    before = logging.Logger.callHandlers
    get_current, set_current, reset_current = CURRENT.get, CURRENT.set, CURRENT.reset

    def is_allowed(logger: logging.Logger) -> bool:
        """Return whether the site lets a record below the root's level through."""
        if root.level is not lowered:
            return True  # the site has set it since, and this record has passed
        each = logger
        while each.parent is not None and not each.level:
            each = each.parent
        return each is not root

    def call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
        capture = get_current()
        level = record.levelno
        if capture is None:
            if level >= site_level or is_allowed(logger):
                before(logger, record)
            return
        if level >= least:
            name = record.name
            if name[:10] != _OWN or name[10:11] not in ("", "."):
                capture.add(record.created, record.levelname, name, text_of(record))
        if level >= site_level or is_allowed(logger):
            # A handler that prints to the terminal would have the line kept twice.
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
        # If somebody has wrapped it since, it stays, and does nothing any more.
        if logging.Logger.callHandlers is call_handlers:
            logging.Logger.callHandlers = before  # type: ignore[method-assign]


def text_of(record: logging.LogRecord) -> str:
    """Return the record's message, with its traceback and its stack, if any.

    Arguments that do not fit the message are an error for the site's handlers to report.
    """
    try:
        text = record.getMessage()
    except Exception as exc:
        text = f"(a message that cannot be formatted: {class_name(type(exc))})"
    if record.exc_info or record.exc_text or record.stack_info:
        text = "\n".join([text, *_more(record)])
    return text if type(text) is str else str.__str__(text)


def _more(record: logging.LogRecord) -> Iterator[str]:
    exc_info = record.exc_info
    if record.exc_text:
        yield str(record.exc_text)
    elif isinstance(exc_info, tuple) and isinstance(exc_info[1], BaseException):
        yield traceback_text(exc_info[1], _LONGEST_TRACEBACK).rstrip("\n")
    if record.stack_info:
        yield str(record.stack_info)
