"""Resets the attributes of Django's connections to what they were when new."""

from __future__ import annotations

import copy
import functools
from collections import deque
from typing import Any, Dict, FrozenSet, Optional

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.functional import cached_property

#: Attributes with what Django knows of a session. They are right only while it is open.
_OF_THE_SESSION = frozenset(
    {
        "_thread_ident",
        "_thread_sharing_count",
        "_thread_sharing_lock",
        "allow_thread_sharing",  # a public attribute until Django 2.1
        "atomic_blocks",
        "autocommit",
        "close_at",
        "closed_in_transaction",
        "commit_on_exit",
        "connection",
        "errors_occurred",
        "health_check_done",
        "health_check_enabled",
        "in_atomic_block",
        "needs_rollback",
        "rollback_exc",
        "run_commit_hooks_on_set_autocommit_on",
        "run_on_commit",
        "savepoint_ids",
        "savepoint_state",
    }
)

_CONTAINERS = (list, set, deque)

_ABSENT = object()


class ConnectionState:
    """The attributes of a new connection; :meth:`reset` restores these.

    A new object for each execution would have the same effect, but cost 7 µs, and a query on
    MySQL. While the session is open, attributes stay that were set on connecting, by Django,
    the backend or a receiver of ``connection_created``. Facts about the server always stay.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        connection.connect = self._connect  # type: ignore[method-assign]
        self._attributes = vars(connection)
        self._new = _Attributes(self._attributes)
        self._before_connecting = self._after_connecting = _Moment(connection)
        self._connected: Optional[_Attributes] = None

    def reset(self) -> None:
        """Remove everything that was set on the connection since it was new."""
        if self.connection.connection is None:
            state = self._new
        elif self._connected is None:
            state = self._connected = self._new_but_connected()
        else:
            state = self._connected
        state.restore(self._attributes, type(self.connection))

    def _connect(self) -> None:
        """Connect, and remember the attributes before and after."""
        self._connected = None
        self._before_connecting = _Moment(self.connection)
        type(self.connection).connect(self.connection)
        self._after_connecting = _Moment(self.connection)

    def _new_but_connected(self) -> _Attributes:
        """Return the attributes of the connection when it is new and connected."""
        before, after = self._before_connecting, self._after_connecting
        attributes = self._new.copies()
        wrappers = attributes["execute_wrappers"] + [
            wrapper for wrapper in after.execute_wrappers if wrapper not in before.execute_wrappers
        ]
        attributes.update(
            (name, value)
            for name, value in after.attributes.items()
            if before.attributes.get(name, _ABSENT) is not value
        )
        attributes["execute_wrappers"] = wrappers
        return _Attributes(attributes, except_for=_OF_THE_SESSION)


class _Moment:
    """The attributes of a connection at a moment."""

    __slots__ = ("attributes", "execute_wrappers")

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.attributes = dict(vars(connection))
        self.execute_wrappers = list(connection.execute_wrappers)


class _Attributes:
    """Attributes and their values, with copies of those that are changed in place."""

    def __init__(
        self, attributes: Dict[str, Any], except_for: FrozenSet[str] = frozenset()
    ) -> None:
        self._values = {name: each for name, each in attributes.items() if name not in except_for}
        self._containers = {
            name: copy.copy(value)
            for name, value in self._values.items()
            if isinstance(value, _CONTAINERS)
        }
        self._except_for = except_for

    def copies(self) -> Dict[str, Any]:
        """Return copies of the attributes as they were."""
        containers = {name: copy.copy(value) for name, value in self._containers.items()}
        return {**self._values, **containers}

    def restore(self, attributes: Dict[str, Any], owner: type) -> None:
        """Restore ``attributes`` of an ``owner``."""
        attributes.update(self._values)
        if len(attributes) > len(self._values):
            for name in attributes.keys() - self._values.keys():
                if name not in self._except_for and not _is_bookkeeping(owner, name):
                    del attributes[name]
        for name, value in self._containers.items():
            if attributes[name] != value:
                attributes[name] = self._values[name] = copy.copy(value)


@functools.lru_cache(maxsize=1000)
def _is_bookkeeping(owner: type, name: str) -> bool:
    """Return whether Django sets the attribute by itself when needed.

    These are facts about the server, and numbers that must be unique in a session.
    """
    for base in owner.__mro__:
        if name in vars(base):
            is_lazy = name.startswith("_") or isinstance(vars(base)[name], cached_property)
            return is_lazy and base.__module__.startswith("django.")
    return False
