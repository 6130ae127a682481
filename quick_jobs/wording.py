"""Durations and schedules in words, in the active language."""

from __future__ import annotations

import datetime as dt
from typing import List, Optional, Tuple

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from quick_jobs.schedules import At, Schedule, describe

NOTHING = "-"

#: Intervals of one unit, which need no number.
_EVERY_ONE = {
    dt.timedelta(seconds=1): gettext_noop("every second"),
    dt.timedelta(minutes=1): gettext_noop("every minute"),
    dt.timedelta(hours=1): gettext_noop("every hour"),
    dt.timedelta(days=1): gettext_noop("every day"),
}

# A number with its unit, whose text is to be translated yet.
_Part = Tuple[str, str]


def duration_in_words(duration: Optional[dt.timedelta], parts: int = 2) -> str:
    """Return ``duration`` like "3 ms", "2.4 s", "12 s" or "1 min 5 s", in at most ``parts`` units.

    None is shown as a dash. What rounds to 0 ms and negative durations are "< 1 ms".
    """
    if duration is None:
        return NOTHING
    return _joined(_parts_of(duration)[:parts])


def ago(moment: dt.datetime, now: dt.datetime) -> str:
    """Return how long before ``now`` the ``moment`` was, like "12 s ago"."""
    if now - moment < dt.timedelta(seconds=1):
        return _("just now")
    whole_seconds = dt.timedelta(seconds=(now - moment) // dt.timedelta(seconds=1))
    return _("%(duration)s ago") % {"duration": duration_in_words(whole_seconds, parts=1)}


def schedule_in_words(
    schedule: Optional[Schedule], interval: dt.timedelta, variance: dt.timedelta
) -> str:
    """Return when a job starts: by its ``schedule``, or by its ``interval`` if that is None.

    Like "every 15–20 s", "every 1 min to 1 min 15 s", "every day at 03:00" and "Monday to
    Friday at 08:00 (Europe/Berlin), up to 5 min later". A zone is named if it is not the site's.
    """  # noqa: RUF002
    if schedule is None:
        return _interval_in_words(interval, variance)
    # One sentence reads better than the facts one after the other, as describe() has them.
    words = schedule.in_a_sentence() if isinstance(schedule, At) else describe(schedule)
    if not variance:
        return words
    return _("%(schedule)s, up to %(variance)s later") % {
        "schedule": words,
        "variance": duration_in_words(variance, parts=4),
    }


def _interval_in_words(interval: dt.timedelta, variance: dt.timedelta) -> str:
    if not interval and not variance:
        return _("again and again")
    longest = _parts_of(interval + variance)
    shortest = _parts_of(interval) if interval else [(longest[0][0], number_format(0))]
    if variance and len(shortest) == len(longest) == 1 and shortest[0][0] == longest[0][0]:
        unit, low = shortest[0]
        return _("every %(interval)s") % {
            "interval": _(unit) % f"{low}\N{EN DASH}{longest[0][1]}",
        }
    if not variance and interval in _EVERY_ONE:
        return _(_EVERY_ONE[interval])
    if not variance:
        return _("every %(interval)s") % {"interval": _joined(shortest)}
    return _("every %(shortest)s to %(longest)s") % {
        "shortest": _joined(shortest),
        "longest": _joined(longest),
    }


def _joined(parts: List[_Part]) -> str:
    return " ".join(_(unit) % number for unit, number in parts)


def _parts_of(duration: dt.timedelta) -> List[_Part]:
    seconds = max(0.0, duration.total_seconds())
    if seconds < 0.9995:
        milliseconds = round(seconds * 1000)
        return [(gettext_noop("%s ms"), number_format(milliseconds) if milliseconds else "< 1")]
    if seconds < 9.95:
        tenths = round(seconds, 1)
        digits = 0 if tenths == int(tenths) else 1
        return [(gettext_noop("%s s"), number_format(tenths, digits))]
    return [(unit, number_format(count)) for unit, count in _split(round(seconds)) if count]


def _split(seconds: int) -> List[Tuple[str, int]]:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return [
        (gettext_noop("%s d"), days),
        (gettext_noop("%s h"), hours),
        (gettext_noop("%s min"), minutes),
        (gettext_noop("%s s"), seconds),
    ]
