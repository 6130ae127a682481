"""Failures in a row: which of them makes an alert, by given times."""

import math

import pytest

from quick_jobs.alerting.backoff import Backoff
from quick_jobs.alerting.streaks import (
    MOST,
    after_failure,
    is_told,
    kind_of_failure,
    kind_of_success,
    streak_of,
)

DAY = 86400.0


def kinds_of(ends, alert_after=1, reminder=DAY):
    """Return what each of these ends makes, judged by those before it; all that is, is sent."""
    kinds = []
    alerted_at = -math.inf
    for number, (outcome, at) in enumerate(ends):
        before = streak_of(ends[:number], alert_after)
        if outcome == "succeeded":
            kinds.append(kind_of_success(before))
        elif outcome in ("failed", "timed_out"):
            after = after_failure(before, outcome, at, alert_after)
            kind = kind_of_failure(before, after, is_told(ends[:number], alerted_at), reminder)
            alerted_at = at if kind else alerted_at
            kinds.append(kind)
    return kinds


@pytest.mark.parametrize(
    ("outcomes", "alert_after", "expected"),
    [
        ("s f f s s f", 1, [None, "failing", None, "recovered", None, "failing"]),
        ("f f f s", 3, [None, None, "failing", "recovered"]),
        ("f f s", 3, [None, None, None]),
        ("f s f s f", 2, [None, None, None, None, None]),
        ("t t s", 1, ["timed_out", None, "recovered"]),
        ("t t s", 3, ["timed_out", None, "recovered"]),
        ("f t t f", 1, ["failing", "timed_out", None, None]),
        ("t f f", 3, ["timed_out", None, "failing"]),
    ],
)
def test_one_event_is_one_alert(outcomes, alert_after, expected):
    names = {"s": "succeeded", "f": "failed", "t": "timed_out"}
    ends = [(names[each], float(at)) for at, each in enumerate(outcomes.split())]
    assert kinds_of(ends, alert_after) == expected


def test_what_did_not_finish_is_passed_over():
    ends = [("failed", 0.0), ("interrupted", 1.0), ("abandoned", 2.0), ("failed", 3.0)]
    streak = streak_of(ends, 1)
    assert (streak.since, streak.times, streak.last) == (0.0, 2, 3.0)


def test_the_first_failure_of_each_further_step_reminds():
    hours = [0, 1, 23, 24, 25, 47, 49, 200, 201]
    kinds = kinds_of([("failed", hour * 3600.0) for hour in hours])
    assert kinds == [
        "failing",
        None,
        None,
        "still_failing",
        None,
        None,
        "still_failing",
        "still_failing",
        None,
    ]


@pytest.mark.sweeps
def test_reminders_go_on_where_failures_are_too_many_to_count():
    ends = [("failed", number * DAY / 300) for number in range(MOST + 3 * 300)]
    kinds = []
    for number in range(MOST, len(ends)):
        before = streak_of(ends[number - MOST - 1 : number], 1)  # what the history is asked for
        kinds.append(kind_of_failure(before, after_failure(before, *ends[number], 1), True, DAY))
    assert kinds.count("still_failing") == 3


@pytest.mark.parametrize(
    ("outcomes", "alert_after", "expected"),
    [
        ("f f f", 1, ["failing", None, "failing"]),  # half a minute is left to who saw the first
        ("f f f f", 2, [None, "failing", None, "failing"]),
        ("t f f", 3, ["timed_out", None, "failing"]),
        ("t f f s", 5, ["timed_out", None, "failing", "recovered"]),
        ("f f t f", 5, [None, None, "timed_out", None]),
    ],
)
def test_what_nobody_was_told_of_is_an_alert_again_half_a_minute_later(
    outcomes, alert_after, expected
):
    names = {"s": "succeeded", "f": "failed", "t": "timed_out"}
    before, kinds = None, []
    for number, each in enumerate(outcomes.split()):
        if each == "s":
            kinds.append(kind_of_success(before))
            continue
        after = after_failure(before, names[each], 20.0 * number, alert_after)
        kinds.append(kind_of_failure(before, after, False, DAY))
        before = after
    assert kinds == expected


@pytest.mark.parametrize(
    ("ends", "alerted_at", "expected"),
    [
        ([("failed", 10.0), ("failed", 20.0)], 10.0, True),
        ([("failed", 20.0)], 10.0, True),  # the first has been pruned
        ([("failed", 10.0), ("succeeded", 15.0), ("failed", 20.0)], 10.0, False),
        ([("succeeded", 5.0), ("failed", 20.0)], 10.0, True),
        ([("failed", 20.0)], 21.0, True),  # another runner's, which came later
    ],
)
def test_an_alert_holds_until_a_success(ends, alerted_at, expected):
    assert is_told(ends, alerted_at) == expected


def test_what_could_not_be_sent_waits_for_a_minute_and_ever_longer_up_to_an_hour():
    backoff, waits = Backoff(), []
    assert not backoff.is_waiting(0.0)
    for _ in range(20):
        backoff.failed(100.0)
        waits.append(next(w for w in range(10000) if not backoff.is_waiting(100.0 + w)))
    assert waits[:4] == [60, 120, 240, 480]
    assert waits[-1] == 3600
    backoff.succeeded()
    assert not backoff.is_waiting(100.0)
    backoff.failed(100.0)
    assert backoff.is_waiting(159.0)
    assert not backoff.is_waiting(160.0)
