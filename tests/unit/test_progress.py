"""How far an execution is, and when somebody last looked at it, in words."""

import datetime as dt

import pytest

from quick_jobs.admin.last_look import LastLook, last_look, time_of_day
from quick_jobs.admin.progress import Progress, progress_bar, progress_in_words

SECOND = dt.timedelta(seconds=1)
NOON = dt.datetime(2026, 11, 26, 12)


@pytest.mark.parametrize(
    ("done", "total", "elapsed", "words"),
    [
        (120, 400, 10 * SECOND, "120 of 400 · 30 % · 12/s · 23 s left"),
        (120, 400, None, "120 of 400 · 30 %"),
        (120, None, None, "120 done"),
        (120, None, 3600 * SECOND, "120 done · 2/min"),
        (3, 4, 7200 * SECOND, "3 of 4 · 75 % · 1.5/h · 40 min left"),
        (0, 4, 60 * SECOND, "0 of 4 · 0 %"),
        (4, 4, 2 * SECOND, "4 of 4 · 100 % · 2/s"),
        (399, 400, SECOND / 2, "399 of 400 · 99 %"),
        (1, 1e9, 3600 * SECOND, "1 of"),
    ],
)
def test_progress_has_a_rate_and_the_time_left_while_it_runs(done, total, elapsed, words):
    text = progress_in_words(Progress.of(done, total, elapsed))
    assert text.startswith(words)
    assert ("left" in text) == ("left" in words)


def test_a_bar_is_drawn_where_it_is_known_of_how_many():
    assert 'value="300"' in progress_bar(Progress.of(3, 10, None))
    assert progress_bar(Progress.of(3, None, None)) == "3 done"
    assert Progress.of(None, 10, None) is None
    assert Progress.of(float("nan"), 10, None) is None


@pytest.mark.parametrize(
    ("observed", "beat", "expected"),
    [
        (0, 0, LastLook(NOON, None)),
        (0, 7, LastLook(NOON, None)),
        (0, 15, LastLook(NOON + 15 * SECOND, NOON)),
        (15, 0, LastLook(NOON + 15 * SECOND, None)),
    ],
)
def test_what_a_later_heartbeat_has_not_written_stands_still(observed, beat, expected):
    found = last_look(NOON + observed * SECOND, NOON + beat * SECOND, 15 * SECOND)
    assert found == expected


def test_without_a_look_on_record_the_heartbeat_is_one():
    assert last_look(None, NOON, 15 * SECOND) == LastLook(NOON, None)


def test_a_time_has_its_date_if_it_is_of_another_day():
    assert time_of_day(NOON, NOON + 15 * SECOND) == "12:00:00"
    assert time_of_day(NOON, NOON + 86400 * SECOND) == "2026-11-26 12:00:00"
