from __future__ import annotations

import contextlib
import logging
import re
import textwrap
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quick_jobs.console import log_to_console, printable

WARNING, INFO, DEBUG = logging.WARNING, logging.INFO, logging.DEBUG


@contextlib.contextmanager
def nothing_configured():
    """The package's logger as on a site that has configured no logging."""
    logger = logging.getLogger("quick_jobs")
    handlers, logger.handlers, logger.propagate = logger.handlers, [], False  # those of the tests
    try:
        yield logger
    finally:
        logger.handlers, logger.propagate = handlers, True


def log_everything():
    for name in ("quick_jobs", "quick_jobs.execution", "quick_jobs.history"):
        for level in (DEBUG, INFO, WARNING):
            message = f"{name.rpartition('.')[2]} {logging.getLevelName(level).lower()}"
            logging.getLogger(name).log(level, "%s", message)


def state():
    loggers = [logging.getLogger(name) for name in ("quick_jobs", "quick_jobs.execution")]
    return [(each.level, list(each.handlers)) for each in loggers]


@pytest.mark.parametrize(
    ("verbosity", "runner", "execution"),
    [
        (0, {"warning"}, {"warning"}),
        (1, {"warning", "info"}, {"warning", "info"}),
        (2, {"warning", "info"}, {"warning", "info", "debug"}),
        (3, {"warning", "info", "debug"}, {"warning", "info", "debug"}),
    ],
)
def test_the_verbosity_says_how_much_is_shown(capsys, verbosity, runner, execution):
    with nothing_configured(), log_to_console(verbosity):
        log_everything()
    shown = {}
    for line in capsys.readouterr().err.splitlines():
        name, level = line.split()[-2:]
        shown.setdefault(name, set()).add(level)
    assert shown == {"quick_jobs": runner, "history": runner, "execution": execution}


def test_a_line_has_the_time_the_level_and_the_message(capsys):
    with nothing_configured() as logger, log_to_console(1):
        logger.info("%d jobs to run", 3)
    output = capsys.readouterr()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO 3 jobs to run\n", output.err)
    assert output.out == ""


@pytest.mark.parametrize("where", ["quick_jobs", ""], ids=["the package's", "the root"])
def test_a_site_that_has_configured_logging_keeps_it(capsys, where):
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    configured = logging.getLogger(where)
    with nothing_configured() as logger:
        logger.propagate = where == ""
        configured.addHandler(handler)
        logger.setLevel(INFO)
        try:
            before = state()
            with log_to_console(3):
                assert state() == before
                logger.info("to the site's handler")
                logger.debug("not asked for")
        finally:
            configured.removeHandler(handler)
            logger.setLevel(logging.NOTSET)
    assert [record.getMessage() for record in records] == ["to the site's handler"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("fails", [False, True])
def test_afterwards_all_is_as_it_was(capsys, fails):
    execution = logging.getLogger("quick_jobs.execution")
    with nothing_configured():
        execution.setLevel(WARNING)
        try:
            before = state()
            with contextlib.suppress(LookupError), log_to_console(3):
                assert state() != before
                if fails:
                    raise LookupError
            assert state() == before
            log_everything()
        finally:
            execution.setLevel(logging.NOTSET)
    assert "DEBUG" not in capsys.readouterr().err


# What could pass for a line of ours, or order a terminal about.

FORGED = "2026-11-25 00:00:00,000 INFO forged"


def lines_in_column_0(text):
    return [
        line
        for line in re.split("[\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029]", text)
        if line[:1] != " "
    ]


@pytest.mark.parametrize(
    "end", ["\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"], ids=ascii
)
def test_a_text_with_ends_of_lines_makes_no_line_of_the_log(capsys, end):
    with nothing_configured() as logger, log_to_console(1):
        logger.info("the job says %s", f"x{end}{FORGED}")
        try:
            raise ValueError(f"y{end}{FORGED}")
        except ValueError:
            logger.exception("it failed")
    shown = capsys.readouterr().err
    assert shown.count("forged") == 2
    assert len(lines_in_column_0(shown.rstrip("\n"))) == 2


def test_a_traceback_is_indented_as_a_whole(capsys):
    with nothing_configured() as logger, log_to_console(1):
        try:
            raise ValueError("too large\nby far")
        except ValueError as exc:
            logger.error("it failed", exc_info=exc)
            python = "".join(traceback.format_exception(type(exc), exc, exc.__traceback__))
    first, _, others = capsys.readouterr().err.partition("\n")
    assert first.endswith(" ERROR it failed")
    assert others == textwrap.indent(python, "    ")


@pytest.mark.parametrize(
    "character",
    [
        "\0",
        "\a",
        "\b",
        "\r",
        "\x1b",
        "\x7f",
        "\x85",
        "\x9b",
        "\u200f",
        "\u202e",
        "\u2067",
        "\ud800",
    ],
    ids=ascii,
)
def test_what_a_terminal_obeys_is_an_escape(character):
    assert printable(f"a{character}[2Jb") == f"a{ascii(character)[1:-1]}[2Jb"


def test_any_other_text_stays():
    text = "Grüße 🐍 \t 👩\u200d💻 שלום ~"
    assert printable(text) == text


@given(st.text())
def test_whatever_the_text_it_is_one_line_and_indented_ones(text):
    others = printable(text).splitlines()[1:]
    assert all(line.startswith("    ") for line in others)
