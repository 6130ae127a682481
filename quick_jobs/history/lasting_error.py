"""An error that keeps the history from being written, stays the same, and is no outage."""

from __future__ import annotations

import re
from typing import Optional

from quick_jobs.history.texts import one_line
from quick_jobs.logs import get_logger

logger = get_logger(__name__, may_wait=False)

# Seconds after which an error that is no outage is told as one that stays.
_LASTS = 60.0

_MESSAGE = (
    "the history is not written, and waiting will not help: %s. This is no outage. Put right what "
    "it names (run 'manage.py migrate', look at the rights of the database's user and at "
    "DATABASES), or run with --no-history. What is not saved when the runner stops is logged, "
    "and the exit status is 1"
)


class LastingError:
    """An error that is no outage, and is the same again and again. Nothing changes it by itself."""

    def __init__(self) -> None:
        #: What the last failure said, or None when all is well, or might be so by itself.
        self.text: Optional[str] = None
        self.is_told = False
        self._since = 0.0

    def failed(self, error: Exception, now: float, is_outage: bool) -> None:
        """Take note of a failure ``now``, in monotonic seconds; log a lasting one, once."""
        if is_outage:
            self.forget()
        elif self._seen(one_line(error), now):
            log_lasting_error(one_line(error))

    def _seen(self, text: str, now: float) -> bool:
        """Return whether it is time to log it: once, after a minute.

        Numbers in ``text`` do not count, as those of rows and lines are others each time.
        """
        if self.text is None or _without_numbers(text) != _without_numbers(self.text):
            self.is_told = False
            self._since = now
        self.text = text
        if self.is_told or now - self._since < _LASTS:
            return False
        self.is_told = True
        return True

    def forget(self) -> None:
        """Take note that something else has happened."""
        self.text = None
        self.is_told = False


def log_lasting_error(text: str) -> None:
    """Log at ERROR what a lasting error says, and that somebody has to put it right."""
    logger.error(_MESSAGE, text)


def _without_numbers(text: str) -> str:
    return re.sub(r"\d+", "", text)
