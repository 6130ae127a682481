"""No execution of a job begins while one of it runs: a lock in Django's cache ``default``.

A cache has no "delete if it is mine": an owner that was held up for longer than the lock lasts
may take away the next owner's.
"""

from __future__ import annotations

import hashlib
import threading
import uuid
from typing import Optional

from django.core.cache import caches

from quick_jobs.conf import conf
from quick_jobs.logs import get_logger

logger = get_logger(__name__)

#: Caches that no other process sees, or that keep nothing.
LOCAL_CACHES = ("LocMemCache", "DummyCache")


class Lock:
    """A lock that is held; it passes by itself ``QUICK_JOBS_LOST_AFTER`` after its last renewal."""

    def __init__(self, key: str, owner: str) -> None:
        self._key = key
        self._owner = owner
        self._is_held = True
        self._changing = threading.Lock()

    def renew(self) -> None:
        """Have it last from now on, unless it was released; called in any thread."""
        with self._changing:
            if not self._is_held:
                return
            try:
                cache = caches["default"]
                found = cache.get(self._key)
                if found == self._owner:
                    cache.set(self._key, self._owner, _seconds())
                elif found is None:  # it has expired, or the cache has lost it
                    cache.add(self._key, self._owner, _seconds())
            except Exception as error:
                logger.warning("a lock in the cache could not be renewed: %s", error)

    def release(self) -> None:
        """Let others begin, if it is still ours."""
        with self._changing:
            self._is_held = False
            try:
                if caches["default"].get(self._key) == self._owner:
                    caches["default"].delete(self._key)
            except Exception as error:
                logger.warning("a lock in the cache stays until it expires: %s", error)


def take(job_name: str) -> Optional[Lock]:
    """Return the lock of this job, or None if an execution of it runs.

    Raises what the cache raises.
    """
    owner = uuid.uuid4().hex
    # Names may be longer than the keys of some caches.
    key = f"quick_jobs.lock.{hashlib.sha256(job_name.encode()).hexdigest()}"
    return Lock(key, owner) if caches["default"].add(key, owner, _seconds()) else None


def is_local() -> bool:
    """Return whether other processes do not see the locks."""
    return type(caches["default"]).__name__ in LOCAL_CACHES


def _seconds() -> float:
    return conf.lost_after.total_seconds()


def cache_name() -> str:
    """Return the name of the cache's class."""
    return type(caches["default"]).__name__
