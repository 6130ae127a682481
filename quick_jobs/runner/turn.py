"""Something that is done once, by whichever thread comes first."""

from __future__ import annotations


class Turn(list):  # type: ignore[type-arg]
    """Is there once to be taken. To pop is one step for the interpreter, so it needs no lock."""

    __slots__ = ()

    def take(self) -> bool:
        """Return whether it was there."""
        try:
            self.pop()
        except IndexError:
            return False
        return True
