"""How runners ended: which of these ends is news, and who tells it, by given times."""

import datetime as dt

import pytest

from quick_jobs.alerting.endings import (
    LOST,
    Life,
    count_of,
    is_news,
    lost_beside,
    lost_to_tell,
)

ZERO = dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc)
DAY = dt.timedelta(days=1)
MINUTE = dt.timedelta(minutes=1)


def moment(minutes):
    return ZERO + minutes * MINUTE


def lives(*facts):
    """Return runners by when they began, when they ended and why; the newest come first."""
    return [
        Life(len(facts) - index, moment(began), moment(ended), reason)
        for index, (began, ended, reason) in enumerate(facts)
    ]


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([], True),
        ([(0, 5, "signal")], True),
        ([(0, 5, "fatal_error")], True),
        ([(0, 5, "crashed")], False),
        ([(0, 5, "signal"), (-9, -5, "crashed")], True),
        ([(-20, -12, "crashed"), (-2000, -1450, "crashed")], True),  # a reminder
        ([(0, 9, "crashed"), (-1420, -1410, "crashed")], False),
    ],
    ids=str,
)
def test_endings_for_the_same_reason_in_a_row_are_one_event(before, expected):
    assert is_news("crashed", moment(10), lives(*before), DAY) == expected


def test_they_are_counted():
    assert count_of("crashed", lives((3, 4, "crashed"), (1, 2, "crashed"), (0, 1, "signal"))) == 3


OWN = Life(9, moment(60), moment(61), "")


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([(0, 59, LOST)], 1),
        ([(0, 59, "signal")], None),
        ([(0, 61, LOST)], None),  # it vanished while this one ran
        ([(55, 59.5, LOST), (0, 50, LOST)], None),  # it goes on
        ([(50, 55, "signal"), (0, 49, LOST)], None),  # the next one has told
        ([(49.5, 50.2, "crashed"), (0, 49, LOST)], 1),  # it ended too soon to know
        ([(0, 62, ""), (0, 59, LOST)], 1),  # a runner beside it does not look back
        ([(59.5, 61.5, ""), (0, 59, LOST)], None),  # one that began before this one
    ],
    ids=str,
)
def test_the_first_that_began_after_it_and_lived_long_enough_tells(before, expected):
    found = lost_to_tell(lives(*before), OWN, MINUTE, 1.25 * MINUTE, DAY)
    assert (found and found.pk) == expected


@pytest.mark.parametrize(
    ("others", "seen", "expected"),
    [
        ([(0, 59, LOST)], [], [1]),
        ([(0, 70, LOST)], [], []),  # it vanished while this one ran, and may have come back
        ([(0, 70, LOST)], [1], [1]),
        ([(0, 70, LOST), (0, 71, LOST)], [1, 2], [1, 2]),
        ([(0, 80, ""), (0, 70, LOST)], [1], []),  # one that is older does
        ([(0, 80, "signal"), (0, 70, LOST)], [1], []),  # it has
        ([(0, 72, "signal"), (0, 70, LOST)], [1], [1]),  # it had no time to
        ([(0, 80, LOST), (0, 70, LOST)], [1], []),  # it had time before it vanished as well
        ([(72, 73, "signal"), (0, 70, LOST)], [1], []),  # it knew when it began
        ([(70.5, 73, "signal"), (0, 70, LOST)], [1], [1]),
    ],
    ids=str,
)
def test_the_oldest_of_many_that_live_long_enough_reports_what_vanished(others, seen, expected):
    found = lost_beside(lives(*others), OWN, seen, MINUTE, 1.25 * MINUTE)
    assert [life.pk for life in found] == expected


def test_one_that_is_younger_reports_nothing_and_is_not_waited_for():
    younger = Life(10, moment(0), moment(80), "")
    assert lost_beside([younger, *lives((0, 70, LOST))], OWN, [1], MINUTE, MINUTE)
    assert not lost_beside([OWN, *lives((0, 70, LOST))], younger, [1], MINUTE, MINUTE)
