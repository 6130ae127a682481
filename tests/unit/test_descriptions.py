from __future__ import annotations

import functools

import pytest
from django.utils.functional import SimpleLazyObject, lazy

from quick_jobs import register_job
from quick_jobs.descriptions import description_of


def documented(doc):
    def job(env): ...

    job.__doc__ = doc
    return job


@pytest.mark.parametrize(
    ("doc", "description"),
    [
        ("Send the emails.", "Send the emails."),
        ("\n    Send the emails.\n\n    Those that wait.\n    ", "Send the emails."),
        ("Send the\n    emails.", "Send the"),
        ("  Send\tthe \r\n", "Send the"),
        ("Grüße 🙂", "Grüße 🙂"),
        ("", ""),
        ("\n \n", ""),
        (None, ""),
    ],
)
def test_it_is_the_first_line_of_the_docstring(doc, description):
    assert description_of(documented(doc)) == description


@pytest.mark.parametrize(
    ("line", "description"),
    [
        (255 * "x", 255 * "x"),
        (256 * "x", 254 * "x" + "…"),
        (254 * "x" + " y", 254 * "x" + "…"),
        (255 * "x" + " y", 254 * "x" + "…"),
        (100 * "two ", 62 * "two " + "two…"),
    ],
)
def test_a_long_one_is_cut_at_a_word(line, description):
    assert len(description) <= 255
    assert description_of(documented(line)) == description


def test_what_no_database_stores_is_written_as_escapes():
    assert description_of(documented("a\0b\udc80")) == "a\\x00b\\udc80"


class Odd(str):
    def __str__(self):
        raise ValueError

    expandtabs = replace = encode = splitlines = __str__


def fails():
    raise LookupError("a translation")


def test_a_text_to_be_translated_is_shown_as_text():
    assert description_of(documented(lazy(lambda: "Send the emails.", str)())) == "Send the emails."


@pytest.mark.parametrize(
    ("doc", "description"),
    [
        (Odd("Send the emails."), "Send the emails."),
        (lazy(fails, str)(), ""),
        (SimpleLazyObject(fails), ""),
        (5, ""),
        (property(fails), ""),
        (b"bytes", ""),
    ],
    ids=["a subclass", "lazy", "a lazy object", "a number", "a property", "bytes"],
)
def test_an_odd_docstring_harms_nothing(doc, description):
    assert description_of(documented(doc)) == description


def test_a_partial_has_that_of_its_function():
    partial = functools.partial(functools.partial(documented("Send the emails.")))
    assert description_of(partial) == "Send the emails."
    assert description_of(functools.partial(documented(None))) == ""


def test_an_object_without_a_docstring_has_none():
    class Hostile:
        @property
        def __doc__(self):
            raise ValueError

    assert description_of(Hostile()) == ""


def test_a_registered_job_has_one():
    assert register_job(60)(documented("Send the emails.")).description == "Send the emails."
    assert register_job(60)(documented(None)).description == ""
