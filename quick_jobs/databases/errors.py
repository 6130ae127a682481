"""The meaning of database errors for a write."""

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
    """Classifies errors: a conflict, wrong values, an outage, a statement that is too long."""

    def is_conflict(self, error: DatabaseError) -> bool:
        """Return whether others were in the way, so the same may succeed later."""
        return isinstance(error, OperationalError) and self._is_conflict(error)

    @abstractmethod
    def _is_conflict(self, error: OperationalError) -> bool:
        """Return whether it reports a lock, a deadlock or a timeout."""

    def is_locked(self, error: BaseException) -> bool:
        """Return whether another connection has the lock, if one lock is for the whole database."""
        return False

    def is_about_data(self, error: BaseException) -> bool:
        """Return whether the written values caused it, not the database's state."""
        return isinstance(error, (DataError, IntegrityError, ValueError, TypeError, OverflowError))

    def is_outage(self, error: BaseException) -> bool:
        """Return whether it can pass by itself: no connection, no space, locked, read-only.

        Other errors last until somebody changes the database, the site or this package.
        """
        return isinstance(error, (OperationalError, InterfaceError, InternalError))

    def may_be_of_size(self, error: BaseException) -> bool:
        """Return whether a statement that is too long can cause this error.

        Other causes are possible too: a server that gets too much may just close the connection.
        What a server reports about itself, such as a full disk, is never about size.
        """
        return isinstance(error, MemoryError) or self._is_lost_connection(error)

    def _is_lost_connection(self, error: BaseException) -> bool:
        """Return whether the server closed the connection without a message."""
        return False
