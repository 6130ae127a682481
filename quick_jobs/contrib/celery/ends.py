"""Ends that a main process writes for children that were killed before they could."""

from __future__ import annotations

from typing import Callable, Optional

from quick_jobs.history.record import Record

Put = Callable[[Record], None]

_put: Optional[Put] = None


def keep_ends(put: Optional[Put]) -> None:
    """Pass ends to ``put`` from now on; None if there are no children."""
    global _put
    _put = put


def write_end(
    number: int,
    job_name: str,
    began_at: float,
    due_at: Optional[float],
    outcome: str,
    error: str,
    now: float,
) -> None:
    """Record how an execution ended that a child began. All times are POSIX times."""
    if _put is None:
        return
    now = max(now, began_at)
    end = Record(number, job_name, began_at, now, now - began_at, None, outcome, error, "", due_at)
    _put(end)
