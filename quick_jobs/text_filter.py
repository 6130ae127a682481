"""The site's filter for secrets, ``QUICK_JOBS_LOG_FILTER``."""

from __future__ import annotations

import time
from typing import Optional

from quick_jobs.conf import conf
from quick_jobs.logs import get_logger
from quick_jobs.tracebacks import class_name, storable, traceback_of

logger = get_logger(__name__, may_wait=False)

#: Is stored and sent in place of a text that could not be filtered.
HIDDEN = "(hidden: QUICK_JOBS_LOG_FILTER failed)"

# Seconds between two reports: a broken filter fails with every text.
_REPORT_INTERVAL = 60.0


def filtered(text: str) -> str:
    """Return ``text`` after the site's filter, as it may be stored and sent.

    Without a filter this is ``text`` itself. A filter that raises anything, or does not return a
    ``str``, hides the text. The log says so once a minute, without the text.
    Every thread may call this, and it never raises.
    """
    if not text:
        return text
    try:
        text_filter = conf.log_filter
        if text_filter is None:
            return text
        result = text_filter(text)
        if issubclass(type(result), str):
            return str.__str__(result)  # its own class may have methods of its own
        problem = f"it returned {class_name(type(result))}, not a str"
    except BaseException as exc:
        problem = _in_short(exc)
    _report(problem, time.monotonic())
    return HIDDEN


def filtered_line(text: str, length: int) -> str:
    """Return the first line of the :func:`filtered` ``text``, in at most ``length`` characters.

    ``text`` is such a line already.
    """
    result = filtered(text)
    if result is text:
        return text
    lines = storable(result[:length], 6 * length).splitlines() or [""]
    return lines[0][:length]


class _Reports:
    """The time of the last report, in monotonic seconds."""

    last: Optional[float] = None


def _report(problem: str, now: float) -> None:
    if _Reports.last is None or now >= _Reports.last + _REPORT_INTERVAL:
        _Reports.last = now
        logger.error(
            "QUICK_JOBS_LOG_FILTER failed, so the text is hidden: %s. This is said once a minute.",
            problem,
        )


def _in_short(exc: BaseException) -> str:
    """Return the exception's type and place, without its message, which may quote the text."""
    try:
        place, tb = "", traceback_of(exc)
        while tb is not None:
            place = f' in "{tb.tb_frame.f_code.co_filename}", line {tb.tb_lineno}'
            tb = tb.tb_next
        return f"{class_name(type(exc))}{place}"
    except BaseException:  # out of memory
        return "an error that cannot be shown"
