"""Failures by kind: pure.

Failures are of one kind if they have the same fingerprint. Those without one, such as lost
executions, are of one kind if they have the same state and job.
"""

from __future__ import annotations

import datetime as dt
from typing import Dict, Iterable, List, NamedTuple, Tuple


class Failure(NamedTuple):
    """An execution that went wrong; ``state`` is its outcome, or "lost"."""

    pk: int
    state: str
    fingerprint: str
    job_id: int
    started_at: dt.datetime
    error: str


class Kind(NamedTuple):
    """``number`` failures of one kind, from ``first`` to the ``newest``; ``jobs`` are keys."""

    newest: Failure
    first: dt.datetime
    number: int
    jobs: Tuple[int, ...]


def kinds_of(failures: Iterable[Failure]) -> List[Kind]:
    """Return the kinds of ``failures``, the most frequent first, then those that came last."""
    groups: Dict[Tuple[object, ...], List[Failure]] = {}
    for failure in failures:
        groups.setdefault(_key(failure), []).append(failure)
    kinds = [
        Kind(
            max(group, key=lambda failure: (failure.started_at, failure.pk)),
            min(failure.started_at for failure in group),
            len(group),
            tuple(dict.fromkeys(failure.job_id for failure in group)),
        )
        for group in groups.values()
    ]
    return sorted(kinds, key=lambda kind: (kind.number, kind.newest.started_at), reverse=True)


def _key(failure: Failure) -> Tuple[object, ...]:
    if failure.fingerprint:
        return failure.state, failure.fingerprint
    return failure.state, "", failure.job_id
