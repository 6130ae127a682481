"""A lasting error: the history cannot be written, and it is not an outage."""

from __future__ import annotations

import re
from typing import Optional

from quick_jobs.history.texts import one_line
from quick_jobs.logs import get_logger

logger = get_logger(__name__, may_wait=False)

# Seconds after which an error that is not an outage is reported as lasting.
_LASTS = 60.0

_MESSAGE = (
    "the history is not written, and waiting will not help: %s. This is not an outage. Correct the "
    "cause (run 'manage.py migrate', check DATABASES and the permissions of the database's user), "
    "or run with --no-history. What is not saved when the runner stops is logged, and the exit "
    "status is 1"
)


class LastingError:
    """Detects an error that is not an outage and repeats itself, so it will not pass."""

    def __init__(self) -> None:
        #: The text of the last failure; None if all is well, or the failure may pass.
        self.text: Optional[str] = None
        self.is_told = False
        self._since = 0.0

    def failed(self, error: Exception, now: float, is_outage: bool) -> None:
        """Note a failure ``now``, in monotonic seconds; log a lasting one, once."""
        if is_outage:
            self.forget()
        elif self._seen(one_line(error), now):
            log_lasting_error(one_line(error))

    def _seen(self, text: str, now: float) -> bool:
        """Return whether to log it now: once, after a minute.

        Numbers in ``text`` are ignored, because those of rows and lines differ each time.
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
        """Note that something else has happened."""
        self.text = None
        self.is_told = False


def log_lasting_error(text: str) -> None:
    """Log a lasting error at ERROR, with advice."""
    logger.error(_MESSAGE, text)


def _without_numbers(text: str) -> str:
    return re.sub(r"\d+", "", text)
