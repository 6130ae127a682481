from __future__ import annotations

import datetime as dt
from unittest import mock

import pytest
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connection,
    transaction,
)

from quick_jobs import databases
from quick_jobs.databases import database_now, database_of, is_supported, vendor_name
from quick_jobs.databases.base import Database
from quick_jobs.databases.mysql import MySQL
from quick_jobs.databases.postgresql import PostgreSQL
from quick_jobs.databases.sqlite import SQLite
from quick_jobs.databases.timestamps import as_stored, from_timestamp
from quick_jobs.models import JobRunner
from tests.site import ROOT, wait_until

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


# The door.


class ConnectionTo:
    def __init__(self, vendor):
        self.vendor = vendor


def test_three_kinds_of_database_are_supported():
    known = {"sqlite": SQLite, "postgresql": PostgreSQL, "mysql": MySQL}
    assert {vendor: type(database_of(ConnectionTo(vendor))) for vendor in known} == known
    assert all(is_supported(ConnectionTo(vendor)) for vendor in known)
    assert not is_supported(ConnectionTo("oracle"))


def test_a_database_is_a_file_and_every_file_has_one():
    files = {path.stem for path in (ROOT / "quick_jobs" / "databases").glob("*.py")}
    shared = {"__init__", "base", "errors", "statements", "tables", "timestamps", "write_lock"}
    ours = {f"{databases.__name__}.{stem}" for stem in files - shared}
    classes = databases._DATABASES.values()
    assert sorted(each.__module__ for each in classes) == sorted(ours)
    assert all(issubclass(each, Database) for each in classes)


def test_a_database_that_is_not_supported_has_a_name_for_messages():
    assert vendor_name(ConnectionTo("oracle")) == "oracle"
    assert vendor_name(ConnectionTo("unknown")) == "not configured"


def test_nobody_else_asks_for_the_vendor():
    askers = [
        path
        for path in (ROOT / "quick_jobs").rglob("*.py")
        if path.parent.name != "databases" and ".vendor" in path.read_text(encoding="utf-8")
    ]
    assert not askers


# The clock.


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


# What a model's field holds.


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


# Lock and statement timeouts.

not_on_sqlite = pytest.mark.skipif("connection.vendor == 'sqlite'", reason="it has no row locks")


def cleanup_timeouts(statement_timeout=None):
    return database_of(connection).cleanup_timeouts(statement_timeout)


def test_waits_for_locks_are_as_they_were_after_a_batch(transactional_db):
    before = wait_for_locks()
    with cleanup_timeouts():
        inside = wait_for_locks()
    assert wait_for_locks() == before
    assert (inside == before) == (connection.vendor == "sqlite")


def test_waits_for_locks_in_somebodys_transaction_stay_as_they_are(db):
    before = wait_for_locks()
    with cleanup_timeouts():
        assert wait_for_locks() == before
    assert wait_for_locks() == before


@not_on_sqlite
def test_a_statement_that_takes_too_long_is_given_up_as_a_conflict(transactional_db):
    if connection.vendor == "mysql" and not getattr(connection, "mysql_is_mariadb", False):
        pytest.skip("MySQL has no such timeout, and Django 2.2 cannot tell MariaDB from it")
    sleep = "SELECT pg_sleep(60)" if connection.vendor == "postgresql" else "SELECT SLEEP(60)"
    with pytest.raises(OperationalError) as failure, cleanup_timeouts(0.01):
        connection.cursor().execute(sleep)
    assert database_of(connection).is_conflict(failure.value)
    connection.cursor().execute(sleep.replace("60", "0.05"))  # which is none of its business


def wait_for_locks():
    shown = {
        "postgresql": "SHOW lock_timeout",
        "mysql": "SELECT @@SESSION.innodb_lock_wait_timeout",
        "sqlite": "PRAGMA busy_timeout",
    }
    with connection.cursor() as cursor:
        cursor.execute(shown[connection.vendor])
        return cursor.fetchone()


# What an error means.


class CodedError(Exception):
    """As psycopg2 and psycopg raise it."""

    def __init__(self, **codes):
        vars(self).update(codes)


def caused_by(**codes):
    error = OperationalError("message")
    error.__cause__ = CodedError(**codes)
    return error


