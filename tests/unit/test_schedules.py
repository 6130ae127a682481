"""``at`` and ``cron``: what they take, what they say, and how they are stored."""

import datetime as dt
import pickle
import sys
import time
import warnings

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from quick_jobs import at, cron
from quick_jobs.compat import zone_named
from quick_jobs.schedules import (
    ScheduleError,
    describe,
    next_start,
    parse_schedule,
    schedule_repr,
)

UTC = dt.timezone.utc
NOON = dt.datetime(2024, 5, 1, 12, tzinfo=UTC)  # a Wednesday

REPRS = [
    "at('03:00')",
    "at('08:00', '20:00', days='mon-fri', timezone='Europe/Berlin')",
    "at('08:00:30', days='fri-mon')",
    "at('08:00', days='sat,sun')",
    "at('08:00', days='mon,wed-fri,sun', timezone='UTC')",
    "cron('30 2 1 * *')",
    "cron('*/5 8-18 * jan-mar mon#1', timezone='America/New_York')",
]


@pytest.mark.parametrize("text", REPRS)
def test_a_repr_evaluates_to_an_equal_schedule_and_is_what_is_stored(text):
    schedule = eval(text)
    assert repr(schedule) == schedule_repr(schedule) == text
    assert parse_schedule(text) == schedule
    assert hash(parse_schedule(text)) == hash(schedule)


@pytest.mark.parametrize("text", REPRS)
def test_a_schedule_can_be_pickled(text):
    schedule = eval(text)
    assert pickle.loads(pickle.dumps(schedule)) == schedule


@pytest.mark.parametrize("schedule", [at("03:00"), cron("0 3 * * *")], ids=repr)
@pytest.mark.parametrize("attribute", ["timezone", "times", "expression"])
def test_a_schedule_does_not_change(schedule, attribute):
    with pytest.raises(AttributeError):
        setattr(schedule, attribute, None)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (at("20:00", "8:00", "08:00"), at("08:00", dt.time(20))),
        (at("08:00", days="Monday - WED"), at("08:00", days=["mon", "tue", "wed"])),
        (at("08:00", days="mon-sun"), at("08:00")),
        (at("08:00", days="fri-mon"), at("08:00", days="sat,sun,mon,fri")),
        (at("08:00", timezone=UTC), at("08:00", timezone="UTC")),
        (at("08:00", timezone=zone_named("Europe/Berlin")), at("08:00", timezone="Europe/Berlin")),
        (cron(" 30  2 * * * "), cron("30 2 * * *")),
    ],
    ids=str,
)
def test_schedules_that_mean_the_same_are_equal(one, other):
    assert one == other
    assert hash(one) == hash(other)
    assert repr(one) == repr(other)


def test_schedules_that_differ_are_not_equal():
    schedules = [eval(text) for text in REPRS]
    assert len(set(schedules)) == len(schedules)


def test_a_zone_without_a_name_is_taken_as_it_is():
    schedule = at("08:00", timezone=dt.timezone(dt.timedelta(hours=2)))
    assert schedule.following(NOON) == dt.datetime(2024, 5, 2, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    "value", ["25:00", "08:60", "24:00", "8", "", "08:00 ", "\u0660\u0668:00", "8" * 999]
)
def test_what_is_no_time_is_quoted(value):
    with pytest.raises(ScheduleError) as error:
        at("03:00", value)
    assert str(error.value) == f"{value[:100]!r} is not a time of day: write one like '08:00'"


@pytest.mark.parametrize("value", [dt.time(8, tzinfo=UTC), dt.time(8, microsecond=1)], ids=repr)
def test_a_time_has_no_zone_and_whole_seconds(value):
    with pytest.raises(ScheduleError, match="has a tzinfo or parts of a second"):
        at(value)


@pytest.mark.parametrize(
    "days", ["someday", "mon-", "mon,someday", ["someday"], "", "1", "mon tue"]
)
def test_what_is_no_day_is_quoted(days):
    with pytest.raises(ScheduleError, match="'.*' is not a day: write 'mon', "):
        at("03:00", days=days)


def test_an_empty_list_has_no_day():
    with pytest.raises(ScheduleError, match=r"no day in \[\]"):
        at("03:00", days=[])


def test_at_needs_a_time():
    with pytest.raises(ScheduleError, match=r"needs a time, such as at\('03:00'\)"):
        at()


HOSTILE_ZONES = [
    "Mars/Olympus",
    "",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "a\0b",
    "é",
    "x" * 5000,
]


