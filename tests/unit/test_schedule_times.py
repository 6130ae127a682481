"""When ``at`` and ``cron`` start, also where the clock is changed."""

import datetime as dt
import functools
import itertools
import random

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from quick_jobs import at, compat, cron
from quick_jobs.compat import zone_named

UTC = dt.timezone.utc
DAY, MINUTE = dt.timedelta(days=1), dt.timedelta(minutes=1)

#: Ten years in each, with what is particular to it.
ZONES = {
    "Europe/Berlin": 2016,
    "America/New_York": 2016,
    "Australia/Lord_Howe": 2016,  # half an hour
    "America/Sao_Paulo": 2010,  # midnight is left out
    "Africa/Casablanca": 2016,  # four changes a year
    "Pacific/Apia": 2005,  # 30 December 2011 is left out
    "UTC": 2016,
}


def utc(*args):
    return dt.datetime(*args, tzinfo=UTC)


def local(moment, zone):
    return moment.astimezone(zone_named(zone)).replace(tzinfo=None)


@functools.lru_cache(maxsize=None)
def changes(zone):
    """Return the moments in the ten years at which the clock is changed, to the minute."""
    begin = utc(ZONES[zone], 1, 1)
    found = []
    for day in range(3652):
        low, high = begin + day * DAY, begin + (day + 1) * DAY
        if offset(low, zone) != offset(high, zone):
            while high - low > MINUTE:
                middle = low + (high - low) // MINUTE // 2 * MINUTE
                low, high = (
                    (low, middle) if offset(middle, zone) != offset(low, zone) else (middle, high)
                )
            found.append(high)
    return found


def offset(moment, zone):
    return local(moment, zone) - moment.replace(tzinfo=None)


def starts(schedule, begin, end):
    found = []
    moment = schedule.following(begin)
    while moment <= end:
        found.append(moment)
        moment = schedule.following(moment)
    return found


def test_the_zones_have_the_changes_that_matter():
    counts = {zone: len(changes(zone)) for zone in ZONES}
    assert counts["UTC"] == 0
    assert counts["Europe/Berlin"] == 20
    assert counts["Africa/Casablanca"] > 20
    assert utc(2011, 12, 30, 10) in changes("Pacific/Apia")


EXAMPLES = [
    # zone, time, day, and the starts on that day
    ("Europe/Berlin", "02:30", (2024, 3, 31), [utc(2024, 3, 31, 1)]),
    ("Europe/Berlin", "02:30", (2024, 10, 27), [utc(2024, 10, 27, 0, 30)]),
    ("Europe/Berlin", "03:00", (2024, 3, 31), [utc(2024, 3, 31, 1)]),
    ("Europe/Berlin", "02:00", (2024, 10, 27), [utc(2024, 10, 27, 0)]),
    ("Europe/Berlin", "03:00", (2024, 10, 27), [utc(2024, 10, 27, 2)]),
    ("America/New_York", "02:30", (2024, 3, 10), [utc(2024, 3, 10, 7)]),
    ("America/New_York", "01:30", (2024, 11, 3), [utc(2024, 11, 3, 5, 30)]),
    ("Australia/Lord_Howe", "02:15", (2024, 10, 6), [utc(2024, 10, 5, 15, 30)]),
    ("Australia/Lord_Howe", "01:45", (2024, 4, 7), [utc(2024, 4, 6, 14, 45)]),
    ("America/Sao_Paulo", "00:00", (2018, 11, 4), [utc(2018, 11, 4, 3)]),
    ("America/Sao_Paulo", "23:30", (2018, 2, 17), [utc(2018, 2, 18, 1, 30)]),
    ("Pacific/Apia", "08:00", (2011, 12, 29), [utc(2011, 12, 29, 18)]),
    ("Pacific/Apia", "08:00", (2011, 12, 31), [utc(2011, 12, 30, 10), utc(2011, 12, 30, 18)]),
    ("UTC", "02:30", (2024, 3, 31), [utc(2024, 3, 31, 2, 30)]),
]


@pytest.mark.parametrize(("zone", "time", "day", "expected"), EXAMPLES)
def test_a_time_starts_once_a_day_also_where_the_clock_is_changed(zone, time, day, expected):
    hour, minute = map(int, time.split(":"))
    for schedule in (at(time, timezone=zone), cron(f"{minute} {hour} * * *", timezone=zone)):
        noon = utc(*day, 12)
        found = starts(schedule, noon - 3 * DAY, noon + 3 * DAY)
        assert [start for start in found if local(start, zone).date() == dt.date(*day)] == expected


