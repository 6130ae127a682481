"""A task that only the first of several threads does."""

from __future__ import annotations


class Turn(list):  # type: ignore[type-arg]
    """Can be taken once. Popping is atomic in the interpreter, so no lock is needed."""

    __slots__ = ()

    def take(self) -> bool:
        """Return True for the first call, then False."""
        try:
            self.pop()
        except IndexError:
            return False
        return True
