"""Enumerations of many things in one line of the log."""

from __future__ import annotations

from typing import Callable, Sequence, TypeVar

Item = TypeVar("Item")

# A site may have thousands of jobs.
_MOST = 10


def enumeration(items: Sequence[Item], text: Callable[[Item], str], rest: str = "more") -> str:
    """Return the first ``items`` in one line, each as ``text``, and how many more there are."""
    more = len(items) - _MOST
    return ", ".join(map(text, items[:_MOST])) + (f" and {more} {rest}" if more > 0 else "")
