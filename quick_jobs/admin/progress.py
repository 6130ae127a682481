"""The progress of an execution, its rate, and the time left: pure."""

from __future__ import annotations

import datetime as dt
import math
from typing import NamedTuple, Optional

from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from quick_jobs.admin.wording import duration_in_words

#: Limits. Beyond them, a rate is given per longer unit of time, and no time left is shown.
_LEAST_RATES = ((1.0, gettext_noop("%s/s")), (60.0, gettext_noop("%s/min")))
_PER_HOUR = gettext_noop("%s/h")
_MOST_LEFT = dt.timedelta(days=365)

_SECOND = dt.timedelta(seconds=1)


class Progress(NamedTuple):
    """``done`` things of ``total``, if that is known, after ``elapsed``.

    ``elapsed`` is None if the execution has ended: there is no rate and no time left.
    """

    done: float
    total: Optional[float]
    elapsed: Optional[dt.timedelta]

    @classmethod
    def of(
        cls, done: Optional[float], total: Optional[float], elapsed: Optional[dt.timedelta]
    ) -> Optional[Progress]:
        """Return the recorded progress, None if there is none or it is not a number."""
        if done is None or not math.isfinite(done):
            return None
        if total is not None and not (math.isfinite(total) and total > 0):
            total = None
        return cls(max(0.0, done), total, elapsed)

    @property
    def share(self) -> Optional[float]:
        """The part that is done, from 0 to 1."""
        return None if self.total is None else min(1.0, self.done / self.total)

    @property
    def rate(self) -> Optional[float]:
        """How many things are done in a second, on average since the start."""
        if self.elapsed is None or self.elapsed < _SECOND or not self.done:
            return None
        return self.done / self.elapsed.total_seconds()

    @property
    def left(self) -> Optional[dt.timedelta]:
        """The time left at that rate."""
        if self.total is None or self.rate is None:
            return None
        seconds = max(0.0, self.total - self.done) / self.rate
        return dt.timedelta(seconds=seconds) if seconds < _MOST_LEFT.total_seconds() else None


def progress_in_words(progress: Progress) -> str:
    """Return ``progress`` like "1,203 of 4,000 · 30 % · 12/s · 4 min left"."""
    if progress.total is None or progress.share is None:
        parts = [_("%s done") % _number(progress.done)]
    else:
        of = _("%(done)s of %(total)s")
        parts = [
            of % {"done": _number(progress.done), "total": _number(progress.total)},
            f"{math.floor(100 * progress.share)} %",
        ]
    if progress.rate is not None:
        parts.append(_rate_in_words(progress.rate))
    if progress.left:
        whole = max(_SECOND, progress.left // _SECOND * _SECOND)
        parts.append(_("%s left") % duration_in_words(whole, parts=1))
    return " · ".join(parts)


def progress_bar(progress: Progress) -> str:
    """Return HTML of a bar, if the total is known, and ``progress`` in words."""
    words = progress_in_words(progress)
    if progress.share is None:
        return words
    return format_html(
        '<progress class="qj-progress" max="1000" value="{}"></progress> {}',
        round(1000 * progress.share),
        words,
    )


def _number(value: float) -> str:
    if abs(value) >= 1e15:  # a float has no more digits
        return f"{value:.3g}"
    digits = 0 if value == int(value) else 1
    return str(number_format(round(value, digits), digits, force_grouping=True))


def _rate_in_words(rate: float) -> str:
    for factor, text in _LEAST_RATES:
        if rate * factor >= 1:
            return _(text) % _rounded(rate * factor)
    return _(_PER_HOUR) % _rounded(rate * 3600)


def _rounded(rate: float) -> str:
    return _number(round(rate) if rate >= 9.95 else round(rate, 1))
