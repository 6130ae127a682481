from __future__ import annotations

import functools
import sqlite3

import pytest
from django.core import checks
from django.core.management.base import BaseCommand, SystemCheckError
from django.core.management.commands import (
    check,
    loaddata,
    makemigrations,
    migrate,
    runserver,
)
from django.core.management.commands import test as django_test
from django.db import connection

from quick_jobs import checks as quick_jobs_checks
from quick_jobs import cron, discovery, register_job
from quick_jobs.discovery import ImportFailed, NameConflict
from quick_jobs.management.commands import run_jobs


@register_job(60)
def good(env): ...


@register_job(60)
def takes_nothing(): ...


@register_job(60)
def is_generator(env):
    yield


def messages(deploy=False):
    """Return what the checks tell, by id."""
    told = checks.run_checks(tags=["quick_jobs"], include_deployment_checks=deploy)
    return {message.id: message for message in told}


@pytest.fixture
def jobs(monkeypatch):
    """Have these jobs, or this error, found."""

    def be(outcome):
        def all_jobs():
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(quick_jobs_checks, "all_jobs", all_jobs)

    return be


def test_a_site_without_any_settings_passes():
    assert messages() == {}


@pytest.mark.parametrize(
    ("check_id", "setting", "default"),
    [
        ("quick_jobs.E001", "QUICK_JOBS_HEARTBEAT_INTERVAL", "15 s"),
        ("quick_jobs.E002", "QUICK_JOBS_LOST_AFTER", "1 min"),
        ("quick_jobs.E003", "QUICK_JOBS_START_RECORD_TIMEOUT", "1 s"),
        ("quick_jobs.E004", "QUICK_JOBS_HISTORY_RETENTION", "90 days"),
        ("quick_jobs.E005", "QUICK_JOBS_MAX_TRACEBACK", "65536"),
        ("quick_jobs.E010", "QUICK_JOBS_LOG", "all"),
        ("quick_jobs.E011", "QUICK_JOBS_LOG_LEVEL", "INFO"),
        ("quick_jobs.E012", "QUICK_JOBS_MAX_LOG", "16384"),
        ("quick_jobs.E013", "QUICK_JOBS_LOG_FILTER", "None"),
        ("quick_jobs.E014", "QUICK_JOBS_RELEASE", "None"),
        ("quick_jobs.E016", "QUICK_JOBS_ALERTS", "None"),
        ("quick_jobs.E017", "QUICK_JOBS_ALERT_AFTER", "1"),
        ("quick_jobs.E018", "QUICK_JOBS_ALERT_REMINDER", "1 day"),
        ("quick_jobs.E019", "QUICK_JOBS_HEARTBEAT_URL", "None"),
    ],
)
@pytest.mark.parametrize("deploy", [False, True])
def test_a_wrong_setting_is_told_with_its_default(settings, check_id, setting, default, deploy):
    settings.QUICK_JOBS_HISTORY_RETENTION = 3600
    wrong = ["wrong"] if setting == "QUICK_JOBS_RELEASE" else "wrong"
    setattr(settings, setting, wrong)
    told = messages(deploy)
    assert list(told) == [check_id]
    assert told[check_id].is_serious()
    assert told[check_id].msg.startswith(f"{setting} must be ")
    assert f"not {wrong!r}" in told[check_id].msg
    assert told[check_id].hint == f"Without this setting the default applies, {default}."


def test_all_wrong_settings_are_told_at_once(settings):
    settings.QUICK_JOBS_HEARTBEAT_INTERVAL = settings.QUICK_JOBS_LOST_AFTER = -1
    assert list(messages()) == ["quick_jobs.E001", "quick_jobs.E002"]


def test_two_heartbeats_until_a_runner_is_lost_are_too_few(settings):
    settings.QUICK_JOBS_HEARTBEAT_INTERVAL = 30
    assert list(messages()) == ["quick_jobs.W001"]
    assert not messages()["quick_jobs.W001"].is_serious(checks.ERROR)
    assert "1 min" in messages()["quick_jobs.W001"].msg
    assert "30 s" in messages()["quick_jobs.W001"].msg
    settings.QUICK_JOBS_HEARTBEAT_INTERVAL = 29.9
    assert messages() == {}


def test_alerts_that_are_mailed_to_nobody_are_warned_of(settings):
    settings.QUICK_JOBS_ALERTS = "quick_jobs.alerts.mail_admins"
    settings.ADMINS = []
    assert list(messages()) == ["quick_jobs.W009"]
    assert not messages()["quick_jobs.W009"].is_serious(checks.ERROR)
    settings.ADMINS = ["a@example.com"]
    assert messages() == {}
    settings.QUICK_JOBS_ALERTS, settings.ADMINS = "tests.unit.test_checks.good", []
    assert messages() == {}  # whom it tells is not known


def test_jobs_that_can_be_run_pass(jobs):
    jobs([good])
    assert messages() == {}


def test_modules_that_cannot_be_imported_are_told_each(jobs):
    jobs(ImportFailed(["this fails", "that fails"]))
    told = quick_jobs_checks.check_jobs()
    assert [(message.id, message.msg) for message in told] == [
        ("quick_jobs.E006", "this fails"),
        ("quick_jobs.E006", "that fails"),
    ]


class OwnMigrate(migrate.Command):
    """A command of the site's, or of a package like django-tenants, derived from Django's."""


class MigrateSchemas(BaseCommand):
    """A command of a package like django-tenants, which is not derived from Django's."""


