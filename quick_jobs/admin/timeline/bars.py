"""The bars of one lane of the timeline, from executions and a window: pure."""

from __future__ import annotations

import datetime as dt
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from quick_jobs.admin.execution_view import ExecutionView
from quick_jobs.models import JobExecution

#: Buckets of the window. If there are more executions than this, those in a bucket make one bar.
BUCKETS = 100

#: The states of a bucket's executions, in the order in which they take precedence.
_RANKS = (
    JobExecution.SUCCEEDED,
    JobExecution.RUNNING,
    JobExecution.INTERRUPTED,
    JobExecution.ABANDONED,
    JobExecution.LOST,
    JobExecution.TIMED_OUT,
    JobExecution.FAILED,
)

#: The state of a bucket of which is only known that it has executions.
MANY = "many"


class Window(NamedTuple):
    """The time that is shown."""

    start: dt.datetime
    end: dt.datetime

    def share(self, moment: dt.datetime) -> float:
        """Return where ``moment`` is, from 0 at the start to 1 at the end."""
        return min(1.0, max(0.0, (moment - self.start) / (self.end - self.start)))

    def bucket(self, moment: dt.datetime) -> int:
        return min(BUCKETS - 1, int(self.share(moment) * BUCKETS))

    def bucket_start(self, bucket: int) -> dt.datetime:
        return self.start + (self.end - self.start) * bucket / BUCKETS


class Bar(NamedTuple):
    """A bar from ``x`` on, ``width`` wide, both shares of the window.

    It is the execution ``pk``, or stands for ``executions`` of them (None: many)
    in the bucket from ``start`` to ``end``.
    """

    x: float
    width: float
    state: str
    start: dt.datetime
    end: dt.datetime
    pk: Optional[int]
    executions: Optional[int]
    failures: int
    longest: Optional[dt.timedelta]


def bars_of(executions: Sequence[ExecutionView], window: Window) -> List[Bar]:
    """Return a bar for each execution or, if they are many, for each bucket with executions."""
    if len(executions) <= BUCKETS:
        return [
            _bar(execution, window)
            for execution in sorted(executions, key=lambda execution: execution.started_at)
        ]
    buckets: Dict[int, List[ExecutionView]] = {}
    for execution in executions:
        buckets.setdefault(window.bucket(execution.started_at), []).append(execution)
    return [
        _sum(bucket, buckets[bucket], len(buckets[bucket]), window) for bucket in sorted(buckets)
    ]


def bars_of_many(in_use: Iterable[int], bad: Sequence[ExecutionView], window: Window) -> List[Bar]:
    """Return a bar for each bucket in ``in_use``, if only the ``bad`` executions are known."""
    buckets: Dict[int, List[ExecutionView]] = {bucket: [] for bucket in in_use}
    for execution in bad:
        buckets.setdefault(window.bucket(execution.started_at), []).append(execution)
    return [_sum(bucket, buckets[bucket], None, window) for bucket in sorted(buckets)]


def _bar(execution: ExecutionView, window: Window) -> Bar:
    end = execution.started_at + (execution.duration or dt.timedelta(0))
    x = window.share(execution.started_at)
    failures = int(execution.went_wrong)
    width = window.share(end) - x
    return Bar(
        x,
        width,
        execution.state,
        execution.started_at,
        end,
        execution.pk,
        1,
        failures,
        execution.duration,
    )


def _rank(state: str) -> int:
    return _RANKS.index(state) if state in _RANKS else -1


def _sum(
    bucket: int, executions: Sequence[ExecutionView], count: Optional[int], window: Window
) -> Bar:
    states = [execution.state for execution in executions]
    x, end = bucket / BUCKETS, (bucket + 0.9) / BUCKETS
    if count is not None:  # else the first is not known
        x = max(x, window.share(min(execution.started_at for execution in executions)))
    return Bar(
        x=x,
        width=max(0.0, end - x),
        state=max(states, key=_rank, default=MANY),
        start=window.bucket_start(bucket),
        end=window.bucket_start(bucket + 1),
        pk=executions[0].pk if count == 1 else None,
        executions=count,
        failures=sum(execution.went_wrong for execution in executions),
        longest=max(
            (execution.duration for execution in executions if execution.duration), default=None
        ),
    )


def without_gaps(bars: Iterable[Bar], gaps: Sequence[Window], window: Window) -> List[Bar]:
    """Return ``bars``, cut so that those of several executions do not begin or end in a gap."""
    shares = [(window.share(gap.start), window.share(gap.end)) for gap in gaps]
    return [bar if bar.executions == 1 else _without_gaps(bar, shares) for bar in bars]


def _without_gaps(bar: Bar, gaps: Iterable[Tuple[float, float]]) -> Bar:
    left, right = bar.x, bar.x + bar.width
    for start, end in gaps:
        if start <= left < end < right:
            left = end
        elif left < start < right <= end:
            right = start
    return bar._replace(x=left, width=right - left)


def gaps_between(lives: Iterable[Any], window: Window) -> List[Window]:
    """Return the parts of ``window`` that none of the ``lives``, pairs of moments, covers."""
    gaps = []
    covered_until = window.start
    for start, end in sorted(lives):
        if start >= window.end:
            break
        if start > covered_until:
            gaps.append(Window(covered_until, start))
        covered_until = max(covered_until, end)
    if covered_until < window.end:
        gaps.append(Window(covered_until, window.end))
    return gaps
