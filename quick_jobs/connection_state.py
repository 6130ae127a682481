"""What is on one of Django's connections besides the session: put back to what it was when new."""

from __future__ import annotations

import copy
import functools
from collections import deque
from typing import Any, Dict, FrozenSet, Optional

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.functional import cached_property

#: What Django knows of a session that goes on. It is right only as long as the session is open.
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
    """The attributes of a connection that is new; :meth:`reset` leaves it with these alone.

    This is what a new object for each execution would do, without the price: 7 µs, and on
    MySQL a query. While the session is open, what connecting itself has put on the connection
    stays, be it of Django, the backend or a receiver of ``connection_created``. What Django
    has found out about the server always stays.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        connection.connect = self._connect  # type: ignore[method-assign]
        self._attributes = vars(connection)
        self._new = _Attributes(self._attributes)
        self._before_connecting = self._after_connecting = _Moment(connection)
        self._connected: Optional[_Attributes] = None

    def reset(self) -> None:
        """Take everything off the connection that was put on it since it was new."""
        if self.connection.connection is None:
            state = self._new
        elif self._connected is None:
            state = self._connected = self._new_but_connected()
        else:
            state = self._connected
        state.restore(self._attributes, type(self.connection))

    def _connect(self) -> None:
        """Connect, and keep in mind what was on the connection before and after."""
        self._connected = None
        self._before_connecting = _Moment(self.connection)
        type(self.connection).connect(self.connection)
        self._after_connecting = _Moment(self.connection)

    def _new_but_connected(self) -> _Attributes:
        """Return what is on the connection when it is new and connected."""
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
    """What is on a connection at a moment."""

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
        """Return them as they were, to be changed."""
        containers = {name: copy.copy(value) for name, value in self._containers.items()}
        return {**self._values, **containers}

    def restore(self, attributes: Dict[str, Any], owner: type) -> None:
        """Make ``attributes``, which are those of an ``owner``, what they were."""
        for name in attributes.keys() - self._values.keys():
            if name not in self._except_for and not _is_bookkeeping(owner, name):
                del attributes[name]
        attributes.update(self._values)
        for name, value in self._containers.items():
            if attributes[name] != value:
                attributes[name] = self._values[name] = copy.copy(value)


@functools.lru_cache(maxsize=1000)
def _is_bookkeeping(owner: type, name: str) -> bool:
    """Return whether Django itself fills in the attribute when it needs it.

    Those are facts about the server, and numbers that may not come twice in a session.
    """
    for base in owner.__mro__:
        if name in vars(base):
            is_lazy = name.startswith("_") or isinstance(vars(base)[name], cached_property)
            return is_lazy and base.__module__.startswith("django.")
    return False
