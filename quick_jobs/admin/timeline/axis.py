"""The marks of a time axis: pure."""

from __future__ import annotations

import datetime as dt
from typing import List, NamedTuple

from django.utils import timezone

from quick_jobs.admin.timeline.bars import Window

# A window that ends now has a margin after it.
_WITH_MARGIN = 1.1

_STEPS = (
    (dt.timedelta(hours=1), dt.timedelta(minutes=10)),
    (dt.timedelta(hours=6), dt.timedelta(hours=1)),
    (dt.timedelta(hours=24), dt.timedelta(hours=4)),
    (dt.timedelta(days=7), dt.timedelta(days=1)),
)


class Tick(NamedTuple):
    """A mark: ``x`` is a share of the window; ``day`` is set where a day begins between times."""

    x: float
    label: str
    day: str = ""


def ticks(window: Window) -> List[Tick]:
    """Return marks at round times of the active time zone; days may be at the edges too."""
    shown = (window.end - window.start) / _WITH_MARGIN
    step = next((step for length, step in _STEPS if shown <= length), None)
    step = step or _STEPS[-1][1]
    start = window.start
    if timezone.is_aware(start):
        start = timezone.localtime(start)
    moment = start.replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    while moment < window.end:
        x = window.share(moment)
        date, time = f"{moment:%m-%d}", f"{moment:%H:%M}"
        day = date if time == "00:00" and not step.days else ""
        if moment > window.start and (0.02 < x < 0.98 or day):
            found.append(Tick(x, date if step.days else time, day))
        moment += step
    return found
