"""What is known of an execution, on its way from the runner's loop to the database."""

from __future__ import annotations

import datetime as dt
import json
import sys
from typing import Any, Iterator, NamedTuple, Optional

from quick_jobs.history.texts import in_ascii

# Bytes of a record without texts in CPython, with its numbers and its place in a dict; and bytes of
# the tuple of its words, without the words.
_BYTES_PER_RECORD = 500
_BYTES_PER_WORDS = 150

# Characters that are kept of a text that the database refuses as it is: all, as many as every
# server takes by default, as many as fit beside the rest in MariaDB's smallest packet, and none.
_CUTS = (sys.maxsize, 32 * 1024, 128, 0)

# Characters of texts, without words, that every server takes in a separate statement: MariaDB's
# smallest packet has 1024 bytes.
_SHORT = 256

_GAP = "\n...\n"


class Words(NamedTuple):
    """An execution's note, progress, log and kind of failure.

    The texts are storable, the numbers finite.
    """

    note: str = ""
    progress_done: Optional[float] = None
    progress_total: Optional[float] = None
    log: str = ""
    fingerprint: str = ""


class Record(NamedTuple):
    """What is known of an execution at its start, or at its end.

    ``started_at``, ``finished_at`` and ``due_at`` are POSIX times, ``duration``,
    ``lateness`` and ``cpu_time`` are in seconds. ``words`` are None if the execution
    has none and none are on record; only ends have words.
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
    cpu_time: Optional[float] = None
    words: Optional[Words] = None

    @property
    def is_end(self) -> bool:
        return self.finished_at is not None

    @property
    def size(self) -> int:
        """The approximate size in memory, in bytes."""
        size = _BYTES_PER_RECORD
        if self.error or self.traceback:
            size += sys.getsizeof(self.error) + sys.getsizeof(self.traceback)
        if self.words is not None:
            texts = (self.words.note, self.words.log, self.words.fingerprint)
            size += _BYTES_PER_WORDS + sum(map(sys.getsizeof, texts))
        return size

    @property
    def characters(self) -> int:
        """The number of characters in its texts."""
        characters = len(self.error) + len(self.traceback)
        if self.words is not None:
            characters += len(self.words.note) + len(self.words.log)
        return characters

    @property
    def is_long(self) -> bool:
        """Whether it can be too long for a server."""
        return self.words is not None or self.characters > _SHORT

    def in_ascii(self) -> Record:
        """Return it with all non-ASCII characters in its texts escaped."""
        return self._cut(sys.maxsize)

    def in_less_and_less(self) -> Iterator[Record]:
        """Yield it in ASCII; if it is long, then with its texts cut, and finally without them.

        The shortest forms lack its words, which need a longer statement.
        """
        last: Record = self
        for limit in _CUTS if self.is_long else _CUTS[:1]:
            form = self._cut(limit)
            if form != last:
                yield form
            last = form

    def _cut(self, limit: int) -> Record:
        words = self.words
        if words is not None:
            words = None if limit <= _SHORT else _words_cut(words, limit)
        return self._replace(
            error=in_ascii(self.error)[: min(255, limit)],
            traceback=_both_ends(in_ascii(self.traceback), limit),
            words=words,
        )

    def is_cut_from(self, record: Record) -> bool:
        """Return whether this form of ``record`` lacks some of its texts."""
        if len(self.traceback) < len(record.traceback) or len(self.error) < len(record.error):
            return True
        words, whole = self.words or Words(), record.words or Words()
        return len(words.log) < len(whole.log) or len(words.note) < len(whole.note)

    def as_json(self) -> str:
        """Return it as one line of JSON, with times in ISO 8601 and durations in seconds."""
        facts = self._replace(
            started_at=_iso(self.started_at),
            finished_at=_iso(self.finished_at),
            due_at=_iso(self.due_at),
        )._asdict()
        words = facts.pop("words")
        return json.dumps(facts if words is None else {**facts, **words._asdict()})


def _words_cut(words: Words, limit: int) -> Words:
    return words._replace(
        note=in_ascii(words.note)[:255],
        log=_both_ends(in_ascii(words.log), limit),
        fingerprint=in_ascii(words.fingerprint)[:255],
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
