from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection, transaction

from quick_jobs.clocks import SUPPORTED_VENDORS, as_stored, database_now, from_timestamp
from quick_jobs.models import JobRunner
from tests.site import wait_until

MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=dt.timezone.utc)

#: How far the clocks of this machine and of a database server in a container may be apart.
TOLERANCE = dt.timedelta(minutes=1)

SET_TIME_ZONE = {
    "postgresql": "SET TIME ZONE 'Asia/Tokyo'",
    "mysql": "SET time_zone = '+09:00'",
}


def is_now(moment):
    return abs(moment - dt.datetime.now(dt.timezone.utc)) < TOLERANCE


@pytest.fixture
def in_kolkata(settings, request):
    """Local time, naive, five and a half hours ahead of UTC."""
    settings.USE_TZ = False
    settings.TIME_ZONE = "Asia/Kolkata"


def test_three_kinds_of_database_are_supported():
    assert {"postgresql", "mysql", "sqlite"} == SUPPORTED_VENDORS


def test_the_databases_present_is_aware_in_utc(transactional_db):
    now = database_now("default")
    assert now.utcoffset() == dt.timedelta(0)
    assert is_now(now)


def test_the_databases_present_is_told_to_the_millisecond_at_least(transactional_db):
    wait_until(lambda: database_now("default").microsecond // 1000 % 10)


def test_the_databases_present_moves_on_within_a_transaction(transactional_db):
    with transaction.atomic():
        before = database_now("default")
        wait_until(lambda: database_now("default") > before)


def test_the_sessions_time_zone_does_not_matter(transactional_db):
    with connection.cursor() as cursor:
        if connection.vendor in SET_TIME_ZONE:
            cursor.execute(SET_TIME_ZONE[connection.vendor])
    try:
        assert is_now(database_now("default"))
    finally:
        connection.close()


def test_without_time_zones_the_databases_present_is_in_utc_all_the_same(
    transactional_db, in_kolkata
):
    now = database_now("default")
    assert now.utcoffset() == dt.timedelta(0)
    assert is_now(now)


def test_with_time_zones_moments_are_stored_aware():
    assert as_stored(MOMENT) == MOMENT
    assert as_stored(MOMENT).utcoffset() == dt.timedelta(0)


def test_without_time_zones_moments_are_stored_naive_in_local_time(in_kolkata):
    assert as_stored(MOMENT) == dt.datetime(2026, 1, 2, 8, 34, 5, 678901)


def test_a_timestamp_becomes_the_moment_that_is_stored():
    assert from_timestamp(1767323045.678901) == MOMENT
    assert from_timestamp(1767323045.678901).utcoffset() == dt.timedelta(0)


def test_without_time_zones_a_timestamp_becomes_local_time(in_kolkata):
    assert from_timestamp(1767323045.678901) == dt.datetime(2026, 1, 2, 8, 34, 5, 678901)


@pytest.mark.parametrize("use_tz", [True, False])
def test_what_is_stored_is_what_is_read(transactional_db, settings, use_tz):
    settings.USE_TZ = use_tz
    settings.TIME_ZONE = "Asia/Kolkata"
    moment = as_stored(MOMENT)
    row = JobRunner.objects.create(
        hostname="host", pid=1, started_at=moment, last_heartbeat_at=moment
    )
    row.refresh_from_db()
    assert row.started_at == moment
    assert JobRunner.objects.filter(started_at=moment).exists()
