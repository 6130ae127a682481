"""The output of the commands: messages, and the log if none is configured."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from typing import Iterator, Match

_EXECUTIONS = "quick_jobs.execution"

# By --verbosity: failures and warnings; every execution's end as well; its start as well;
# everything.
_LEVELS = {
    0: {"quick_jobs": logging.WARNING},
    1: {"quick_jobs": logging.INFO},
    2: {"quick_jobs": logging.INFO, _EXECUTIONS: logging.DEBUG},
    3: {"quick_jobs": logging.DEBUG},
}

# Control characters, unusual ends of lines, changes of the writing direction, and surrogates, which
# no terminal can show. Tabs and normal ends of lines stay.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Return ``text`` safe for a terminal, so that foreign text cannot pass for ours.

    Lines after the first are indented by four spaces, and control characters are written as
    escapes.
    """
    text = text.replace("\r\n", "\n").rstrip("\n").replace("\n", "\n    ")
    return _UNPRINTABLE.sub(_escape, text)


def _escape(match: Match[str]) -> str:
    return match.group().encode("unicode_escape").decode("ascii")


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


@contextlib.contextmanager
def log_to_console(verbosity: int) -> Iterator[None]:
    """Show the log on standard error, unless the site has configured where it goes."""
    logger = logging.getLogger("quick_jobs")
    if logger.hasHandlers():
        yield
        return
    levels = {logging.getLogger(name): level for name, level in _LEVELS[verbosity].items()}
    before = {each: each.level for each in levels}
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    for each, level in levels.items():
        each.setLevel(level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        for each, level in before.items():
            each.setLevel(level)
