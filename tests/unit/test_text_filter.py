from __future__ import annotations

import logging

import pytest
from django.utils.functional import lazystr

from quick_jobs import text_filter
from quick_jobs.text_filter import HIDDEN, filtered

SECRET = "token=s3cr3t"


class Hostile(BaseException):
    def __str__(self):
        raise RuntimeError


class Loud(str):
    def __str__(self):
        raise RuntimeError


def mask(text):
    return text.replace("s3cr3t", "***")


def raise_system_exit(text):
    raise SystemExit(text)


def raise_hostile(text):
    raise Hostile(text)


def raise_key_error(text):
    raise KeyError(text)


def return_none(text):
    return None


def return_bytes(text):
    return text.encode()


def return_lazy(text):
    return lazystr(text)


def return_subclass(text):
    return Loud(mask(text))


@pytest.fixture(autouse=True)
def first_report(monkeypatch):
    monkeypatch.setattr(text_filter._Reports, "last", None)


@pytest.fixture
def use(settings):
    return lambda function: setattr(settings, "QUICK_JOBS_LOG_FILTER", f"{__name__}.{function}")


def test_without_a_filter_a_text_stays_as_it_is():
    assert filtered(SECRET) is SECRET


@pytest.mark.parametrize("function", ["mask", "return_subclass"])
def test_a_filter_says_what_is_stored(use, function):
    use(function)
    result = filtered(SECRET)
    assert result == "token=***"
    assert type(result) is str


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        ("raise_system_exit", "SystemExit in "),
        ("raise_hostile", f"{__name__}.Hostile in "),
        ("raise_key_error", "KeyError in "),
        ("return_none", "it returned NoneType, not a str"),
        ("return_bytes", "it returned bytes, not a str"),
        ("return_lazy", "__proxy__, not a str"),
        ("not_there", "ImproperlyConfigured in "),
    ],
)
def test_a_filter_that_fails_hides_the_text_and_says_so_without_it(use, caplog, function, problem):
    use(function)
    assert filtered(SECRET) == HIDDEN
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert problem in caplog.text
    assert "s3cr3t" not in caplog.text


def test_a_failure_is_said_once_a_minute(use, caplog, monkeypatch):
    use("return_none")
    for now in (1000.0, 1000.0, 1059.9, 1060.0, 1061.0):
        monkeypatch.setattr(text_filter.time, "monotonic", lambda now=now: now)
        assert filtered(SECRET) == HIDDEN
    assert len(caplog.records) == 2


def test_a_filter_is_not_asked_about_nothing(use, caplog):
    use("raise_key_error")
    assert filtered("") == ""
    assert caplog.records == []


def test_a_report_without_a_handler_for_it_raises_nothing(use, monkeypatch):
    def fail(record):
        raise OSError

    monkeypatch.setattr(logging.getLogger(text_filter.__name__), "handle", fail)
    use("raise_key_error")
    assert filtered(SECRET) == HIDDEN
