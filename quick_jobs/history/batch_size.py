"""The number of rows that a pruning deletes at once. Pure: the caller measures the time."""

from __future__ import annotations

# Rows in the first batch, and in the smallest: with fewer, fixed costs would take all the time.
_FEW = 100

# Rows that a batch may have although nearly as many have not yet been deleted in time.
_UNTRIED = 1000


class BatchSize:
    """The number of ``rows`` for a batch of about ``seconds``, learnt from earlier batches.

    The time that even the smallest batch takes, as with a distant database, is not
    counted: smaller batches would only be more batches.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._fewest = self.rows = min(_FEW, most)
        self._most = most
        self._seconds = seconds
        self._fixed = 0.0

    def learn(self, deleted: int, seconds: float) -> None:
        """Note how much the last batch has deleted, and in what time."""
        self._fixed = seconds if self.rows == self._fewest else min(self._fixed, seconds)
        change = (self._seconds + self._fixed) / max(seconds, 1e-6)
        known = max(2 * deleted, _UNTRIED)
        self._resize(min(change, 2.0), min(known, self._most))

    def shrink(self) -> None:
        """Note that others' locks were in the way of the last batch."""
        self._resize(0.5, self._most)

    def _resize(self, change: float, most: int) -> None:
        self.rows = min(max(int(self.rows * max(change, 0.5)), self._fewest), most)
