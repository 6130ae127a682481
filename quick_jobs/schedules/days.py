"""Days of the week, numbered from Monday, 0, as texts like "mon-fri" and "sat,sun"."""

from __future__ import annotations

from typing import Iterable, Iterator, List, Sequence, Tuple

from quick_jobs.schedules.base import ScheduleError

_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

EVERY_DAY = tuple(range(7))


def parse_days(days: object) -> Tuple[int, ...]:
    """Return the days that a text or several texts name. Raises ScheduleError and TypeError."""
    if days is None:
        return EVERY_DAY
    if isinstance(days, str):
        texts: List[object] = list(days.split(","))
    elif isinstance(days, (list, tuple, set, frozenset)):
        texts = list(days)
    else:
        raise TypeError(f"days must be a text like 'mon-fri' or a list of names, not {days!r}")
    found = {day for text in texts for day in _days_of(text)}
    if not found:
        raise ScheduleError(f"no day in {days!r}: leave days out, or name one")
    return tuple(sorted(found))


def format_days(days: Iterable[int]) -> str:
    """Return the shortest text for :func:`parse_days`, like "mon-fri"."""
    runs = runs_of_days(sorted(days))
    return ",".join(
        _NAMES[first] if first == last else f"{_NAMES[first]}-{_NAMES[last]}"
        for first, last in runs
    )


def runs_of_days(days: Sequence[int]) -> List[Tuple[int, int]]:
    """Return the first and the last of each run of three days and more; other days alone.

    A run may go over Sunday. ``days`` are sorted.
    """
    if len(days) == len(EVERY_DAY):
        return [(0, 6)]
    runs = list(_runs(days))
    if len(runs) > 1 and runs[0][0] == 0 and runs[-1][1] == 6:
        over_sunday = (runs[-1][0], runs[0][1])
        if over_sunday != (6, 0):  # otherwise it would be "sun,mon"
            runs = [*runs[1:-1], over_sunday]
    split: List[Tuple[int, int]] = []
    for first, last in runs:
        if (last - first) % 7 == 1:
            split += [(first, first), (last, last)]
        else:
            split.append((first, last))
    return split


def _runs(days: Sequence[int]) -> Iterator[Tuple[int, int]]:
    for day in days:
        if day - 1 not in days:
            last = day
            while last + 1 in days:
                last += 1
            yield day, last


def _days_of(text: object) -> List[int]:
    if not isinstance(text, str):
        raise TypeError(f"a day must be a name like 'mon', not {text!r}")
    first, dash, last = text.partition("-")
    begin = _number_of(first, text)
    end = _number_of(last, text) if dash else begin
    return [(begin + step) % 7 for step in range((end - begin) % 7 + 1)]


def _number_of(name: str, text: str) -> int:
    name = name.strip().lower()
    for names in (_NAMES, _LONG_NAMES):
        if name in names:
            return names.index(name)
    raise ScheduleError(f"{text[:100]!r} is not a day: write 'mon', 'tue', 'mon-fri' or 'sat,sun'")
