"""What is known of an execution, on its way from the runner's loop to the database."""

from __future__ import annotations

import datetime as dt
import json
import sys
from typing import Any, NamedTuple, Optional

# What a record without texts takes in CPython, with its numbers and its place in a dict.
_BYTES_PER_RECORD = 500


class Record(NamedTuple):
    """What is known of an execution at its start, or at its end.

    ``started_at`` and ``finished_at`` are POSIX times, ``duration`` and
    ``lateness`` are in seconds.
    """

    number: int
    job: str
    started_at: float
    finished_at: Optional[float]
    duration: Optional[float]
    lateness: Optional[float]
    outcome: str
    error: str
    traceback: str

    @property
    def is_end(self) -> bool:
        return self.finished_at is not None

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        if not (self.error or self.traceback):
            return _BYTES_PER_RECORD
        return _BYTES_PER_RECORD + sys.getsizeof(self.error) + sys.getsizeof(self.traceback)

    def in_ascii(self) -> Record:
        """Return it with every other character in its texts written as an escape."""
        return self._replace(error=_ascii(self.error)[:255], traceback=_ascii(self.traceback))

    def as_json(self) -> str:
        """Return it as one line of JSON, with times in ISO 8601 and durations in seconds."""
        return json.dumps(
            self._replace(
                started_at=_iso(self.started_at), finished_at=_iso(self.finished_at)
            )._asdict()
        )


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode("ascii")


def _iso(timestamp: Optional[float]) -> Any:
    if timestamp is None:
        return None
    return dt.datetime.fromtimestamp(timestamp, dt.timezone.utc).isoformat()
