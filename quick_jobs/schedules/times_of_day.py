"""``at``: starts at times of the day."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from dataclasses import dataclass
from typing import Iterable, Tuple, Union

from django.utils.translation import gettext as _

from quick_jobs.schedules.base import ScheduleError
from quick_jobs.schedules.days import EVERY_DAY, format_days, parse_days
from quick_jobs.schedules.words import days_in_words, format_time, times_in_words
from quick_jobs.schedules.zones import (
    LocalTime,
    Zone,
    checked_zone,
    in_utc,
    zone_if_not_the_sites,
)

_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")


@dataclass(frozen=True, repr=False)
class At:
    """Starts at times of the day; made by :func:`at`.

    ``days`` are numbers from 0, Monday, to 6. ``timezone`` is None for the site's.
    """

    times: Tuple[dt.time, ...]
    days: Tuple[int, ...] = EVERY_DAY
    timezone: Zone = None

    def following(self, after: dt.datetime) -> dt.datetime:
        """Return the first start later than ``after``, which is aware, in UTC.

        If the clock goes forward over a local time, it starts at the first moment
        after the gap. A local time that comes twice only starts the first time.
        Raises ScheduleError if the calendar ends before.
        """
        after = in_utc(after)
        clock = LocalTime(self.timezone)
        try:
            local = clock.at(after)
            for day in itertools.count():
                date = local.date() + dt.timedelta(days=day)
                if date.weekday() not in self.days:
                    continue
                for time in self.times:
                    start = dt.datetime.combine(date, time)
                    # The first moment of an earlier one has passed. That of a later one
                    # may have too, if the clock was set back since.
                    if start > local:
                        moment = clock.first_moment(start)
                        if moment > after:
                            return moment
        except OverflowError:
            pass
        raise ScheduleError("there is no start before the end of the calendar")

    def describe(self) -> str:
        """Return the schedule in words, like "at 08:00 and 20:00, Monday to Friday"."""
        words = [_("at %(times)s") % {"times": times_in_words(self.times)}]
        if self.days != EVERY_DAY:
            words.append(days_in_words(self.days))
        zone = zone_if_not_the_sites(self.timezone)
        return ", ".join([*words, zone] if zone else words)

    def in_a_sentence(self) -> str:
        """Return the schedule like "Monday to Friday at 08:00 and 20:00 (Europe/Berlin)"."""
        facts = {"times": times_in_words(self.times)}
        if self.days == EVERY_DAY:
            words = _("every day at %(times)s") % facts
        else:
            words = _("%(days)s at %(times)s") % {"days": days_in_words(self.days), **facts}
        zone = zone_if_not_the_sites(self.timezone)
        return f"{words} ({zone})" if zone else words

    def __repr__(self) -> str:
        arguments = [repr(format_time(time)) for time in self.times]
        if self.days != EVERY_DAY:
            arguments.append(f"days={format_days(self.days)!r}")
        if self.timezone is not None:
            arguments.append(f"timezone={self.timezone!r}")
        return f"at({', '.join(arguments)})"


def at(
    *times: Union[str, dt.time],
    days: Union[str, Iterable[str], None] = None,
    timezone: Zone = None,
) -> At:
    """Return a schedule that starts at these times of the day, for ``register_job``.

    ``times`` are texts like "08:00" or ``datetime.time``. ``days`` are all, or
    a text like "mon-fri" or "sat,sun", or a list of names. ``timezone`` is a
    name like "Europe/Berlin" or a ``tzinfo``, by default the site's
    ``TIME_ZONE``. Raises ScheduleError, a ValueError, and TypeError, which
    quote the value that is wrong.
    """
    if not times:
        raise ScheduleError("at() needs a time, such as at('03:00')")
    parsed = tuple(sorted(set(map(_parse_time, times))))
    return At(parsed, parse_days(days), checked_zone(timezone))


def _parse_time(value: object) -> dt.time:
    if isinstance(value, dt.time):
        if value.tzinfo is not None or value.microsecond:
            raise ScheduleError(f"{value!r} has a tzinfo or parts of a second: at() takes neither")
        return value.replace(fold=0)
    if not isinstance(value, str):
        raise TypeError(f"a time must be a text like '08:00' or a datetime.time, not {value!r}")
    match = _TIME.fullmatch(value)
    try:
        if match:
            hour, minute, second = (int(digits or 0) for digits in match.groups())
            return dt.time(hour, minute, second)
    except ValueError:
        pass
    raise ScheduleError(f"{value[:100]!r} is not a time of day: write one like '08:00'")
