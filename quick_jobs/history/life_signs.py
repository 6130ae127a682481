"""The signs of life of a runner and its executions: heartbeats, and looks at what runs.

A heartbeat never waits for looks, and is never lost because the database refuses one.
"""

from __future__ import annotations

from typing import Dict, Iterable, Optional, Sequence

from quick_jobs.history.backlog import Backlog
from quick_jobs.history.look import Look, LookTexts
from quick_jobs.history.storage import Storage
from quick_jobs.logs import get_logger

logger = get_logger(__name__, may_wait=False)

# Looks that wait while the database is away: twice as many as come with one heartbeat, because some
# are of executions that have ended meanwhile.
_MOST_WAITING = 200

# Tries of looks, while the database answers otherwise, before they are cut. A server that gets too
# much may just close the connection, as it does for many other reasons.
_TRIES = 2


class LifeSigns:
    """Writes heartbeats and looks to ``storage``, in the recorder's thread.

    Looks are written with a heartbeat. If that fails, the newest look at each execution waits for
    the next heartbeat. A look at an execution whose start is in ``backlog`` waits for the start.
    """

    def __init__(self, storage: Storage, backlog: Backlog, heartbeat_interval: float) -> None:
        self._storage = storage
        self._backlog = backlog
        self._heartbeat_interval = heartbeat_interval
        self._beat_at: Optional[float] = None
        self._looks: Dict[int, Look] = {}

    def take(self, at: float, looks: Iterable[Look]) -> None:
        """Let a heartbeat be written, with ``looks``: the loop was alive ``at`` this time."""
        self._beat_at = at
        for look in looks:
            older = self._looks.pop(look.number, None)
            self._looks[look.number] = look if older is None else look.after(older)
        while len(self._looks) > _MOST_WAITING:
            del self._looks[next(iter(self._looks))]

    def write(self, now: float) -> None:
        """Write what is due. Raises the database's exceptions."""
        if self._beat_at is None:
            return
        # A heartbeat that waited for the database does not show that the loop works now.
        is_fresh = now - self._beat_at < self._heartbeat_interval
        if is_fresh:
            self._storage.beat(self._backlog.dropped)
        self._beat_at = None
        if is_fresh and self._looks:
            self._write_looks()

    def _write_looks(self) -> None:
        ready = [number for number in self._looks if not self._backlog.has_start(number)]
        if ready:
            self._write_texts([LookTexts.of(self._looks[number]) for number in ready])
        for number in ready:
            del self._looks[number]

    def _write_texts(self, looks: Sequence[LookTexts]) -> None:
        """Write ``looks`` as they are, in ASCII, or shortened, as far as the database accepts."""
        error = self._refusal_of(looks)
        if error is not None and self._storage.is_about_data(error):
            error = self._refusal_of([look.in_ascii() for look in looks])
        if error is None:
            return
        for look in looks:
            error = self._refusal_of([look.short()])
            if error is not None:
                logger.debug("a look is not saved, as the database refuses it", exc_info=error)

    def _refusal_of(self, looks: Sequence[LookTexts]) -> Optional[Exception]:
        """Write ``looks``; return the error if they are refused and that is not an outage."""
        tries = 0
        while True:
            try:
                self._storage.observe(looks)
                return None
            except Exception as exc:
                is_about_data = self._storage.is_about_data(exc)
                if not is_about_data and not self._storage.may_be_of_size(exc):
                    raise
                error = exc
            self._storage.reset()
            tries += 1
            if is_about_data or tries == _TRIES:
                return error
            self._storage.probe(self._backlog.dropped)
