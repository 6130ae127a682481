"""What is known of an execution, on its way from the runner's loop to the database."""

from __future__ import annotations

import datetime as dt
import json
import sys
from typing import Any, Iterator, NamedTuple, Optional

from quick_jobs.history.texts import in_ascii

# What a record without texts takes in CPython, with its numbers and its place in a dict.
_BYTES_PER_RECORD = 500

# Characters that are kept of a text which the database does not take as it is: all, what every
# server takes by default, what the smallest packet of MariaDB holds beside the rest, and none.
_CUTS = (sys.maxsize, 32 * 1024, 128, 0)

# Characters of texts that every server takes: MariaDB's smallest packet is of 1024 bytes.
_SHORT = 256

_GAP = "\n...\n"


class Record(NamedTuple):
    """What is known of an execution at its start, or at its end.

    ``started_at``, ``finished_at`` and ``due_at`` are POSIX times, ``duration``
    and ``lateness`` are in seconds.
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
    due_at: Optional[float] = None

    @property
    def is_end(self) -> bool:
        return self.finished_at is not None

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        if not (self.error or self.traceback):
            return _BYTES_PER_RECORD
        return _BYTES_PER_RECORD + sys.getsizeof(self.error) + sys.getsizeof(self.traceback)

    @property
    def is_long(self) -> bool:
        """Whether it can be too long for a server."""
        return len(self.error) + len(self.traceback) > _SHORT

    def in_ascii(self) -> Record:
        """Return it with every other character in its texts written as an escape."""
        return self._cut(sys.maxsize)

    def in_less_and_less(self) -> Iterator[Record]:
        """Yield it in ASCII; if it is long, then with its texts cut, and last without them."""
        last: Record = self
        for limit in _CUTS if self.is_long else _CUTS[:1]:
            form = self._cut(limit)
            if form != last:
                yield form
            last = form

    def _cut(self, limit: int) -> Record:
        return self._replace(
            error=in_ascii(self.error)[: min(255, limit)],
            traceback=_both_ends(in_ascii(self.traceback), limit),
        )

    def is_cut_from(self, record: Record) -> bool:
        """Return whether this form of ``record`` lacks some of its texts."""
        return len(self.traceback) < len(record.traceback) or len(self.error) < len(record.error)

    def as_json(self) -> str:
        """Return it as one line of JSON, with times in ISO 8601 and durations in seconds."""
        return json.dumps(
            self._replace(
                started_at=_iso(self.started_at),
                finished_at=_iso(self.finished_at),
                due_at=_iso(self.due_at),
            )._asdict()
        )


def _both_ends(text: str, limit: int) -> str:
    """Return ``text`` in at most ``limit`` characters."""
    if len(text) <= limit:
        return text
    half = max(0, limit - len(_GAP)) // 2
    return text[:half] + _GAP + text[-half:] if half else ""


def _iso(timestamp: Optional[float]) -> Any:
    if timestamp is None:
        return None
    return dt.datetime.fromtimestamp(timestamp, dt.timezone.utc).isoformat()
