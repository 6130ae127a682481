"""Time ranges and whole numbers in addresses."""

from __future__ import annotations

import datetime as dt
import re
from typing import NamedTuple, Optional

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from quick_jobs.admin.wording import clock_time
from quick_jobs.databases.timestamps import from_timestamp

#: The time ranges that end now.
NAMED = {
    "1h": (gettext_lazy("the last hour"), dt.timedelta(hours=1)),
    "6h": (gettext_lazy("the last 6 hours"), dt.timedelta(hours=6)),
    "24h": (gettext_lazy("the last 24 hours"), dt.timedelta(hours=24)),
    "7d": (gettext_lazy("the last 7 days"), dt.timedelta(days=7)),
}

# These digits reach less than half of the calendar's 8000 years to come.
_SECONDS = r"[0-9]{1,11}(?:\.[0-9]{1,6})?"
_WRITTEN = re.compile(rf"({_SECONDS})?-({_SECONDS})?")


_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")

# There was no history before this, and not every system has POSIX times for earlier moments.
_FIRST_DAY = dt.date(1980, 1, 1)


class TimeRange(NamedTuple):
    """From ``start`` to ``end``, both included; None is without a limit."""

    start: Optional[dt.datetime]
    end: Optional[dt.datetime]

    @classmethod
    def parse(cls, text: Optional[str], now: dt.datetime) -> Optional[TimeRange]:
        """Return the range with a name like "6h", or with POSIX times like "1764000000-"."""
        if text in NAMED:
            return cls(now - NAMED[text][1], None)
        match = _WRITTEN.fullmatch(text or "")
        if match is None:
            return None
        return cls(*(from_timestamp(float(part)) if part else None for part in match.groups()))

    def __str__(self) -> str:
        """Return it as :meth:`parse` takes it."""
        return "-".join(_written(moment) for moment in self)

    def in_words(self) -> str:
        if self.start and self.end:
            return _("from %(start)s to %(end)s") % {
                "start": clock_time(self.start),
                "end": clock_time(self.end),
            }
        if self.end:
            return _("until %s") % clock_time(self.end)
        return _("since %s") % clock_time(self.start) if self.start else ""


def past_day(text: Optional[str], now: dt.datetime) -> Optional[dt.date]:
    """Return the day in a text like "2026-11-24", if it has begun and is not too long ago."""
    match = _DAY.fullmatch(text or "")
    if match is None:
        return None
    try:
        day = dt.date(*map(int, match.groups()))
    except ValueError:
        return None
    return day if day >= _FIRST_DAY and midnight(day) < now else None


def midnight(day: dt.date) -> dt.datetime:
    """Return the start of ``day`` in the active time zone, as a model's field holds it."""
    start = dt.datetime.combine(day, dt.time())
    if not settings.USE_TZ:
        return start
    # Noon comes once in every zone, midnight may not. Clocks may change between the two.
    half_a_day = dt.timedelta(hours=12)
    guess = timezone.make_aware(start + half_a_day).astimezone(dt.timezone.utc) - half_a_day
    return guess - (timezone.localtime(guess).replace(tzinfo=None) - start)


def whole_number(text: str) -> Optional[int]:
    """Return the number in ``text``, None if it is not one or does not fit a primary key."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _written(moment: Optional[dt.datetime]) -> str:
    return f"{moment.timestamp():.6f}".rstrip("0").rstrip(".") if moment else ""
