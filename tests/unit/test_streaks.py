"""Failures in a row: which of them makes an alert, by given times."""

import pytest

from quick_jobs.alerting.streaks import (
    MOST,
    after_failure,
    kind_of_failure,
    kind_of_success,
    streak_of,
)

DAY = 86400.0


def kinds_of(ends, alert_after=1, reminder=DAY):
    """Return what each of these ends makes, each judged by those before it alone."""
    kinds = []
    for number, (outcome, at) in enumerate(ends):
        before = streak_of(ends[:number], alert_after)
        if outcome == "succeeded":
            kinds.append(kind_of_success(before))
        elif outcome in ("failed", "timed_out"):
            after = after_failure(before, outcome, at, alert_after)
            kinds.append(kind_of_failure(before, after, reminder))
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


def test_reminders_go_on_where_failures_are_too_many_to_count():
    ends = [("failed", minute * 60.0) for minute in range(MOST + 3 * 1440)]
    kinds = []
    for number in range(MOST, len(ends)):
        before = streak_of(ends[number - MOST - 1 : number], 1)  # what the history is asked for
        kinds.append(kind_of_failure(before, after_failure(before, *ends[number], 1), DAY))
    assert kinds.count("still_failing") == 3
