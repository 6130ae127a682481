"""Fetches URLs as signals to a service. The content of the answer does not matter."""

from __future__ import annotations

from typing import Callable, Set
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from quick_jobs.logs import get_logger
from quick_jobs.ping_urls import shown

logger = get_logger(__name__)

# Seconds that a host gets to answer, and how many times it is tried.
_TIMEOUT = 5.0
_TRIES = 2

_USER_AGENT = "django-quick-jobs"


class Fetcher:
    """Fetches URLs with urllib's defaults: redirects, verified certificates, proxies.

    A URL that fails is logged once, until it works again. Its path is a secret.
    """

    def __init__(self, open_url: Callable[..., object] = urlopen) -> None:
        self._open_url = open_url
        self._failing: Set[str] = set()

    def fetch(self, url: str, seconds_left: Callable[[], float]) -> bool:
        """Fetch ``url``, within ``seconds_left()``; return whether it was answered with success."""
        why = "there is no time left"
        for _ in range(_TRIES):
            timeout = min(_TIMEOUT, seconds_left())
            if timeout <= 0:
                break
            try:
                request = Request(url, headers={"User-Agent": _USER_AGENT})
                self._open_url(request, timeout=timeout).close()  # type: ignore[attr-defined]
            except Exception as exc:
                why = _why(exc)
            else:
                self._failing.discard(url)
                return True
        if url not in self._failing:
            self._failing.add(url)
            logger.warning("%s could not be fetched: %s", shown(url), why)
        return False


def _why(error: Exception) -> str:
    """Return what went wrong, without text that may quote the URL."""
    if isinstance(error, HTTPError):
        error.close()
        return f"the answer was {error.code}"
    reason = error.reason if isinstance(error, URLError) else error
    return str(reason) if isinstance(reason, OSError) else type(reason).__name__
