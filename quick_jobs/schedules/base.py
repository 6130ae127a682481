"""The protocol of schedules, and safe calls of a site's own, which may be wrong."""

from __future__ import annotations

import datetime as dt
import reprlib

from quick_jobs.compat import Protocol

#: Characters of a schedule that the history keeps.
LONGEST_REPR = 255


class ScheduleError(ValueError):
    """A schedule is written wrongly, or has no next start."""


class Schedule(Protocol):
    """When a job starts. Any class with these two methods is one, without inheriting from this.

    A schedule does not change. Both methods depend only on its own values, their
    arguments, the site's settings and the active language. They are called from
    several threads.
    """

    def following(self, after: dt.datetime) -> dt.datetime:
        """Return the first start later than ``after``; both are aware datetimes.

        Raises ScheduleError if there is none.
        """

    def describe(self) -> str:
        """Return the schedule in words, in the active language, like "at 08:00 and 20:00"."""


def is_schedule(value: object) -> bool:
    """Return whether ``value`` is a schedule: an object with a method ``following``."""
    return not isinstance(value, type) and callable(getattr(value, "following", None))


def next_start(schedule: Schedule, after: dt.datetime) -> dt.datetime:
    """Return the schedule's first start later than ``after``, an aware datetime, in UTC.

    Raises ScheduleError, which names the schedule, if there is none, or if the
    schedule fails or returns something else.
    """
    try:
        answer = schedule.following(after)
        if not isinstance(answer, dt.datetime) or answer.utcoffset() is None:
            problem = f"following() must return an aware datetime, not {reprlib.repr(answer)}"
        elif answer <= after:
            problem = f"following() must return a time later than {after}, not {answer}"
        else:
            return answer.astimezone(dt.timezone.utc)
    except ScheduleError as error:
        raise ScheduleError(f"{_name_of(schedule)}: {_text_of(error)}") from error
    except Exception as error:
        kind = type(error).__name__
        raise ScheduleError(f"{_name_of(schedule)}: {kind}: {_text_of(error)}") from error
    raise ScheduleError(f"{_name_of(schedule)}: {problem}")


def describe(schedule: Schedule) -> str:
    """Return the schedule in words; if a site's own class has none, its ``repr``."""
    try:
        words = str(schedule.describe()).strip()
    except Exception:
        words = ""
    return _cut(words) or _name_of(schedule)


def schedule_repr(schedule: Schedule) -> str:
    """Return the ``repr`` that a job's row keeps, in ASCII, of at most 255 characters.

    A longer one of a site's own class is cut. For a longer one of ``at`` or
    ``cron``, or if ``repr`` fails, the result is empty.
    """
    try:
        text = repr(schedule)
    except Exception:
        return ""
    if len(text) > LONGEST_REPR and type(schedule).__module__.startswith(f"{__package__}."):
        return ""  # a part of ours could be read as a schedule that means something else
    return _cut(_printable(text[: LONGEST_REPR + 1]))


def _name_of(schedule: object) -> str:
    return schedule_repr(schedule) or type(schedule).__name__  # type: ignore[arg-type]


def _text_of(error: BaseException) -> str:
    try:
        return _cut(str(error))
    except Exception:
        return "(its message cannot be shown)"


def _printable(text: str) -> str:
    ascii_only = text.encode("ascii", "backslashreplace").decode("ascii")
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in ascii_only)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_REPR else f"{text[: LONGEST_REPR - 3]}..."
