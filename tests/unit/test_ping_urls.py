"""URLs of pings: which there can be, what is fetched, and what may be logged."""

import pytest

from quick_jobs import register_job
from quick_jobs.ping_urls import FAIL, START, SUCCESS, shown, url_for


@pytest.mark.parametrize(
    ("ping", "start", "success", "fail"),
    [
        ("https://a.io/u", "https://a.io/u/start", "https://a.io/u", "https://a.io/u/fail"),
        ("https://a.io/u/", "https://a.io/u/start", "https://a.io/u/", "https://a.io/u/fail"),
        (
            "https://a.io/u?r=1",
            "https://a.io/u/start?r=1",
            "https://a.io/u?r=1",
            "https://a.io/u/fail?r=1",
        ),
        (
            "http://a.io/{status}/u",
            "http://a.io/start/u",
            "http://a.io/success/u",
            "http://a.io/fail/u",
        ),
    ],
)
def test_what_is_fetched(ping, start, success, fail):
    assert [url_for(ping, each) for each in (START, SUCCESS, FAIL)] == [start, success, fail]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a.io/u",
        "ftp://a.io",
        "https://",
        "https://a.io/a b",
        "https://a.io:no/",
        "\thttp://a.io",
    ],
)
def test_a_ping_that_is_no_url_is_refused_by_the_names_of_argument_and_function(value):
    with pytest.raises(ValueError, match=r"^The ping of .*work must be an http or https URL"):

        @register_job(60, ping=value)
        def work(env): ...


@pytest.mark.parametrize("value", [7, b"https://a.io", True])
def test_a_ping_of_another_type_is_refused(value):
    with pytest.raises(TypeError, match=r"^The ping of .*work must be an http or https URL"):

        @register_job(60, ping=value)
        def work(env): ...


def test_the_log_has_no_path_no_query_and_no_password():
    assert shown("https://u:p@a.io:8/secret?key=1#x") == "https://a.io:8/…"
