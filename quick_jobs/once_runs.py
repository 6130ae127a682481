"""Whether runs of ``run_jobs --once`` come as usual: a site that has only those has no live runner.

When they usually come is seen from the last ones. Runs by hand, of ``run_job``, do not count.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple, Optional, Sequence

from quick_jobs.conf import conf
from quick_jobs.models import JobRunner

#: Runs that are looked at: a timer of working days has its weekend among them.
LAST_RUNS = 11

# When the second run is late, which nothing is known of: timers of a day are the longest usual.
_LATE_AFTER_FIRST = dt.timedelta(days=2)

# A gap may be longer than the usual one by this factor, and than the longest one by that: one run
# may be left out, and timers are not exact.
_OF_USUAL = 2.0
_OF_LONGEST = 1.1


class OnceRuns(NamedTuple):
    """The last run and, for how long, at most, none is to follow it until the next is late."""

    last: JobRunner
    patience: dt.timedelta

    def are_late(self, now: dt.datetime) -> bool:
        """Return whether the next run should have come; ``now`` is as a field holds it."""
        ended_at = self.last.stopped_at or self.last.last_heartbeat_at
        return now - max(ended_at, self.last.started_at) > self.patience


def patience_after(starts: Sequence[dt.datetime], grace: dt.timedelta) -> dt.timedelta:
    """Return how long after the last of ``starts``, the newest first, the next one is late.

    That is twice the usual time between two, and no less than the longest time plus a tenth,
    and ``grace`` on top.
    """
    gaps = sorted(later - earlier for later, earlier in zip(starts, starts[1:]))
    if not gaps:
        return _LATE_AFTER_FIRST
    return max(gaps[len(gaps) // 2] * _OF_USUAL, gaps[-1] * _OF_LONGEST) + grace


def once_runs() -> Optional[OnceRuns]:
    """Return the runs of ``run_jobs --once`` where these are what a site goes by, else None.

    It goes by what it started last: a worker that was started since takes their place.
    """
    newest = JobRunner.objects.exclude(kind=JobRunner.COMMAND).order_by("-pk").first()
    if newest is None or newest.kind != JobRunner.ONCE:
        return None
    runs = JobRunner.objects.filter(kind=JobRunner.ONCE).order_by("-pk")
    starts = sorted(runs.values_list("started_at", flat=True)[:LAST_RUNS], reverse=True)
    return OnceRuns(newest, patience_after(starts, conf.lost_after))
