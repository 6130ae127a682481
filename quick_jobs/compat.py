"""The few differences between the supported versions of Django."""

from __future__ import annotations

import contextvars
import datetime as dt
import functools
import importlib
import sys
import threading
from concurrent.futures import Executor
from typing import Any, Awaitable, Callable, Dict, List, MutableMapping, Optional, TypeVar

import django
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

Result = TypeVar("Result")
if sys.version_info >= (3, 8):
    from typing import Protocol as Protocol
else:
    Protocol = object


def initialized_connections() -> List[BaseDatabaseWrapper]:
    """Return the connections that this thread has used.

    Django 4.1 has ``connections.all(initialized_only=True)``, which takes twice as long.
    """
    local = connections._connections  # type: ignore[attr-defined]
    used: List[BaseDatabaseWrapper] = []
    for alias in connections:
        connection = getattr(local, alias, None)
        if connection is not None:
            used.append(connection)
    return used


if django.VERSION >= (4, 1):

    def check_before_next_use(connection: BaseDatabaseWrapper) -> None:
        """Let a dead connection be replaced at its next use, as CONN_HEALTH_CHECKS does."""
        connection.health_check_enabled = True  # type: ignore[attr-defined]

    def was_used(connection: BaseDatabaseWrapper) -> bool:
        """Return whether it was used after :func:`check_before_next_use`."""
        return bool(connection.health_check_done)  # type: ignore[attr-defined]

else:

    def check_before_next_use(connection: BaseDatabaseWrapper) -> None:
        """Replace a dead connection now: this Django has no CONN_HEALTH_CHECKS."""
        if connection.connection is not None and not connection.is_usable():
            connection.close()

    def was_used(connection: BaseDatabaseWrapper) -> bool:
        """Return whether it was used, if only for the check."""
        return True


if django.VERSION >= (3, 0):
    from asgiref.local import Local
    from asgiref.sync import AsyncToSync, SyncToAsync

    try:
        from asgiref.sync import ThreadSensitiveContext
    except ImportError:
        ThreadSensitiveContext = None  # type: ignore[assignment, misc]

    #: Whether a job may be an ``async def``.
    RUNS_ASYNC = True

    def run_async(func: Callable[[], Awaitable[Result]]) -> Result:
        """Run an ``async def`` in a new event loop, in a thread of its own.

        Its synchronous code runs in this thread, which may not have a running event loop.
        """
        return AsyncToSync(func, force_new_loop=True)()

    def set_thread_context() -> Optional[object]:
        """Let ``sync_to_async`` in this context use a thread of its own, and return its key."""
        if ThreadSensitiveContext is None:
            return None
        key = ThreadSensitiveContext()
        SyncToAsync.thread_sensitive_context.set(key)
        return key

    def take_thread_of(key: Optional[object]) -> Optional[Executor]:
        """Return the executor for the key from :func:`set_thread_context`, if it was used."""
        if key is None:
            return None
        executors: MutableMapping[object, Executor]
        executors = SyncToAsync.context_to_thread_executor  # type: ignore[assignment]
        return executors.pop(key, None)

    def shared_async_executor() -> Optional[Executor]:
        """Return the one executor of all async code, if there is no other and it was used.

        In its own thread this is None: waiting there for its work would never end.
        """
        if ThreadSensitiveContext is not None:
            return None
        executor = SyncToAsync.single_thread_executor
        is_its_own = threading.current_thread() in executor._threads
        return executor if executor._threads and not is_its_own else None

    def _context_holds_locals() -> bool:
        local = Local()
        contextvars.copy_context().run(setattr, local, "is_set", True)
        return not hasattr(local, "is_set")

    #: Whether an activated language and the like are in the context, not the thread. They are from
    #: asgiref 3.7 on.
    CONTEXT_HOLDS_ACTIVE_SETTINGS = _context_holds_locals()

