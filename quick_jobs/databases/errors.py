"""What an error of a database means for what was to be written."""

from __future__ import annotations

from abc import ABC, abstractmethod

from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
)


class ErrorMeanings(ABC):
    """Tells errors apart: others in the way, wrong values, an outage, too long a statement."""

    def is_conflict(self, error: DatabaseError) -> bool:
        """Return whether others were in the way, so that the same may succeed another time."""
        return isinstance(error, OperationalError) and self._is_conflict(error)

    @abstractmethod
    def _is_conflict(self, error: OperationalError) -> bool:
        """Return whether it reports a lock, a deadlock or a timeout."""

    def is_locked(self, error: BaseException) -> bool:
        """Return whether somebody else is using the database, where one lock is for all of it."""
        return False

    def is_about_data(self, error: BaseException) -> bool:
        """Return whether the values that were to be written caused it, not the database's state."""
        return isinstance(error, (DataError, IntegrityError, ValueError, TypeError, OverflowError))

    def is_outage(self, error: BaseException) -> bool:
        """Return whether it can pass by itself: no connection, no space, no turn, read-only.

        Other errors stay until somebody changes the database, the site or this package.
        """
        return isinstance(error, (OperationalError, InterfaceError, InternalError))

    def may_be_of_size(self, error: BaseException) -> bool:
        """Return whether a statement that is too long can fail like this.

        So can others: a server that is sent too much may just close the connection. What
        a server says of itself, such as that its disk is full, is never of size.
        """
        return isinstance(error, MemoryError) or self._is_lost_connection(error)

    def _is_lost_connection(self, error: BaseException) -> bool:
        """Return whether the connection to the server was closed without a word."""
        return False
