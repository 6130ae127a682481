"""URLs that are fetched to report how a job is doing. Their paths are secrets."""

from __future__ import annotations

import reprlib
from typing import Optional
from urllib.parse import urlsplit

#: The statuses of pings. They replace ``{status}`` in a URL.
START, SUCCESS, FAIL = "start", "success", "fail"

_STATUS = "{status}"


def problem_of_url(value: object) -> Optional[str]:
    """Return what ``value`` must be instead, as the end of a sentence, None if it is a URL."""
    wanted = "an http or https URL, a str such as 'https://hc-ping.com/your-uuid'"
    if not isinstance(value, str):
        return f"{wanted}, not {reprlib.repr(value)}"
    try:
        parts = urlsplit(value)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname)
        parts.port  # noqa: B018  # raises ValueError
    except ValueError:
        is_url = False
    if not is_url or value != value.strip() or any(c.isspace() or c < " " for c in value):
        return f"{wanted}, not {reprlib.repr(value)}"
    return None


def check_url(value: object, what: str) -> None:
    """Raise TypeError or ValueError, about ``what``, if ``value`` cannot be fetched."""
    problem = problem_of_url(value)
    if problem:
        error = ValueError if isinstance(value, str) else TypeError
        raise error(f"{what} must be {problem}")


def url_for(ping: str, status: str) -> str:
    """Return the URL for ``status``, which replaces ``{status}`` if that is in the URL.

    Otherwise, as healthchecks.io has it, ``/start`` and ``/fail`` are appended
    to the path, and nothing for success.
    """
    if _STATUS in ping:
        return ping.replace(_STATUS, status)
    if status == SUCCESS:
        return ping
    parts = urlsplit(ping)
    return parts._replace(path=f"{parts.path.rstrip('/')}/{status}").geturl()


def shown(url: str) -> str:
    """Return the part of a URL that may be logged: path, query and password are secrets."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "…"
    return f"{parts.scheme}://{host}{port}/…"