else:
    #: Whether a job may be an ``async def``.
    RUNS_ASYNC = False

    def run_async(func: Callable[[], Awaitable[Result]]) -> Result:
        """Refuse: this Django has no async support."""
        raise TypeError("an async function needs Django 3.0 or newer")

    def set_thread_context() -> Optional[object]:
        """Return None: this Django has nothing async."""
        return None

    def take_thread_of(key: Optional[object]) -> Optional[Executor]:
        """Return None: this Django has nothing async."""
        return None

    def shared_async_executor() -> Optional[Executor]:
        """Return None: this Django has nothing async."""
        return None

    #: Whether an activated language and the like are in the context, not the thread.
    CONTEXT_HOLDS_ACTIVE_SETTINGS = False


#: The function that atomic() calls to begin a transaction in SQLite.
START_TRANSACTION = "_start_transaction_under_autocommit"

if django.VERSION >= (5, 1):

    def begins_deferred(connection: BaseDatabaseWrapper) -> bool:
        """Return whether transactions of an open SQLite connection begin without a lock."""
        mode = connection.transaction_mode  # type: ignore[attr-defined]
        return mode in (None, "DEFERRED") and not _starts_in_its_own_way(connection)

    def begin_immediate(connection: BaseDatabaseWrapper) -> None:
        """Begin with the write lock on an open SQLite connection, unless the site chose a mode."""
        if connection.transaction_mode is None:  # type: ignore[attr-defined]
            connection.transaction_mode = "IMMEDIATE"  # type: ignore[attr-defined]

else:

    def begins_deferred(connection: BaseDatabaseWrapper) -> bool:
        """Return whether transactions of an open SQLite connection begin without a lock."""
        return not _starts_in_its_own_way(connection)

    def begin_immediate(connection: BaseDatabaseWrapper) -> None:
        """Begin with the write lock on an open SQLite connection, unless the site chose a mode."""
        if not _starts_in_its_own_way(connection):
            start = functools.partial(_execute, connection, "BEGIN IMMEDIATE")
            setattr(connection, START_TRANSACTION, start)

    def _execute(connection: BaseDatabaseWrapper, sql: str) -> None:
        connection.cursor().execute(sql)


def _starts_in_its_own_way(connection: BaseDatabaseWrapper) -> bool:
    """Return whether a site's own backend or receiver decides how transactions begin."""
    from django.db.backends.sqlite3.base import DatabaseWrapper  # not every Python has sqlite3

    own = getattr(type(connection), START_TRANSACTION)
    is_replaced = own is not getattr(DatabaseWrapper, START_TRANSACTION)
    return is_replaced or START_TRANSACTION in vars(connection)


#: The modules with time zones, in the order of preference. The second is for Python before 3.9. The
#: third comes with Django before 4.0, and has zones even if the system has none.
_ZONES = (("zoneinfo", "ZoneInfo"), ("backports.zoneinfo", "ZoneInfo"), ("pytz", "timezone"))


def zone_named(name: str) -> dt.tzinfo:
    """Return the time zone of this IANA name.

    Raises errors of several kinds if there is none.
    """
    error: Exception = LookupError(f"no time zones are installed, {name!r} is not found")
    for module, attribute in _ZONES:
        try:
            make = _imported(module, attribute)
            if make is not None:
                return make(name)
        except Exception as exc:
            error = exc
    raise error


@functools.lru_cache(maxsize=None)  # looking for a module that does not exist takes long
def _imported(module: str, attribute: str) -> Optional[Callable[[str], dt.tzinfo]]:
    try:
        found: Callable[[str], dt.tzinfo] = getattr(importlib.import_module(module), attribute)
    except ImportError:
        return None
    return found


if django.VERSION >= (6, 1):

    def mail_connection() -> Dict[str, Any]:
        """Return the arguments for sending mail with a time limit: ``MAILERS`` has it."""
        return {}

else:
    from django.core.mail import get_connection

    def mail_connection() -> Dict[str, Any]:
        """Return the arguments for sending mail with a time limit, where the site has set none."""
        connection: Any = get_connection()
        if getattr(connection, "timeout", 0) is None:
            connection.timeout = 30  # Django waits without limit
        return {"connection": connection}
