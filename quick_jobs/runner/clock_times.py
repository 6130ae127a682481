"""The times of a clock job: which one passed last, and which ones are done. Pure."""

from __future__ import annotations

import datetime as dt
from typing import List, Optional, Tuple

from quick_jobs.schedules import Schedule, next_start

# Unbroken runs of times that are remembered. When the clock is set forward, a new one begins.
_MOST_RUNS = 8

_SECOND = dt.timedelta(seconds=1)


def latest_between(
    schedule: Schedule, after: dt.datetime, until: dt.datetime
) -> Optional[dt.datetime]:
    """Return the last time of ``schedule`` later than ``after`` and not later than ``until``.

    None if there is none. Raises ``ScheduleError``.
    """
    window, found = _SECOND, None
    while found is None:
        begin = until - window if window < until - after else after
        moment = next_start(schedule, begin)
        while moment <= until:
            found = moment
            moment = next_start(schedule, moment)
        if begin == after:
            break
        window *= 2
    return found


class DoneTimes:
    """The times that were started or skipped, so none starts again when the clock is set back.

    They are kept as unbroken runs of times, by the first and the last one.
    """

    __slots__ = ("_runs",)

    def __init__(self) -> None:
        self._runs: List[Tuple[dt.datetime, dt.datetime]] = []

    def add(self, time: dt.datetime, follows_last: bool) -> None:
        """Add ``time``; ``follows_last`` if the schedule has it next after the last one added."""
        if follows_last and self._runs:
            self._runs[-1] = (self._runs[-1][0], time)
        else:
            self._runs = [*self._runs[1 - _MOST_RUNS :], (time, time)]

    def __contains__(self, time: dt.datetime) -> bool:
        return self._end_of_run_with(time) is not None

    def next_after(self, schedule: Schedule, moment: dt.datetime) -> dt.datetime:
        """Return the first time of ``schedule`` later than ``moment`` that is not done.

        Raises ``ScheduleError``.
        """
        found = next_start(schedule, moment)
        while True:
            end = self._end_of_run_with(found)
            if end is None:
                return found
            found = next_start(schedule, end)

    def _end_of_run_with(self, time: dt.datetime) -> Optional[dt.datetime]:
        return next((last for first, last in self._runs if first <= time <= last), None)