@pytest.mark.parametrize(
    "schedule", [at("02:30", timezone="Europe/Berlin"), cron("30 2 * * *", "Europe/Berlin")]
)
@pytest.mark.parametrize("minute", range(0, 60, 15))
def test_in_the_hour_that_comes_twice_the_first_time_has_passed(schedule, minute):
    """cronsim 2.8 answers with 00:30."""
    assert schedule.following(utc(2024, 10, 27, 1, minute)) == utc(2024, 10, 28, 1, 30)


def test_a_day_that_is_left_out_has_its_start_at_the_first_moment_after_it():
    friday = at("08:00", days="fri", timezone="Pacific/Apia")
    assert starts(friday, utc(2011, 12, 25), utc(2012, 1, 8)) == [
        utc(2011, 12, 30, 10),
        utc(2012, 1, 5, 18),
    ]


def test_several_times_in_a_gap_start_once():
    schedule = at("02:00", "02:15", "02:45", "03:00", "03:30", timezone="Europe/Berlin")
    found = starts(schedule, utc(2024, 3, 31, 0, 59), utc(2024, 3, 31, 2))
    assert found == [utc(2024, 3, 31, 1), utc(2024, 3, 31, 1, 30)]


@pytest.mark.parametrize("zone", ZONES)
def test_at_and_cron_agree_over_ten_years(zone):
    """Over whole days around each change of the clock, and over some others."""
    chance = random.Random(zone)
    times = [dt.time(hour, minute) for hour in range(4) for minute in (0, 10, 30, 45)]
    times += [dt.time(12), dt.time(22), dt.time(23, 30)]
    some = [utc(ZONES[zone], 1, 1) + chance.randrange(3652 * 24) * DAY / 24 for _ in range(8)]
    for moment in [*changes(zone), *some]:
        chosen = chance.sample(times, 4)
        days = chance.choice([None, "mon-fri", "sat,sun", "fri-mon"])
        of_cron = {"mon-fri": "1-5", "sat,sun": "6,0", "fri-mon": "5,6,0,1", None: "*"}[days]
        crons = [cron(f"{t.minute} {t.hour} * * {of_cron}", timezone=zone) for t in chosen]
        begin, end = moment - 36 * DAY / 24, moment + 36 * DAY / 24
        by_cron = sorted({start for each in crons for start in starts(each, begin, end)})
        assert starts(at(*chosen, days=days, timezone=zone), begin, end) == by_cron


