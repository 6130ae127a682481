"""The results of looks at running executions, on their way to the database."""

from __future__ import annotations

import sys
from typing import Callable, NamedTuple, Optional, Tuple

from quick_jobs.history.texts import in_ascii, stored_note
from quick_jobs.progress import Reached, as_floats
from quick_jobs.text_filter import filtered
from quick_jobs.tracebacks import Place, places_text

# Bytes of a stack: about fifty frames, enough for a job that hangs.
_MAX_STACK = 8 * 1024

# Characters of each text if the database does not accept all of them.
_SHORT = 128


class Look(NamedTuple):
    """The changes of a running execution since the last look; None means unchanged.

    ``note`` is as the job set it; ``log`` returns the log so far, as it is stored. Both and the
    ``stack`` are turned into text in the recorder's thread.
    """

    number: int
    note: Optional[str] = None
    reached: Optional[Reached] = None
    log: Optional[Callable[[], str]] = None
    stack: Optional[Tuple[Place, ...]] = None

    def after(self, older: Look) -> Look:
        """Return the changes of both looks."""
        changes = {name: value for name, value in self._asdict().items() if value is not None}
        return older._replace(**changes)


class LookTexts(NamedTuple):
    """A look as it is written; None leaves a column as it is."""

    number: int
    note: Optional[str]
    progress_done: Optional[float]
    progress_total: Optional[float]
    log: Optional[str]
    stack: Optional[str]

    @classmethod
    def of(cls, look: Look) -> LookTexts:
        """Return the texts of ``look``."""
        done, total = as_floats(look.reached)
        return cls(
            look.number,
            None if look.note is None else stored_note(look.note),
            done,
            total,
            None if look.log is None else look.log(),
            None if look.stack is None else filtered(places_text(look.stack, _MAX_STACK)),
        )

    @property
    def characters(self) -> int:
        """The number of characters in its texts."""
        return sum(map(len, (self.note or "", self.log or "", self.stack or "")))

    def in_ascii(self, limit: int = sys.maxsize) -> LookTexts:
        """Return it in ASCII, with at most ``limit`` characters of each text."""
        note, log, stack = (
            None if text is None else in_ascii(text)[-limit:]
            for text in (self.note, self.log, self.stack)
        )
        return self._replace(note=None if note is None else note[:255], log=log, stack=stack)

    def short(self) -> LookTexts:
        """Return it with so little of its texts that every server accepts it."""
        return self.in_ascii(_SHORT)
