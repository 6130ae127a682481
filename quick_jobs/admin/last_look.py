"""When a running execution was last observed, and whether it has moved since: pure."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple, Optional

from django.utils.html import format_html
from django.utils.translation import gettext as _

from quick_jobs.admin.wording import ago, clock_time


class LastLook(NamedTuple):
    """The last look was ``at`` this time; nothing has changed since ``still_since``."""

    at: dt.datetime
    still_since: Optional[dt.datetime]


def last_look(
    observed_at: Optional[dt.datetime], heartbeat: dt.datetime, interval: dt.timedelta
) -> LastLook:
    """Return the last look at an execution that was written at ``observed_at``.

    A runner looks at each ``heartbeat``, and writes only what is new. So if the last heartbeat
    is later than that, by more than half of the ``interval``, it found nothing new.
    """
    if observed_at is None:
        return LastLook(heartbeat, None)
    if heartbeat - observed_at < interval / 2:
        return LastLook(observed_at, None)
    return LastLook(heartbeat, observed_at)


def look_in_words(look: LastLook, now: dt.datetime) -> str:
    """Return HTML like "as of 7 s ago; has not moved since 03:12:05"."""
    as_of = format_html(
        '<span title="{}">{}</span>',
        clock_time(look.at),
        _("as of %s") % ago(look.at, now),
    )
    if look.still_since is None:
        return format_html('<span class="qj-quiet">{}</span>', as_of)
    return format_html(
        '<span class="qj-quiet">{};</span> <strong class="qj-long">{}</strong>',
        as_of,
        _("has not moved since %s") % time_of_day(look.still_since, look.at),
    )


def time_of_day(moment: dt.datetime, beside: dt.datetime) -> str:
    """Return ``moment`` like "03:12:05", with its date if ``beside`` is on another day."""
    text, other = clock_time(moment), clock_time(beside)
    return text[11:] if text[:10] == other[:10] else text
