"""What one execution has logged and printed, from any thread, in bounded memory."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from itertools import islice
from typing import Deque, Iterator, List, Optional

from quick_jobs.capture.bounded import BoundedPieces
from quick_jobs.capture.lines import Piece, bytes_in
from quick_jobs.text_filter import filtered
from quick_jobs.tracebacks import storable

# Pieces that wait at most. To settle several at once costs less: a tenth of a microsecond each.
# They have at most LONG characters, except for the last one.
MOST_WAITING = 128
LONG = 1000

# Pieces that wait at most while another thread settles them; then the oldest are dropped. A thread
# that is interrupted meanwhile has its next turn after some milliseconds.
_CAPACITY = 10_000

# Seconds to wait for a thread that settles them. A filter may take long for a long line, and after
# a fork the thread no longer exists.
_PATIENCE = 1.0


class Capture:
    """Keeps both ends of what is added, in at most ``limit`` bytes of text.

    ``waiting`` has the pieces that are not settled yet.
    Without ``keeps_successes``, :meth:`final_text` is empty for an execution that succeeded.
    """

    __slots__ = (
        "_keeps_successes",
        "_last_text",
        "_limit",
        "_lock",
        "_pieces",
        "_taken",
        "waiting",
    )

    def __init__(self, limit: int, keeps_successes: bool = True) -> None:
        self._limit = limit
        self._keeps_successes = keeps_successes
        self.waiting: Deque[Piece] = deque(maxlen=_CAPACITY)
        self._lock = threading.Lock()  # for all that follows
        self._taken = 0
        self._pieces: Optional[BoundedPieces] = None  # most executions say nothing
        self._last_text = ""

    @property
    def version(self) -> int:
        """A number that grows with each line."""
        return self._taken + len(self.waiting)

    def add(self, created: float, level: str, logger: Optional[str], text: str) -> None:
        """Add a record of ``logger``, or a printed piece if that is None.

        ``created`` is POSIX time, ``level`` a level of logging or the name of a stream.
        This never waits. The garbage collector or a signal handler may interrupt it and print,
        and a fork may leave the lock held.
        """
        waiting = self.waiting
        waiting.append((created, level, logger, text))
        if len(waiting) >= MOST_WAITING or len(text) > LONG:
            self.settle()

    def text(self) -> str:
        """Return all that is kept, filtered and storable in every database; "" if there is none."""
        if not (self._taken or self.waiting):
            return ""
        try:
            if self._lock.acquire(timeout=_PATIENCE):
                try:
                    lines = self._take_up().lines()
                finally:
                    self._lock.release()
                self._last_text = storable(filtered("\n".join(lines)), self._limit)
        except Exception as exc:  # out of memory; the execution has to end anyway
            return f"(the log cannot be shown: {type(exc).__name__})"
        return self._last_text

    def final_text(self, succeeded: bool) -> str:
        """Return the text to keep for an execution that has ended."""
        return "" if succeeded and not self._keeps_successes else self.text()

    def settle(self) -> None:
        """Process the pieces that wait, unless another thread is doing so."""
        if self._lock.acquire(False):
            try:
                with contextlib.suppress(Exception):  # out of memory: the pieces are lost
                    self._take_up()
            finally:
                self._lock.release()

    def _take_up(self) -> BoundedPieces:
        if self._pieces is None:
            self._pieces = BoundedPieces(self._limit)
        bounded = self._pieces
        take = self.waiting.popleft
        pieces = [take() for _ in range(len(self.waiting))]
        self._taken += len(pieces)
        if pieces and max([len(piece[3]) for piece in pieces]) > LONG:
            shorter = _shorter(pieces, bounded.longest)
            pieces = list(islice(shorter, MOST_WAITING))
            while pieces:
                bounded.add(pieces)
                pieces = list(islice(shorter, MOST_WAITING))
        elif pieces:
            bounded.add(pieces)
        return bounded


def _shorter(pieces: List[Piece], longest: int) -> Iterator[Piece]:
    """Yield ``pieces``; those that are too long are filtered, then their lines are cut."""
    for piece in pieces:
        created, level, logger, text = piece
        if bytes_in(text) <= longest:
            yield piece
        elif logger is not None:
            yield created, level, logger, storable(filtered(text), longest)
        else:
            *ended, rest = filtered(text).split("\n")
            for line in ended:
                yield created, level, None, storable(line, longest - 1) + "\n"
            if rest:
                yield created, level, None, storable(rest, longest)
