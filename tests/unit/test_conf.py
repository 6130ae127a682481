from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured

from quick_jobs.conf import DEFAULTS, RELEASE_VARIABLES, conf

DURATIONS = {
    "QUICK_JOBS_HEARTBEAT_INTERVAL": "heartbeat_interval",
    "QUICK_JOBS_LOST_AFTER": "lost_after",
    "QUICK_JOBS_START_RECORD_TIMEOUT": "start_record_timeout",
    "QUICK_JOBS_HISTORY_RETENTION": "history_retention",
    "QUICK_JOBS_ALERT_REMINDER": "alert_reminder",
}


@pytest.fixture(autouse=True)
def without_settings(settings, monkeypatch):
    for setting in DEFAULTS:
        if hasattr(settings, setting):
            delattr(settings, setting)
    for variable in RELEASE_VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def test_all_settings_are_optional():
    assert conf.heartbeat_interval == timedelta(seconds=15)
    assert conf.lost_after == timedelta(seconds=60)
    assert conf.start_record_timeout == timedelta(seconds=1)
    assert conf.history_retention == timedelta(days=90)
    assert conf.max_traceback == 65536
    assert conf.log == "all"
    assert conf.log_level == logging.INFO
    assert conf.max_log == 16384
    assert conf.log_filter is None
    assert conf.release == ""
    assert conf.alerts is None
    assert conf.alert_after == 1
    assert conf.alert_reminder == timedelta(days=1)
    assert conf.heartbeat_url is None


@pytest.mark.parametrize(("setting", "attribute"), DURATIONS.items())
def test_durations_are_seconds_or_timedeltas(settings, setting, attribute):
    setattr(settings, setting, 2.5)
    assert getattr(conf, attribute) == timedelta(seconds=2.5)
    setattr(settings, setting, timedelta(days=1))
    assert getattr(conf, attribute) == timedelta(days=1)


@pytest.mark.parametrize("value", ["15", True, -1, float("nan"), timedelta.max], ids=repr)
@pytest.mark.parametrize(("setting", "attribute"), DURATIONS.items())
def test_a_wrong_duration_is_an_error_that_names_the_setting(settings, setting, attribute, value):
    setattr(settings, setting, value)
    with pytest.raises(ImproperlyConfigured, match=f"^{setting} must be "):
        getattr(conf, attribute)


@pytest.mark.parametrize(
    "setting",
    [
        "QUICK_JOBS_HEARTBEAT_INTERVAL",
        "QUICK_JOBS_LOST_AFTER",
        "QUICK_JOBS_START_RECORD_TIMEOUT",
    ],
)
def test_no_duration_is_an_error_that_names_the_setting(settings, setting):
    setattr(settings, setting, None)
    with pytest.raises(ImproperlyConfigured, match=f"^{setting} must be .*, not None$"):
        getattr(conf, DURATIONS[setting])


@pytest.mark.parametrize(
    "setting",
    ["QUICK_JOBS_HEARTBEAT_INTERVAL", "QUICK_JOBS_LOST_AFTER", "QUICK_JOBS_HISTORY_RETENTION"],
)
def test_zero_is_an_error_that_names_the_setting(settings, setting):
    setattr(settings, setting, 0)
    with pytest.raises(ImproperlyConfigured, match=f"^{setting} must be more than 0 seconds$"):
        getattr(conf, DURATIONS[setting])


def test_jobs_need_not_wait_for_the_record_of_their_start(settings):
    settings.QUICK_JOBS_START_RECORD_TIMEOUT = 0
    assert conf.start_record_timeout == timedelta(0)


SIZES = {"QUICK_JOBS_MAX_TRACEBACK": "max_traceback", "QUICK_JOBS_MAX_LOG": "max_log"}


@pytest.mark.parametrize(("setting", "attribute"), SIZES.items())
def test_1024_bytes_are_accepted(settings, setting, attribute):
    setattr(settings, setting, 1024)
    assert getattr(conf, attribute) == 1024


@pytest.mark.parametrize("value", [1023, 0, -1, True, None, 65536.0, "65536"], ids=repr)
@pytest.mark.parametrize(("setting", "attribute"), SIZES.items())
def test_a_wrong_size_is_an_error_that_names_the_setting(settings, setting, attribute, value):
    setattr(settings, setting, value)
    with pytest.raises(ImproperlyConfigured) as error:
        getattr(conf, attribute)
    assert str(error.value) == (
        f"{setting} must be a whole number of bytes, 1024 or more, not {value!r}"
    )


