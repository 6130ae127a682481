"""Whether runs of ``run_jobs --once`` come as usual. A site on a timer has no live runner.

The last runs show how often they usually come. Runs by hand, with ``run_job``, do not count.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple, Optional, Sequence

from quick_jobs.conf import conf
from quick_jobs.models import JobRunner

#: Runs that are read: enough to include the weekend of a timer for working days.
LAST_RUNS = 11

# The longest wait for a second run: daily timers are the longest usual ones.
_LATE_AFTER_FIRST = dt.timedelta(days=2)

# A gap may exceed the usual one by the first factor, and the longest one by the second: one run may
# be skipped, and timers are not exact.
_OF_USUAL = 2.0
_OF_LONGEST = 1.1


class OnceRuns(NamedTuple):
    """The last run, and how long after it the next one is late."""

    last: JobRunner
    patience: dt.timedelta

    def are_late(self, now: dt.datetime) -> bool:
        """Return whether the next run should have come; ``now`` is as a field holds it."""
        ended_at = self.last.stopped_at or self.last.last_heartbeat_at
        return now - max(ended_at, self.last.started_at) > self.patience


def patience_after(starts: Sequence[dt.datetime], grace: dt.timedelta) -> dt.timedelta:
    """Return how long after the last of ``starts``, given newest first, the next one is late.

    It is twice the usual time between two, at least the longest time plus a tenth, and
    ``grace`` on top.
    """
    gaps = sorted(later - earlier for later, earlier in zip(starts, starts[1:]))
    if not gaps:
        return _LATE_AFTER_FIRST
    return max(gaps[len(gaps) // 2] * _OF_USUAL, gaps[-1] * _OF_LONGEST) + grace


def once_runs() -> Optional[OnceRuns]:
    """Return the runs of ``run_jobs --once`` if the site uses these, else None.

    What was started last decides: a worker that was started since replaces them.
    """
    newest = JobRunner.objects.exclude(kind=JobRunner.COMMAND).order_by("-pk").first()
    if newest is None or newest.kind != JobRunner.ONCE:
        return None
    runs = JobRunner.objects.filter(kind=JobRunner.ONCE).order_by("-pk")
    starts = sorted(runs.values_list("started_at", flat=True)[:LAST_RUNS], reverse=True)
    return OnceRuns(newest, patience_after(starts, conf.lost_after))
