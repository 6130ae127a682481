from __future__ import annotations

import json

import pytest

from quick_jobs.tracebacks import fingerprint_of, fingerprint_of_outcome, without_values

HERE = "tests.unit.test_fingerprints"


def raised(func, *args):
    try:
        func(*args)
    except BaseException as exc:
        return exc
    raise AssertionError("it raised nothing")


def parse(text):
    if text.startswith("{"):
        return json.loads(text)
    return json.loads(text)


def refuse(error):
    raise error


def test_the_kind_of_a_failure_is_its_type_and_the_innermost_function_of_the_project():
    """The parser of Python's own library is the same for all who call it."""
    expected = f"json.decoder.JSONDecodeError in {HERE}.parse"
    assert fingerprint_of(raised(parse, "x")) == expected


def test_neither_the_line_nor_the_message_makes_another_kind():
    assert fingerprint_of(raised(parse, "x")) == fingerprint_of(raised(parse, "{12"))


def test_the_type_and_the_function_make_another_kind():
    kinds = {
        fingerprint_of(raised(refuse, ValueError())),
        fingerprint_of(raised(refuse, KeyError())),
        fingerprint_of(raised(parse, "x")),
    }
    assert len(kinds) == 3


def test_without_a_function_of_the_project_it_is_the_innermost_one():
    error = raised(json.loads, "x")
    error.__traceback__ = error.__traceback__.tb_next  # without this module's
    expected = "json.decoder.JSONDecodeError in json.decoder.raw_decode"
    assert fingerprint_of(error) == expected


def test_an_exception_that_was_never_raised_has_a_kind():
    assert fingerprint_of(ValueError()) == "ValueError in ?"


def test_it_fits_the_column_whatever_the_names_are():
    error = type("Ü" + "x" * 1000, (Exception,), {})()
    kind = fingerprint_of(raised(refuse, error))
    assert len(kind) == 255
    assert kind.startswith(f"{HERE}.\\xdcxxx")


def test_the_attributes_of_an_exception_are_not_asked():
    class Hostile(Exception):
        def __getattribute__(self, name):
            raise RuntimeError

    assert fingerprint_of(raised(refuse, Hostile())).endswith(f"Hostile in {HERE}.refuse")


def test_a_failure_without_an_exception_is_known_by_its_outcome_and_its_job():
    assert fingerprint_of_outcome("timed_out", "shop.jobs.send") == "timed_out in shop.jobs.send"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("no row with id 4711", "no row with id …"),
        ("-3.5 is less than 1,000 at 03:12:05", "… is less than … at …"),
        ("<Order object at 0x7f3a2b>", "<Order object at …>"),
        ("key 'abc' and \"it's\"", "key '…' and \"…\""),
        ("can't open 'x.csv'", "can't open '…'"),
        ("order 123e4567-e89b-12d3-a456-426614174000 is gone", "order … is gone"),
        ("commit 3f2a91c0de", "commit …"),
        ("utf8 and sha256 are words", "utf8 and sha256 are words"),
        ("", ""),
    ],
    ids=range(9),
)
def test_values_are_taken_out_of_a_message(message, shown):
    assert without_values(message) == shown


@pytest.mark.parametrize("text", ["'", '"', "1", "a", "0x", "1.", "'a", "-"])
def test_a_long_message_takes_no_long_time(text):
    assert len(without_values(text * 20_000)) <= 40_000