@pytest.mark.parametrize("zone", ZONES)
def test_a_year_asked_for_step_by_step_has_each_day_once(zone):
    schedule = at("00:30", timezone=zone)
    begin = utc(ZONES[zone] + 6, 1, 1, 12)
    found = starts(schedule, begin, begin + 365 * DAY)
    assert len(found) in (364, 365, 366)
    days = [local(start, zone).date() for start in found]
    assert all(later - earlier <= 2 * DAY for earlier, later in zip(found, found[1:]))
    in_apia = dt.date(2011, 12, 31) if zone == "Pacific/Apia" else None  # with that of the 30th
    assert [day for day, same in itertools.groupby(days) if len(list(same)) > 1] == (
        [in_apia] if in_apia else []
    )


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ("*/20 * * * *", lambda time: time.minute % 20 == 0),
        ("0 */2 * * *", lambda time: time.minute == 0 and time.hour % 2 == 0),
        ("30 * * * *", lambda time: time.minute == 30),
        ("*/30 0,2 * * *", lambda time: time.minute % 30 == 0 and time.hour in (0, 2)),
    ],
)
def test_a_star_in_minute_or_hour_goes_by_elapsed_time(zone, expression, fits):
    """That is, it starts in all minutes, one after the other, whose local time fits."""
    schedule = cron(expression, timezone=zone)
    for change in [*changes(zone)[:6], utc(2011, 12, 30, 10)]:
        begin, end = change - DAY / 6, change + DAY / 6
        minutes = (begin + count * MINUTE for count in range(1, (end - begin) // MINUTE + 1))
        expected = [minute for minute in minutes if fits(local(minute, zone))]
        assert starts(schedule, begin, end) == expected


def test_by_elapsed_time_a_rare_start_is_found_across_changes_of_the_clock():
    schedule = cron("0 */6 29 2 *", timezone="Europe/Berlin")
    assert schedule.following(utc(2024, 3, 1)) == utc(2028, 2, 28, 23)


WALL_TIMES = st.times().map(lambda time: time.replace(second=0, microsecond=0))
SCHEDULES = st.one_of(
    st.builds(
        lambda times, days, zone: at(*times, days=days, timezone=zone),
        st.lists(WALL_TIMES, min_size=1, max_size=4),
        st.sampled_from([None, "mon-fri", "sat,sun", "fri-mon", "wed"]),
        st.sampled_from(sorted(ZONES)),
    ),
    st.builds(
        lambda minute, hour, day, zone: cron(f"{minute} {hour} {day} * *", timezone=zone),
        st.sampled_from(["0", "30", "*/7", "15,45", "*"]),
        st.sampled_from(["0", "2", "*", "*/5", "1-3", "23"]),
        st.sampled_from(["*", "30", "1", "*/2"]),
        st.sampled_from(sorted(ZONES)),
    ),
)


@st.composite
def schedule_and_moments(draw):
    """Return a schedule, and two moments of which many are near a change of its clock."""
    schedule = draw(SCHEDULES)
    zone = schedule.timezone
    around = [utc(ZONES[zone], 1, 1), utc(ZONES[zone] + 5, 2, 28), *changes(zone)]
    seconds = st.integers(-3 * 86_400, 3 * 86_400) | st.integers(-5400, 5400)
    moment = draw(st.sampled_from(around)) + dt.timedelta(seconds=draw(seconds))
    moment += dt.timedelta(microseconds=draw(st.sampled_from([0, 0, 1, 999_999])))
    longest = 2 * 3600 if "*" in repr(schedule).split()[0] else 20 * 86_400
    return schedule, moment, moment + dt.timedelta(seconds=draw(st.integers(1, longest)))


@given(schedule_and_moments())
def test_the_following_start_is_later_and_the_same_from_wherever_it_is_asked(drawn):
    schedule, earlier, later = drawn
    start = schedule.following(earlier)
    assert start > earlier
    assert schedule.following(start - dt.timedelta(microseconds=1)) == start
    while start <= later:
        step = schedule.following(start)
        assert step > start
        start = step
    assert schedule.following(later) == start


@given(WALL_TIMES, st.sampled_from(sorted(ZONES)), st.data())
def test_a_day_that_has_the_time_is_not_skipped(time, zone, data):
    around = data.draw(st.sampled_from([utc(ZONES[zone], 6, 1), *changes(zone)]))
    moment = around + data.draw(st.integers(-2000, 2000)) * MINUTE
    start = at(time, timezone=zone).following(moment)
    assert start - moment <= 2 * DAY
    minutes = (moment + count * MINUTE for count in range(1, (start - moment) // MINUTE))
    shown = [minute for minute in minutes if local(minute, zone).time() == time]
    # What is passed by is a time that comes again, within an hour after the first.
    for minute in shown:
        before = (minute - count * MINUTE for count in range(1, 121))
        assert any(local(each, zone) == local(minute, zone) for each in before)


# The site's zone.


@pytest.mark.parametrize("schedule", [at("08:00"), cron("0 8 * * *")], ids=repr)
def test_the_sites_zone_is_looked_up_each_time(schedule, settings):
    after = utc(2024, 7, 1)
    assert schedule.following(after) == utc(2024, 7, 1, 8)
    settings.TIME_ZONE = "Europe/Berlin"
    assert schedule.following(after) == utc(2024, 7, 1, 6)
    settings.USE_TZ = False
    assert schedule.following(after) == utc(2024, 7, 1, 6)


def test_the_active_zone_does_not_matter():
    with timezone.override(zone_named("America/New_York")):
        assert at("08:00").following(utc(2024, 7, 1)) == utc(2024, 7, 1, 8)


def test_without_a_time_zone_the_systems_own_counts(settings):
    settings.TIME_ZONE = None
    start = at("08:00").following(utc(2024, 7, 1))
    assert start.astimezone().time() == dt.time(8)


@pytest.mark.parametrize("name", sorted(ZONES))
def test_zones_of_pytz_are_as_good_as_those_of_zoneinfo(name, monkeypatch):
    pytest.importorskip("pytz")
    schedules = [
        at("00:00", "02:15", timezone=name),
        cron("15 2 * * *", timezone=name),
        cron("15 */2 * * *", timezone=name),
    ]
    spans = [(change - 2 * DAY, change + 2 * DAY) for change in changes(name)[:4]]
    expected = [starts(schedule, *span) for schedule in schedules for span in spans]
    monkeypatch.setattr(compat, "_ZONES", [("pytz", "timezone")])
    assert zone_named(name).zone == name
    assert [starts(schedule, *span) for schedule in schedules for span in spans] == expected