class OwnRunserver(runserver.Command):
    """A command of a package like daphne."""


class Wrapping(BaseCommand):
    """A command whose handle() calls another."""

    def __init__(self, other):
        super().__init__()
        self.other = other

    def handle(self, *args, **options):
        return self.other.check(**options)


# Django 2.2 asks every database in the checks of migrate.
@pytest.mark.django_db(databases=["default", "other"])
@pytest.mark.parametrize(
    ("command", "is_warning"),
    [
        (migrate.Command(), True),
        (makemigrations.Command(), True),
        (loaddata.Command(), True),
        (OwnMigrate(), True),
        (Wrapping(migrate.Command()), True),
        (MigrateSchemas(), True),
        (BaseCommand(), True),
        (check.Command(), False),
        (runserver.Command(), False),
        (OwnRunserver(), False),
        (django_test.Command(), False),
        (run_jobs.Command(), False),
        (Wrapping(check.Command()), False),
    ],
)
def test_only_commands_that_need_the_jobs_are_refused_without_them(jobs, command, is_warning):
    jobs(ImportFailed(["no such table"]))
    run = command.handle if isinstance(command, Wrapping) else command.check
    if is_warning:
        run()
    else:
        with pytest.raises(SystemCheckError, match="no such table"):
            run()


def test_jobs_of_one_name_are_told(jobs):
    jobs(NameConflict(["two of one name"]))
    assert messages()["quick_jobs.E007"].msg == "two of one name"


def test_jobs_that_cannot_be_run_are_told_each(jobs):
    jobs([takes_nothing, good, is_generator])
    told = quick_jobs_checks.check_jobs()
    assert [message.id for message in told] == ["quick_jobs.E008"] * 2
    assert told[0].msg.startswith("tests.unit.test_checks.takes_nothing must take one argument")
    assert told[1].msg.startswith("tests.unit.test_checks.is_generator is a generator function")


def test_jobs_that_are_left_out_are_a_warning(jobs, monkeypatch):
    jobs([good])
    monkeypatch.setattr(quick_jobs_checks, "jobs_left_out", lambda: [is_generator])
    (told,) = quick_jobs_checks.check_jobs()
    assert (told.id, told.level) == ("quick_jobs.W003", checks.WARNING)
    assert told.msg.startswith("tests.unit.test_checks.is_generator is registered in ")


def test_a_job_that_is_hidden_by_a_decorator_is_told(jobs, monkeypatch):
    monkeypatch.setitem(globals(), "good", functools.wraps(good)(lambda env: good(env)))
    jobs([good.__wrapped__])
    (told,) = quick_jobs_checks.check_jobs()
    assert told.id == "quick_jobs.E008"
    assert told.msg.startswith("tests.unit.test_checks.good is below another decorator")


@register_job(cron("0 9 13 * fri"))
def takes_either_day(env): ...


@register_job(cron("0 9 */2 * fri"))
def takes_both_days(env): ...


def test_a_cron_expression_with_both_kinds_of_days_is_a_warning(jobs):
    jobs([good, takes_both_days, takes_either_day])
    [told] = messages().values()
    assert (told.id, told.level) == ("quick_jobs.W004", checks.WARNING)
    assert told.msg.startswith(f"{takes_either_day.name} starts by cron('0 9 13 * fri') on ")


def test_the_jobs_of_all_apps_are_checked():
    assert quick_jobs_checks.all_jobs is discovery.all_jobs


def test_an_old_sqlite_is_told_if_the_history_is_to_be_there(monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 23, 1))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.23.1")
    with_databases(monkeypatch, default="sqlite", other="postgresql")
    assert list(messages()) == ["quick_jobs.E009"]
    assert "3.23.1" in messages()["quick_jobs.E009"].msg
    with_databases(monkeypatch, default="postgresql", other="sqlite")
    assert messages() == {}
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 24, 0))
    with_databases(monkeypatch, default="sqlite", other="postgresql")
    assert messages() == {}


def with_databases(monkeypatch, **vendors):
    class Connection:
        def __init__(self, vendor):
            self.vendor = vendor

    connections = {alias: Connection(vendor) for alias, vendor in vendors.items()}
    monkeypatch.setattr(quick_jobs_checks, "connections", connections)


def test_a_history_that_is_kept_for_ever_is_told_of_a_site_in_production(settings):
    settings.QUICK_JOBS_HISTORY_RETENTION = None
    assert messages() == {}
    assert list(messages(deploy=True)) == ["quick_jobs.W002"]
    settings.QUICK_JOBS_HISTORY_RETENTION = 3600
    assert messages(deploy=True) == {}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("modes", "warns"),
    [("", True), ("NO_ENGINE_SUBSTITUTION", True), ("STRICT_TRANS_TABLES", False)],
)
def test_mariadb_without_strict_mode_is_warned_of(modes, warns):
    if connection.vendor != "mysql":
        pytest.skip("needs MariaDB")
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@SESSION.sql_mode")
        (before,) = cursor.fetchone()
        cursor.execute("SET SESSION sql_mode = %s", [modes])
        found = [message.id for message in quick_jobs_checks.check_texts(databases=["default"])]
        cursor.execute("SET SESSION sql_mode = %s", [before])
    assert found == (["quick_jobs.W006"] if warns else [])


@pytest.mark.django_db
def test_the_texts_of_databases_that_are_not_to_be_asked_are_not_looked_at():
    assert quick_jobs_checks.check_texts(databases=[]) == []
    assert quick_jobs_checks.check_texts(databases=None) == []
