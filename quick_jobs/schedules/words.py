"""Times and days in words, in the active language."""

from __future__ import annotations

import datetime as dt
from typing import Iterable, List, Sequence

from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _

from quick_jobs.schedules.days import runs_of_days


def times_in_words(times: Iterable[dt.time]) -> str:
    """Return times like "08:00 and 20:00"."""
    return _all_of([format_time(time) for time in times])


def days_in_words(days: Sequence[int]) -> str:
    """Return days like "Monday to Friday" or "Saturday and Sunday"."""
    words: List[str] = []
    for first, last in runs_of_days(days):
        if first == last:
            words.append(str(WEEKDAYS[first]))
        else:
            names = {"first": WEEKDAYS[first], "last": WEEKDAYS[last]}
            words.append(_("%(first)s to %(last)s") % names)
    return _all_of(words)


def format_time(time: dt.time) -> str:
    """Return a time like "08:00", or "08:00:30" if it has seconds."""
    return time.isoformat("seconds" if time.second else "minutes")


def _all_of(words: Sequence[str]) -> str:
    if len(words) == 1:
        return words[0]
    return _("%(words)s and %(last)s") % {"words": ", ".join(words[:-1]), "last": words[-1]}
