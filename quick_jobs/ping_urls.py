"""URLs that are fetched to say how a job is doing. Their paths are secrets."""

from __future__ import annotations

import reprlib
from typing import Optional
from urllib.parse import urlsplit

#: What a ping says. They stand in for ``{status}`` in a URL.
START, SUCCESS, FAIL = "start", "success", "fail"

_STATUS = "{status}"


def problem_of_url(value: object) -> Optional[str]:
    """Return what else ``value`` must be, as the end of a sentence, or None if it is a URL."""
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
    """Raise TypeError or ValueError, about ``what``, if ``value`` is no URL that can be fetched."""
    problem = problem_of_url(value)
    if problem:
        error = ValueError if isinstance(value, str) else TypeError
        raise error(f"{what} must be {problem}")


def url_for(ping: str, status: str) -> str:
    """Return what is fetched to say ``status``, which is put in for ``{status}`` if that is there.

    Otherwise it is as healthchecks.io has it: ``/start`` and ``/fail`` follow
    the path, and success has nothing.
    """
    if _STATUS in ping:
        return ping.replace(_STATUS, status)
    if status == SUCCESS:
        return ping
    parts = urlsplit(ping)
    return parts._replace(path=f"{parts.path.rstrip('/')}/{status}").geturl()


def shown(url: str) -> str:
    """Return as much of a URL as may be logged: the path, a query and a password are secrets."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "…"
    return f"{parts.scheme}://{host}{port}/…"
