"""Time zones: the zone of a schedule, and the moment of a local time.

Zones are only used to get the local time of a moment, never the moment of a
local time: ``astimezone`` is right with both ``zoneinfo`` and ``pytz``.
"""

from __future__ import annotations

import datetime as dt
from typing import Callable, Optional, Union

from django.conf import settings
from django.utils import timezone

from quick_jobs.compat import zone_named
from quick_jobs.schedules.base import ScheduleError

#: An IANA name, a zone without a name, or None: the site's ``TIME_ZONE``.
Zone = Union[str, dt.tzinfo, None]

_SECOND = dt.timedelta(seconds=1)

# More than the difference of any zone from UTC.
_DAY = dt.timedelta(days=1)


def checked_zone(value: object) -> Zone:
    """Return the zone, by its name if it has one. Raises ScheduleError and TypeError."""
    if value is None:
        return None
    if isinstance(value, str):
        if not _is_known(value):
            raise ScheduleError(
                f"unknown time zone {_shown(value)}: write one like 'Europe/Berlin'"
            )
        return value
    if isinstance(value, dt.tzinfo):
        if value is dt.timezone.utc:
            return "UTC"
        name = getattr(value, "key", getattr(value, "zone", None))  # of zoneinfo, and of pytz
        return name if isinstance(name, str) and _is_known(name) else value
    raise TypeError(
        f"timezone must be a name like 'Europe/Berlin' or a tzinfo, not {_shown(value)}"
    )


def zone_if_not_the_sites(zone: Zone) -> str:
    """Return the name of the zone for people, or "" when it is the site's own."""
    return "" if zone is None or zone == settings.TIME_ZONE else str(zone)


class LocalTime:
    """The local time in a zone, as naive datetimes."""

    def __init__(self, zone: Zone) -> None:
        self._zone = _tzinfo_of(zone)

    def at(self, moment: dt.datetime) -> dt.datetime:
        """Return the local time at ``moment``, which is aware."""
        return moment.astimezone(self._zone).replace(tzinfo=None, fold=0)

    def first_moment(self, local: dt.datetime) -> dt.datetime:
        """Return the first moment at which the clock shows ``local`` or more, in UTC.

        It is the first time that it comes, or after the gap if it does not come.
        """
        as_if_utc = local.replace(tzinfo=dt.timezone.utc)
        for around in (as_if_utc - _DAY, as_if_utc + _DAY):
            moment = as_if_utc - self._offset(around)
            if self.at(moment) == local:
                return moment
        return _first(lambda moment: self.at(moment) >= local, as_if_utc - _DAY, as_if_utc + _DAY)

    def first_change(self, since: dt.datetime, until: dt.datetime) -> Optional[dt.datetime]:
        """Return the first change of the clock after ``since``, up to and including ``until``."""
        offset = self._offset(since)
        begin = since.replace(microsecond=0)
        while begin < until:
            end = min(begin + _DAY, until)
            if self._offset(end) != offset:
                return _first(lambda moment: self._offset(moment) != offset, begin, end)
            begin = end
        return None

    def _offset(self, moment: dt.datetime) -> dt.timedelta:
        return self.at(moment) - moment.replace(tzinfo=None)


def in_utc(after: dt.datetime) -> dt.datetime:
    """Return the moment in UTC. Raises ValueError if it is naive."""
    if after.utcoffset() is None:
        raise ValueError(f"following() needs an aware datetime, not {after!r}")
    return after.astimezone(dt.timezone.utc)


def _first(
    holds: Callable[[dt.datetime], bool], begin: dt.datetime, end: dt.datetime
) -> dt.datetime:
    """Return the first second after ``begin`` for which it is true; it is at ``end``."""
    low, high = 0, -((begin - end) // _SECOND)
    while high - low > 1:
        middle = (low + high) // 2
        if holds(begin + middle * _SECOND):
            high = middle
        else:
            low = middle
    return begin + high * _SECOND


def _tzinfo_of(zone: Zone) -> Optional[dt.tzinfo]:
    if isinstance(zone, str):
        return zone_named(zone)
    if zone is not None:
        return zone
    # Without TIME_ZONE Django leaves it to the system, as astimezone(None) does.
    return timezone.get_default_timezone() if settings.TIME_ZONE else None


def _is_known(name: str) -> bool:
    try:
        zone_named(name)
    except Exception:  # of many kinds: a missing file, a folder, a path that is too long
        return False
    return True


def _shown(value: object) -> str:
    return repr(value)[:100]