@pytest.mark.parametrize(
    ("kind", "error", "expected"),
    [
        (PostgreSQL, caused_by(sqlstate="55P03"), True),
        (PostgreSQL, caused_by(pgcode="40P01"), True),
        (PostgreSQL, caused_by(sqlstate="57014"), True),
        (PostgreSQL, caused_by(sqlstate="57P01"), False),
        (PostgreSQL, caused_by(sqlstate=None), False),
        (MySQL, OperationalError(1213, "Deadlock found"), True),
        (MySQL, OperationalError(1205, "Lock wait timeout exceeded"), True),
        (MySQL, OperationalError(1969, "max_statement_time exceeded"), True),
        (MySQL, OperationalError(2006, "Server has gone away"), False),
        (SQLite, OperationalError("database is locked"), True),
        (SQLite, OperationalError("database table is locked"), True),
        (SQLite, OperationalError("unable to open database file"), False),
    ],
)
def test_conflicts_with_others_are_told_from_other_errors(kind, error, expected):
    assert kind(connection).is_conflict(error) is expected


every_kind = pytest.mark.parametrize("kind", [SQLite, PostgreSQL, MySQL])


@every_kind
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OperationalError(), False),
        (IntegrityError("foreign key"), False),
        (DataError("out of range"), False),
    ],
)
def test_on_every_database_only_a_reference_is_a_conflict_by_its_class(kind, error, expected):
    assert kind(connection).is_conflict(error) is expected


@every_kind
def test_errors_caused_by_the_data_are_told_from_outages(kind):
    about_data = [
        DataError("too long"),
        IntegrityError("no such runner"),
        ValueError("a string literal cannot contain NUL"),
        TypeError("cannot adapt"),
    ]
    outages = [
        OperationalError(2006, "server has gone away"),
        OperationalError(),
        DatabaseError("?"),
        KeyError("?"),
    ]
    found = [error for error in about_data + outages if kind(connection).is_about_data(error)]
    assert found == about_data


def test_mariadbs_incorrect_string_value_is_about_the_data():
    assert MySQL(connection).is_about_data(OperationalError(1366, "Incorrect string value"))


@pytest.mark.parametrize("number", [1366, 1267, 1153, 2020])
def test_what_mariadb_says_of_values_is_about_the_data(number):
    assert MySQL(connection).is_about_data(OperationalError(number, "?"))


def test_errors_that_can_pass_by_themselves_are_told_from_those_that_stay():
    outages = [OperationalError("server closed the connection"), InterfaceError("closed")]
    stay = [ProgrammingError("permission denied"), DataError("?"), TypeError("?"), KeyError("?")]
    for kind in (MySQL, PostgreSQL, SQLite):
        found = [error for error in outages + stay if kind(connection).is_outage(error)]
        assert found == outages
    assert not SQLite(connection).is_outage(OperationalError("no such column: x"))
    assert SQLite(connection).is_outage(OperationalError("attempt to write a readonly database"))
    assert not MySQL(connection).is_outage(OperationalError(1142, "INSERT command denied"))
    assert MySQL(connection).is_outage(OperationalError(2006, "server has gone away"))


def test_a_conflict_is_not_taken_for_something_that_is_too_long():
    assert MySQL(connection).may_be_of_size(OperationalError(2013, "lost connection"))
    assert not MySQL(connection).may_be_of_size(OperationalError(1205, "lock wait timeout"))
    assert not SQLite(connection).may_be_of_size(OperationalError("database is locked"))
    assert not SQLite(connection).may_be_of_size(OperationalError("database or disk is full"))
    assert not MySQL(connection).may_be_of_size(OperationalError(1114, "the table is full"))
    assert PostgreSQL(connection).may_be_of_size(OperationalError("server closed the connection"))
    assert not PostgreSQL(connection).may_be_of_size(caused_by(sqlstate="53100"))  # disk full
    assert not PostgreSQL(connection).may_be_of_size(ProgrammingError("permission denied"))


@pytest.mark.parametrize("kind", [PostgreSQL, MySQL])
def test_connecting_is_limited_unless_the_site_says_otherwise(kind):
    wrapper = mock.Mock(settings_dict={"OPTIONS": {}})
    kind(wrapper).limit_connecting()
    assert wrapper.settings_dict == {"OPTIONS": {"connect_timeout": 10}}
    for options in ({"connect_timeout": 3}, {"pool": True}):
        wrapper = mock.Mock(settings_dict={"OPTIONS": options})
        kind(wrapper).limit_connecting()
        assert wrapper.settings_dict == {"OPTIONS": options}


def test_sqlite_takes_no_limit_for_connecting():
    wrapper = mock.Mock(settings_dict={"OPTIONS": {}})
    SQLite(wrapper).limit_connecting()
    assert wrapper.settings_dict == {"OPTIONS": {}}
