from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quick_jobs.durations import LONGEST, format_duration, parse_duration, to_timedelta


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(0, 0), (30, 30), (60.0, 60), (0.25, 0.25), (-0.0, 0), (timedelta(minutes=1), 60)],
)
def test_numbers_are_seconds(value, seconds):
    assert to_timedelta(value, "interval") == timedelta(seconds=seconds)


def test_a_thousand_years_are_accepted():
    assert to_timedelta(LONGEST, "interval") == LONGEST
    assert to_timedelta(LONGEST.total_seconds(), "interval") == LONGEST


@pytest.mark.parametrize(
    "value", ["30", b"30", None, True, False, [30], 30j, object, timedelta], ids=repr
)
def test_another_type_is_an_error_that_names_the_argument_and_the_value(value):
    with pytest.raises(TypeError) as error:
        to_timedelta(value, "The interval")
    assert str(error.value) == (
        f"The interval must be a number of seconds or a timedelta, not {value!r}"
    )


def test_a_long_value_is_shortened_in_the_error():
    with pytest.raises(TypeError) as error:
        to_timedelta("x" * 5_000_000, "The interval")
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_an_error_that_shows_it(value):
    with pytest.raises(ValueError, match=f"^The interval must be a finite .*, not {value}$"):
        to_timedelta(value, "The interval")


@pytest.mark.parametrize("value", [-1, -0.001, timedelta(days=-1)])
def test_a_negative_duration_is_an_error_that_shows_it(value):
    with pytest.raises(ValueError, match="^The interval must be 0 or more, not ") as error:
        to_timedelta(value, "The interval")
    assert repr(value) in str(error.value)


@pytest.mark.parametrize("value", [1e12, LONGEST + timedelta.resolution, timedelta.max])
def test_a_duration_of_more_than_a_thousand_years_is_an_error_that_shows_it(value):
    with pytest.raises(ValueError, match="^The interval must be at most 365000 days") as error:
        to_timedelta(value, "The interval")
    assert repr(value) in str(error.value)


@pytest.mark.parametrize(
    "value",
    [1e300, -1e300, 10**400, 10**5000, -(10**5000)],
    ids=["1e300", "-1e300", "10**400", "10**5000", "-10**5000"],
)
def test_a_number_that_no_timedelta_holds_is_a_value_error(value):
    with pytest.raises(ValueError, match="^The interval must be between 0 and 365000 days$"):
        to_timedelta(value, "The interval")


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("30d", timedelta(days=30)),
        ("36h", timedelta(hours=36)),
        ("45m", timedelta(minutes=45)),
        ("90s", timedelta(seconds=90)),
        ("1d12h", timedelta(days=1, hours=12)),
        ("1d2h3m4s", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("0d", timedelta(0)),
        ("365000d", LONGEST),
    ],
)
def test_a_text_is_read_as_it_says(text, duration):
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text", ["", "30", "d", "1.5h", "-1d", "1 d", "12h1d", "1d1d", "30 days", "30D", "3w", "1d\n"]
)
def test_a_text_in_another_form_is_an_error_that_shows_the_form(text):
    with pytest.raises(ValueError, match='is not a duration: write .* like "30d"') as error:
        parse_duration(text)
    assert str(error.value).startswith(repr(text))


@pytest.mark.parametrize("text", ["365001d", "365000d1s", "1" * 18 + "d", "1" * 5000 + "s"])
def test_a_text_of_more_than_a_thousand_years_is_an_error(text):
    with pytest.raises(ValueError, match="is too long: at most 365000 days$"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (timedelta(0), "0 s"),
        (timedelta(microseconds=7), "0.000007 s"),
        (timedelta(microseconds=250), "0.00025 s"),
        (timedelta(seconds=0.25), "0.25 s"),
        (timedelta(seconds=1), "1 s"),
        (timedelta(seconds=12.3456), "12.346 s"),
        (timedelta(seconds=10), "10 s"),
        (timedelta(seconds=59.9999), "1 min"),
        (timedelta(minutes=1), "1 min"),
        (timedelta(seconds=90.5), "1 min 30.5 s"),
        (timedelta(minutes=90), "1 h 30 min"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=2), "2 days"),
        (timedelta(days=2, hours=3, minutes=4, seconds=5), "2 days 3 h 4 min 5 s"),
        (LONGEST, "365000 days"),
    ],
)
def test_a_duration_is_told_in_words(duration, words):
    assert format_duration(duration) == words


@given(st.integers(0, 365_000 * 24 * 3600))
def test_whole_seconds_in_words_read_back_as_the_same_duration(seconds):
    words = format_duration(timedelta(seconds=seconds))
    text = words.replace("days", "d").replace("day", "d").replace("min", "m").replace(" ", "")
    assert parse_duration(text) == timedelta(seconds=seconds)
