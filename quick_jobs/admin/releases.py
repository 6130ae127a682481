"""Releases of the site's code: their short names, and where they changed."""

from __future__ import annotations

import re
from typing import Any, Iterable, List

from django.utils.html import format_html

# Git's short form has seven characters. Shorter texts of digits may be dates or numbers.
_COMMIT = re.compile(r"[0-9a-f]{20,64}")
_LENGTH_OF_COMMITS = 7

#: Characters of another name that are shown.
_MOST_SHOWN = 20


def short_release(release: str) -> str:
    """Return the short form of a Git commit, and at most 20 characters of any other name."""
    if _COMMIT.fullmatch(release):
        return release[:_LENGTH_OF_COMMITS]
    return release if len(release) <= _MOST_SHOWN else f"{release[: _MOST_SHOWN - 1]}…"


def release_element(release: str) -> str:
    """Return HTML of the short ``release``, with the full one as title; "" if there is none."""
    if not release:
        return ""
    return format_html('<span title="{}">{}</span>', release, short_release(release))


def first_of_each_release(runners: Iterable[Any]) -> List[Any]:
    """Return the runners that began with another release than the runner that began before them.

    Runners without a release are ignored. So is the first of all, because the release before it
    is not known.
    """
    found, release = [], ""
    for runner in sorted(runners, key=lambda runner: (runner.started_at, runner.pk)):
        if runner.release and release and runner.release != release:
            found.append(runner)
        release = runner.release or release
    return found
