from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured

from quick_jobs.conf import conf

DURATIONS = {
    "QUICK_JOBS_HEARTBEAT_INTERVAL": "heartbeat_interval",
    "QUICK_JOBS_LOST_AFTER": "lost_after",
    "QUICK_JOBS_START_RECORD_TIMEOUT": "start_record_timeout",
    "QUICK_JOBS_HISTORY_RETENTION": "history_retention",
}


@pytest.fixture(autouse=True)
def without_settings(settings):
    for setting in [*DURATIONS, "QUICK_JOBS_MAX_TRACEBACK"]:
        if hasattr(settings, setting):
            delattr(settings, setting)


def test_all_settings_are_optional():
    assert conf.heartbeat_interval == timedelta(seconds=15)
    assert conf.lost_after == timedelta(seconds=60)
    assert conf.start_record_timeout == timedelta(seconds=1)
    assert conf.history_retention == timedelta(days=90)
    assert conf.max_traceback == 65536


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


def test_1024_bytes_of_traceback_are_accepted(settings):
    settings.QUICK_JOBS_MAX_TRACEBACK = 1024
    assert conf.max_traceback == 1024


@pytest.mark.parametrize("value", [1023, 0, -1, True, None, 65536.0, "65536"], ids=repr)
def test_a_wrong_traceback_size_is_an_error_that_names_the_setting(settings, value):
    settings.QUICK_JOBS_MAX_TRACEBACK = value
    with pytest.raises(ImproperlyConfigured) as error:
        conf.max_traceback  # noqa: B018
    assert str(error.value) == (
        f"QUICK_JOBS_MAX_TRACEBACK must be a whole number of bytes, 1024 or more, not {value!r}"
    )