@pytest.mark.parametrize("value", ["all", "failures", "off"])
def test_logs_are_kept_of_all_of_failures_or_not_at_all(settings, value):
    settings.QUICK_JOBS_LOG = value
    assert conf.log == value


@pytest.mark.parametrize("value", ["none", "ALL", "", None, True, ["all"]], ids=repr)
def test_any_other_choice_of_logs_is_an_error(settings, value):
    settings.QUICK_JOBS_LOG = value
    with pytest.raises(ImproperlyConfigured) as error:
        conf.log  # noqa: B018
    assert str(error.value) == f'QUICK_JOBS_LOG must be "all", "failures" or "off", not {value!r}'


@pytest.mark.parametrize(("value", "level"), [("DEBUG", 10), ("ERROR", 40), (25, 25), (0, 0)])
def test_a_level_is_a_name_or_a_number(settings, value, level):
    settings.QUICK_JOBS_LOG_LEVEL = value
    assert conf.log_level == level


@pytest.mark.parametrize("value", ["LOUD", "info", "20", -1, 20.0, True, None], ids=repr)
def test_a_wrong_level_is_an_error_that_names_the_setting(settings, value):
    settings.QUICK_JOBS_LOG_LEVEL = value
    with pytest.raises(ImproperlyConfigured, match="^QUICK_JOBS_LOG_LEVEL must be a level of "):
        conf.log_level  # noqa: B018


def test_the_filter_is_found_by_its_path(settings):
    settings.QUICK_JOBS_LOG_FILTER = "textwrap.dedent"
    assert conf.log_filter("  x") == "x"


@pytest.mark.parametrize("value", ["no.module", "os.no_function", "os.sep", "x", 3, len], ids=repr)
def test_a_wrong_filter_is_an_error_that_names_the_setting(settings, value):
    settings.QUICK_JOBS_LOG_FILTER = value
    with pytest.raises(ImproperlyConfigured, match="^QUICK_JOBS_LOG_FILTER must be None or the "):
        conf.log_filter  # noqa: B018


@pytest.mark.parametrize("variable", RELEASE_VARIABLES)
def test_the_release_is_what_the_platform_says(monkeypatch, variable):
    monkeypatch.setenv(variable, "3f2a91c")
    assert conf.release == "3f2a91c"


def test_the_first_variable_that_is_not_empty_names_the_release(monkeypatch):
    monkeypatch.setenv("SENTRY_RELEASE", "")
    monkeypatch.setenv("SOURCE_VERSION", "second")
    monkeypatch.setenv("HEROKU_SLUG_COMMIT", "first")
    assert conf.release == "first"


@pytest.mark.parametrize("value", ["2026.11", ""])
def test_the_setting_comes_before_what_the_platform_says(settings, monkeypatch, value):
    monkeypatch.setenv("SENTRY_RELEASE", "3f2a91c")
    settings.QUICK_JOBS_RELEASE = value
    assert conf.release == value


@pytest.mark.parametrize("value", [3, True, b"x"], ids=repr)
def test_a_release_that_is_no_text_is_an_error_that_names_the_setting(settings, value):
    settings.QUICK_JOBS_RELEASE = value
    with pytest.raises(ImproperlyConfigured) as error:
        conf.release  # noqa: B018
    assert str(error.value) == f"QUICK_JOBS_RELEASE must be a str or None, not {value!r}"


@pytest.mark.parametrize(
    ("setting", "value", "attribute"),
    [
        ("QUICK_JOBS_ALERTS", print, "alerts"),
        ("QUICK_JOBS_ALERTS", "quick_jobs.alerts.nobody", "alerts"),
        ("QUICK_JOBS_ALERTS", "quick_jobs.alerts.KINDS", "alerts"),
        ("QUICK_JOBS_ALERT_AFTER", 0, "alert_after"),
        ("QUICK_JOBS_ALERT_AFTER", True, "alert_after"),
        ("QUICK_JOBS_ALERT_AFTER", "3", "alert_after"),
        ("QUICK_JOBS_ALERT_REMINDER", 0, "alert_reminder"),
        ("QUICK_JOBS_HEARTBEAT_URL", "hc-ping.com/uuid", "heartbeat_url"),
        ("QUICK_JOBS_HEARTBEAT_URL", 7, "heartbeat_url"),
    ],
)
def test_a_wrong_value_for_alerts_is_an_error_that_names_the_setting(
    settings, setting, value, attribute
):
    setattr(settings, setting, value)
    with pytest.raises(ImproperlyConfigured, match=f"^{setting} must be "):
        getattr(conf, attribute)