@pytest.mark.parametrize("name", HOSTILE_ZONES)
@pytest.mark.parametrize(
    "make", [lambda **kw: at("03:00", **kw), lambda **kw: cron("0 3 * * *", **kw)]
)
def test_an_unknown_zone_is_quoted(make, name):
    with pytest.raises(ScheduleError) as error:
        make(timezone=name)
    assert str(error.value).startswith(f"unknown time zone {name!r}"[:60])
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    "make",
    [
        lambda: at(8),
        lambda: at(None),
        lambda: at("03:00", days=5),
        lambda: at("03:00", days=[5]),
        lambda: at("03:00", timezone=5),
        lambda: cron(5),
    ],
)
def test_a_value_of_another_type_is_a_type_error(make):
    with pytest.raises(TypeError, match="must be .*, not "):
        make()


@pytest.mark.parametrize("expression", ["", "@daily", "0 3 * *", "0 0 3 * * *", "0 3 * * * 2024 1"])
def test_an_expression_has_five_fields(expression):
    with pytest.raises(ScheduleError) as error:
        cron(expression)
    assert f"the cron expression {expression!r} must have five fields" in str(error.value)


@pytest.mark.parametrize(
    "expression",
    ["60 3 * * *", "0 3 * * someday", "*/0 * * * *", "0 3 30 2 *", "0 3 - * *", "a b c d e"],
)
def test_a_malformed_expression_is_quoted(expression):
    with pytest.raises(ScheduleError) as error:
        cron(expression)
    assert str(error.value).startswith(f"the cron expression {expression!r} is wrong: ")


def test_an_expression_that_never_comes_true_is_refused():
    with pytest.raises(ScheduleError, match=r"'0 0 \*/31 2 mon#5' never comes true"):
        cron("0 0 */31 2 mon#5")


def test_without_the_extra_the_error_says_what_to_install(monkeypatch):
    stored = cron("0 3 * * *")
    monkeypatch.setitem(sys.modules, "cronsim", None)
    for use in (lambda: cron("0 3 * * *"), lambda: stored.following(NOON)):
        with pytest.raises(ImportError, match=r"pip install 'django-quick-jobs\[cron\]'"):
            use()
    assert parse_schedule("cron('1 3 * * *')") is None


# Stored texts.


HOSTILE = [
    "",
    None,
    5,
    "at",
    "at()",
    "at(",
    "at('25:00')",
    "at('08:00', days='someday')",
    "at('08:00', timezone='Mars/Olympus')",
    "at('08:00', timezone='../../etc/passwd')",
    "at('08:00', 'x', times='08:00')",
    "at(days='mon', '08:00')",
    "at(days='mon', days='mon')",
    "at(timezone='UTC')",
    "cron()",
    "cron('0 3 * * *', days='mon')",
    "cron('0 3 * * *', '0 3 * * *', '0 3 * * *')",
    "cron('* * * * * *')",
    "cron('0 0 */31 * mon#5')",
    "cron('" + "*/1" * 60 + " 3 * * *')",
    "cron('" + "9" * 200 + " 3 * * *')",
    "cron('² 3 * * ²L')",
    "eval('1')",
    "at(__import__('os').getcwd())",
    "at('08:00').__class__",
    "at(f'{1}')",
    "at('\\d')",
    "at(1or 2)",
    "at('08:00'" + "," * 1000,
    "(" * 100_000,
    "at(" * 60,
    "at('\0')",
    "at('\ud800')",
    "at('08:00')\n",
    "at('08:00'" + ", '08:00'" * 100_000 + ")",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:40])
def test_a_hostile_text_is_no_schedule(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        begin = time.process_time()
        assert parse_schedule(text) is None
        assert time.process_time() - begin < 0.2


@given(st.text())
def test_any_text_can_be_parsed(text):
    for stored in (text, f"at('{text}')", f"cron('{text}')", f"at('08:00', timezone='{text}')"):
        parse_schedule(stored)


@given(
    st.lists(
        st.sampled_from(
            ["at(", "cron(", "'", "08:00", ", ", "days=", "*/5 * * * *", ")", "#", "\n"]
        )
    )
)
def test_pieces_of_a_repr_can_be_parsed(pieces):
    parse_schedule("".join(pieces))


# A site's own schedules.


class Own:
    """A schedule whose answer, words and repr are given; errors are raised."""

    def __init__(self, answer=None, words="", shown="Own()"):
        self.answer, self.words, self.shown = answer, words, shown

    def following(self, after):
        return _give(self.answer)

    def describe(self):
        return _give(self.words)

    def __repr__(self):
        return _give(self.shown)


def _give(value):
    if isinstance(value, Exception):
        raise value
    return value


class Unprintable(Exception):
    def __str__(self):
        raise ValueError("no")


def test_the_next_start_is_the_schedules_answer_in_utc():
    zone = dt.timezone(dt.timedelta(hours=2))
    start = next_start(Own(dt.datetime(2024, 5, 1, 15, tzinfo=zone)), NOON)
    assert start == dt.datetime(2024, 5, 1, 13, tzinfo=UTC)
    assert start.tzinfo is UTC


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (None, "Own(): following() must return an aware datetime, not None"),
        ("tomorrow", "Own(): following() must return an aware datetime, not 'tomorrow'"),
        (NOON.replace(tzinfo=None), "Own(): following() must return an aware datetime, not "),
        (NOON, f"Own(): following() must return a time later than {NOON}, not {NOON}"),
        (NOON - dt.timedelta(1), "Own(): following() must return a time later than "),
        (
            dt.datetime.max.replace(tzinfo=dt.timezone(dt.timedelta(hours=-2))),
            "Own(): OverflowError",
        ),
        (ScheduleError("it is over"), "Own(): it is over"),
        (ZeroDivisionError("by zero"), "Own(): ZeroDivisionError: by zero"),
        (Unprintable(), "Own(): Unprintable: (its message cannot be shown)"),
    ],
)
def test_a_wrong_answer_is_an_error_that_names_the_schedule(answer, problem):
    with pytest.raises(ScheduleError) as error:
        next_start(Own(answer), NOON)
    assert str(error.value).startswith(problem)


