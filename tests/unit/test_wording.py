"""Schedules in words, for the admin and ``--print-jobs``."""

import datetime as dt

import pytest
from django.utils import translation

from quick_jobs import at, cron
from quick_jobs.admin.wording import schedule_of_row
from quick_jobs.models import Job
from quick_jobs.registration import register_job
from quick_jobs.wording import schedule_in_words

BERLIN = at("08:00", "20:00", days="mon-fri", timezone="Europe/Berlin")


def in_words(schedule, interval=0.0, variance=0.0):
    return schedule_in_words(
        schedule, dt.timedelta(seconds=interval), dt.timedelta(seconds=variance)
    )


@pytest.mark.parametrize(
    ("interval", "variance", "words"),
    [
        (0, 0, "again and again"),
        (1, 0, "every second"),
        (60, 0, "every minute"),
        (90, 0, "every 1 min 30 s"),
        (120, 0, "every 2 min"),
        (3600, 0, "every hour"),
        (86_400, 0, "every day"),
        (15, 5, "every 15\N{EN DASH}20 s"),
        (0, 10, "every 0\N{EN DASH}10 s"),
        (300, 300, "every 5\N{EN DASH}10 min"),
        (1.5, 1, "every 1.5\N{EN DASH}2.5 s"),
        (0.1, 0.2, "every 100\N{EN DASH}300 ms"),
        (60, 15, "every 1 min to 1 min 15 s"),
        (86_400, 600, "every 1 d to 1 d 10 min"),
        (5400, 5400, "every 1 h 30 min to 3 h"),
    ],
)
def test_an_interval_is_one_range_where_one_unit_will_do(interval, variance, words):
    assert in_words(None, interval, variance) == words


@pytest.mark.parametrize(
    ("schedule", "variance", "words"),
    [
        (at("03:00"), 0, "every day at 03:00"),
        (BERLIN, 0, "Monday to Friday at 08:00 and 20:00 (Europe/Berlin)"),
        (
            BERLIN,
            300,
            "Monday to Friday at 08:00 and 20:00 (Europe/Berlin), up to 5 min later",
        ),
        (at("03:00", days="sun", timezone="UTC"), 90, "Sunday at 03:00, up to 1 min 30 s later"),
        (cron("30 2 1 * *"), 0, "30 2 1 * * (cron)"),
        (cron("30 2 1 * *", "Asia/Tokyo"), 60, "30 2 1 * * (cron, Asia/Tokyo), up to 1 min later"),
    ],
    ids=str,
)
def test_a_schedule_is_one_sentence_that_names_another_zone_than_the_sites(
    schedule, variance, words
):
    assert in_words(schedule, variance=variance) == words


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", "Montag bis Freitag um 08:00 und 20:00 (Europe/Berlin), bis zu 5 min später"),
        (
            "fr",
            "du lundi au vendredi à 08:00 et 20:00 (Europe/Berlin), jusqu\u2019à 5 min plus tard",
        ),
        ("es", "de lunes a viernes a las 08:00 y 20:00 (Europe/Berlin), hasta 5 min más tarde"),
    ],
)
def test_a_schedule_is_in_the_active_language(language, words):
    with translation.override(language):
        assert in_words(BERLIN, variance=300).lower() == words.lower()


class Own:
    def following(self, after): ...

    def describe(self):
        return "at full moon"


def test_a_sites_own_schedule_has_its_own_words():
    assert in_words(Own(), variance=60) == "at full moon, up to 1 min later"


def test_a_row_has_the_words_of_the_code_else_those_of_what_it_holds():
    @register_job(at("03:00"), variance=60)
    def known(env): ...

    def words(name, stored):
        row = Job(name=name, variance=dt.timedelta(seconds=60), schedule=stored)
        return schedule_of_row(row)

    assert words(known.name, "at('04:00')") == "every day at 03:00, up to 1 min later"
    assert words("shop.jobs.gone", "at('04:00')") == "every day at 04:00, up to 1 min later"
    assert words("shop.jobs.gone", "<FullMoon>") == "<FullMoon>"
    assert words("shop.jobs.gone", "") == "every 0\N{EN DASH}1 min"
