"""Keeps executions of a job from overlapping, by a lock in Django's cache ``default``.

Caches cannot delete a key on the condition that its value is still the owner's. So an owner that
was held up for longer than the lock lasts may delete the next owner's lock.
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

#: Caches that are local to a process, or keep nothing.
LOCAL_CACHES = ("LocMemCache", "DummyCache")


class Lock:
    """A lock that is held. It expires ``QUICK_JOBS_LOST_AFTER`` after its last renewal."""

    def __init__(self, key: str, owner: str) -> None:
        self._key = key
        self._owner = owner
        self._is_held = True
        self._changing = threading.Lock()

    def renew(self) -> None:
        """Prolong the lock, unless it was released. May be called in any thread."""
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
        """Release the lock, if it is still ours."""
        with self._changing:
            self._is_held = False
            try:
                if caches["default"].get(self._key) == self._owner:
                    caches["default"].delete(self._key)
            except Exception as error:
                logger.warning("a lock in the cache stays until it expires: %s", error)


def take(job_name: str) -> Optional[Lock]:
    """Take the lock of this job; return None if an execution of it runs.

    Raises the cache's exceptions.
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