@pytest.mark.parametrize("schedule", [at("03:00"), cron("0 3 * * *"), cron("* * * * *")], ids=repr)
def test_the_end_of_the_calendar_is_an_error(schedule):
    with pytest.raises(ScheduleError, match="^(at|cron).*: there is no start"):
        next_start(schedule, dt.datetime.max.replace(tzinfo=UTC) - dt.timedelta(seconds=1))


@pytest.mark.parametrize("schedule", [at("03:00"), cron("0 3 * * *")], ids=repr)
def test_a_naive_time_is_refused(schedule):
    with pytest.raises(ValueError, match="needs an aware datetime"):
        schedule.following(dt.datetime(2024, 5, 1))


def test_a_stored_repr_has_at_most_255_characters_and_is_ascii():
    assert schedule_repr(Own(shown="x" * 255)) == "x" * 255
    assert schedule_repr(Own(shown="x" * 256)) == "x" * 252 + "..."
    assert schedule_repr(Own(shown="é" * 10_000_000)).endswith("...")
    assert schedule_repr(Own(shown="a\0\n\ud800é")) == r"a\x00\x0a\ud800\xe9"
    assert schedule_repr(Own(shown=ValueError())) == ""
    assert schedule_repr(Own(shown=5)) == ""


def test_a_repr_of_ours_that_is_too_long_is_not_stored():
    schedule = at(*(dt.time(hour, minute) for hour in range(24) for minute in (0, 30)))
    assert len(repr(schedule)) > 255
    assert schedule_repr(schedule) == ""
    assert next_start(schedule, NOON) == NOON + dt.timedelta(minutes=30)


def test_a_schedule_without_words_is_described_by_its_repr_or_its_class():
    assert describe(Own(words="at full moon")) == "at full moon"
    assert len(describe(Own(words="x" * 1000))) == 255
    for words in ("", " ", ValueError()):
        assert describe(Own(words=words)) == "Own()"
        assert describe(Own(words=words, shown=ValueError())) == "Own"


# In words.


@pytest.mark.parametrize(
    ("schedule", "language", "words"),
    [
        (REPRS[0], "en", "at 03:00"),
        (REPRS[1], "en", "at 08:00 and 20:00, Monday to Friday, Europe/Berlin"),
        (REPRS[1], "de", "um 08:00 und 20:00, Montag bis Freitag, Europe/Berlin"),
        (REPRS[1], "fr", "à 08:00 et 20:00, du lundi au vendredi, Europe/Berlin"),
        (REPRS[1], "es", "a las 08:00 y 20:00, de lunes a viernes, Europe/Berlin"),
        (REPRS[2], "en", "at 08:00:30, Friday to Monday"),
        (REPRS[3], "en", "at 08:00, Saturday and Sunday"),
        (REPRS[4], "en", "at 08:00, Monday, Wednesday to Friday and Sunday"),
        (REPRS[5], "en", "30 2 1 * * (cron)"),
        (REPRS[6], "en", "*/5 8-18 * jan-mar mon#1 (cron, America/New_York)"),
    ],
)
def test_a_schedule_is_described_in_the_active_language(schedule, language, words):
    with translation.override(language):
        assert describe(eval(schedule)).lower() == words.lower()


def test_the_sites_own_zone_is_not_named(settings):
    settings.TIME_ZONE = "Europe/Berlin"
    assert "Berlin" not in describe(at("03:00", timezone="Europe/Berlin"))
    assert describe(at("03:00", timezone="UTC")) == "at 03:00, UTC"
