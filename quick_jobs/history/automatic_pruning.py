"""The automatic pruning of a runner, one batch at a time."""

from __future__ import annotations

from typing import Callable, Optional, Set

from django.db import DatabaseError

from quick_jobs.history.pruning import Pruning
from quick_jobs.history.texts import one_line
from quick_jobs.logs import get_logger

logger = get_logger(__name__, may_wait=False)

# Seconds for pruning at the end of a runner that does not live long.
_LAST_PRUNING = 0.5


class AutomaticPruning:
    """Runs one pruning at a time, with the pauses that it asks for.

    ``new_pruning`` gets the database's alias, and returns a pruning, or None if there is no
    retention. ``clock`` returns monotonic seconds. ``is_outage`` tells whether a database error
    can pass by itself.
    """

    def __init__(
        self,
        using: str,
        new_pruning: Callable[[str], Optional[Pruning]],
        clock: Callable[[], float],
        is_outage: Callable[[BaseException], bool],
    ) -> None:
        #: The pruning that is under way.
        self.current: Optional[Pruning] = None
        self._using = using
        self._new_pruning = new_pruning
        self._clock = clock
        self._is_outage = is_outage
        self._due_at = 0.0
        self._logged_reasons: Set[str] = set()

    def begin(self) -> None:
        """Begin a pruning, unless one is under way."""
        self.current = self.current or self._new_pruning(self._using)

    def abandon(self) -> None:
        """Leave the rest to the next pruning."""
        self.current = None

    def seconds_to_wait(self) -> Optional[float]:
        """Return in how many seconds the next batch is due, or None if there is none."""
        return max(0.0, self._due_at - self._clock()) if self.current else None

    def step(self) -> None:
        """Delete a batch of old history, if one is due, and leave time for others.

        Raises database errors that can pass by themselves. Others, such as a missing
        permission, are logged once and end this pruning.
        """
        pruning = self.current
        if not pruning or self._clock() < self._due_at:
            return
        try:
            is_done = pruning.step()
        except DatabaseError as error:
            if self._is_outage(error):
                raise
            self._give_up(one_line(error))
            return
        if is_done:
            self.current = None
            self._log_what_stays(pruning)
        self._due_at = self._clock() + pruning.pause

    def run_last(self, is_on_timer: bool) -> None:
        """Prune in a runner on a timer, which ends before pruning is due.

        It takes half a second at most, without pauses, and leaves the rest to the next runner. An
        outage ends it.
        """
        deadline = self._clock() + _LAST_PRUNING
        if is_on_timer:
            self.begin()
        try:
            while self.current and self._clock() < deadline:
                self._due_at = 0.0
                self.step()
        except DatabaseError as error:
            logger.debug("old history is not deleted now: %s", one_line(error))
        self.abandon()

    def _give_up(self, reason: str) -> None:
        self.current = None
        if reason not in self._logged_reasons:
            self._logged_reasons.add(reason)
            logger.error("old history cannot be deleted: %s", reason)

    def _log_what_stays(self, pruning: Pruning) -> None:
        """Log which old history stays because it is in use, once for all references."""
        if pruning.in_use.reasons - self._logged_reasons:
            logger.info("old history is in use: %s", pruning.in_use.in_words())
            self._logged_reasons |= pruning.in_use.reasons
