"""The connections to caches: closed after an execution, as after a request."""

from __future__ import annotations

import functools

from django.conf import settings
from django.core.cache import close_caches as close_all
from django.core.cache.backends.base import BaseCache
from django.utils.module_loading import import_string

from quick_jobs.logs import get_logger

logger = get_logger(__name__)


def close_caches() -> None:
    """Close the caches of this thread or context, if a backend has something to close."""
    for cache in settings.CACHES.values():
        if _closes_something(cache.get("BACKEND", "")):
            try:
                close_all()
            except Exception as exc:
                logger.error("closing the caches failed", exc_info=exc)
            return


@functools.lru_cache(maxsize=None)
def _closes_something(backend: str) -> bool:
    try:
        return import_string(backend).close is not BaseCache.close
    except ImportError:
        return False  # its next user gets the error
