"""``cron``: starts by a cron expression, which cronsim reads.

cronsim is only used for local times without a zone. :mod:`quick_jobs.schedules.zones`
then finds their moments, by the same rules as for ``at``: cronsim itself can return
a moment in the past when the clock is set back.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Iterator

from quick_jobs.schedules.base import ScheduleError
from quick_jobs.schedules.zones import (
    LocalTime,
    Zone,
    checked_zone,
    in_utc,
    zone_if_not_the_sites,
)

_NEVER = "there is no start in the next 50 years"

# The moment from which an expression is checked for a first start.
_SOME_DAY = dt.datetime(2001, 1, 1)

_SECOND = dt.timedelta(seconds=1)


@dataclass(frozen=True, repr=False)
class Cron:
    """Starts by a cron expression; made by :func:`cron`. ``timezone`` is None for the site's."""

    expression: str
    timezone: Zone = None

    @property
    def goes_by_elapsed_time(self) -> bool:
        """Whether the field of minutes or hours begins with ``*``, as in Debian's cron."""
        minute, hour = self.expression.split()[:2]
        return minute.startswith("*") or hour.startswith("*")

    @property
    def takes_either_day(self) -> bool:
        """Whether the day of the month *or* the day of the week is enough: neither has a ``*``."""
        fields = self.expression.split()
        return not (fields[2].startswith("*") or fields[4].startswith("*"))

    def following(self, after: dt.datetime) -> dt.datetime:
        """Return the first start later than ``after``, which is aware, in UTC.

        If the clock goes forward over a local time, it starts at the first moment
        after the gap. A local time that comes twice only starts the first time.
        If the minute or the hour begins with ``*``, each minute counts whose
        local time fits. Raises ScheduleError if there is no start within 50
        years, and ImportError without cronsim.
        """
        after = in_utc(after)
        clock = LocalTime(self.timezone)
        try:
            if self.goes_by_elapsed_time:
                return self._first_that_fits(clock, after)
            # Earlier ones have passed. These may have too, if the clock was set back since.
            for local in _local_times(self.expression, clock.at(after)):
                moment = clock.first_moment(local)
                if moment > after:
                    return moment
        except (OverflowError, StopIteration):
            pass
        raise ScheduleError(_NEVER)

    def _first_that_fits(self, clock: LocalTime, after: dt.datetime) -> dt.datetime:
        """Return the first moment later than ``after`` whose local time fits."""
        since, local, earlier = after, clock.at(after), clock.at(after)
        while True:
            fitting = next(_local_times(self.expression, earlier))
            moment = since + (fitting - local)
            change = clock.first_change(since, moment)
            if change is None:
                return moment
            since, local = change, clock.at(change)
            earlier = local - _SECOND  # the moment of the change itself may fit

    def describe(self) -> str:
        """Return the expression, marked as one, like "30 2 1 * * (cron)"."""
        zone = zone_if_not_the_sites(self.timezone)
        return f"{self.expression} ({f'cron, {zone}' if zone else 'cron'})"

    def __repr__(self) -> str:
        zone = "" if self.timezone is None else f", timezone={self.timezone!r}"
        return f"cron({self.expression!r}{zone})"


def cron(expression: str, timezone: Zone = None) -> Cron:
    """Return a schedule that starts by a cron expression, for ``register_job``.

    It has five fields, as crontab(5) describes them. ``timezone`` is a name
    like "Europe/Berlin" or a ``tzinfo``, by default the site's ``TIME_ZONE``.
    Needs the extra ``cron``, without which it raises ImportError. Raises
    ScheduleError, a ValueError, and TypeError, which quote the value that is wrong.
    """
    if not isinstance(expression, str):
        raise TypeError(f"a cron expression must be a text like '30 2 * * *', not {expression!r}")
    quoted = repr(expression if len(expression) <= 100 else f"{expression[:100]}...")
    fields = expression.split()
    if len(fields) != 5:
        raise ScheduleError(
            f"the cron expression {quoted} must have five fields (minute, hour, day of month, "
            f"month, day of week), and has {len(fields)}"
        )
    expression = " ".join(fields)
    try:
        next(_local_times(expression, _SOME_DAY))
    except ImportError:
        raise
    except StopIteration:
        raise ScheduleError(f"the cron expression {quoted} never comes true") from None
    except Exception as error:  # CronSimError; some releases fail in other ways
        raise ScheduleError(f"the cron expression {quoted} is wrong: {error}") from error
    return Cron(expression, checked_zone(timezone))


def _local_times(expression: str, after: dt.datetime) -> Iterator[dt.datetime]:
    """Return the local times later than ``after`` that fit the expression."""
    try:
        from cronsim import CronSim
    except ImportError:
        raise ImportError(
            "cron() needs the package cronsim: pip install 'django-quick-jobs[cron]'"
        ) from None
    return CronSim(expression, after)
