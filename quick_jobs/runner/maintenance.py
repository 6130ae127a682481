"""When heartbeat and pruning are due. Pure: the caller gives the time and the randomness."""

from __future__ import annotations

import math
from typing import Callable

# Seconds before the first pruning of a runner with a retention, and between two. A random part is
# added, so that runners that start together do not prune together.
_PRUNE_INTERVAL = 3600.0
_FIRST_PRUNE = 5.0


class Maintenance:
    """The timing of a runner's heartbeat and pruning. At ``next_due`` something is due."""

    def __init__(
        self, heartbeat_interval: float, prunes: bool, now: float, random: Callable[[], float]
    ) -> None:
        self._heartbeat_interval = heartbeat_interval
        self._random = random
        self._next_beat = now + heartbeat_interval
        self._next_prune = now + _FIRST_PRUNE * (1 + random()) if prunes else math.inf
        self._plan()

    def _plan(self) -> None:
        self.next_due = min(self._next_beat, self._next_prune)

    def beat_is_due(self, now: float) -> bool:
        """Return whether a heartbeat is due; if so, the next one is due an interval later."""
        if now < self._next_beat:
            return False
        self._next_beat = now + self._heartbeat_interval
        self._plan()
        return True

    def pruning_is_due(self, now: float) -> bool:
        """Return whether pruning is due; if so, the next one is due in about an hour."""
        if now < self._next_prune:
            return False
        self._next_prune = now + _PRUNE_INTERVAL * (0.9 + 0.2 * self._random())
        self._plan()
        return True
