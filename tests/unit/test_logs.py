from __future__ import annotations

import io
import logging
import signal
import sys
import threading
import time

import pytest

from quick_jobs import logs
from quick_jobs.logs import get_logger, in_background, say, wait_until_written
from tests.site import ROOT, wait_until

NAME = "quick_jobs.tests"


class Handler(logging.Handler):
    """Does with each record what a test wants."""

    def __init__(self, do):
        super().__init__()
        self.emit = do


@pytest.fixture
def handle():
    """Give the tests' logger a handler that calls a function with each record."""
    logger = logging.getLogger(NAME)
    logger.setLevel(logging.INFO)
    handlers = []

    def add(do):
        handlers.append(Handler(do))
        logger.addHandler(handlers[-1])
        return handlers[-1]

    yield add
    for each in handlers:
        logger.removeHandler(each)
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def records(handle):
    seen = []
    handle(seen.append)
    return seen


@pytest.fixture(autouse=True)
def reported(monkeypatch, capsys):
    """Return what was reported on standard error in this test."""
    monkeypatch.setattr(logs, "_reports", logs._Reports())
    return lambda: capsys.readouterr().err


def fail(record):
    raise LookupError("the mail server is away")


# What a logger does.


@pytest.mark.parametrize("level", ["info", "warning", "error", "critical"])
@pytest.mark.parametrize("may_wait", [True, False])
def test_a_line_is_logged_as_the_standard_library_would(records, level, may_wait):
    getattr(get_logger(NAME, may_wait), level)("%s of %d", "one", 2)
    getattr(logging.getLogger(NAME), level)("%s of %d", "one", 2)
    ours, theirs = (dict(vars(record)) for record in records)
    for each in (ours, theirs):
        for changing in ("created", "msecs", "relativeCreated", "lineno"):
            del each[changing]
    assert ours == theirs
    assert records[0].lineno == records[1].lineno - 1
    assert records[0].getMessage() == "one of 2"


def test_an_error_is_logged_with_its_traceback(records):
    with pytest.raises(LookupError) as raised:
        fail(None)
    error = raised.value
    get_logger(NAME).error("failed", exc_info=error)
    assert records[0].exc_info == (LookupError, error, error.__traceback__)


def test_what_is_below_the_loggers_level_is_not_logged(records):
    get_logger(NAME).debug("x")
    logging.disable(logging.INFO)
    try:
        get_logger(NAME).info("x")
    finally:
        logging.disable(logging.NOTSET)
    assert records == []


# What raises.


def raising_filter(handle):
    handle(print).addFilter(fail)


def raising_filter_of_the_logger(handle):
    logging.getLogger(NAME).addFilter(fail)


def raising_formatter(handle):
    handler = handle(lambda record: handler.format(record))
    handler.format = fail


@pytest.mark.parametrize(
    "break_it",
    [
        lambda handle: handle(fail),
        raising_filter,
        raising_filter_of_the_logger,
        raising_formatter,
        lambda handle: setattr(handle(print), "handle", fail),
    ],
    ids=["emit", "filter", "filter of the logger", "formatter", "handle"],
)
@pytest.mark.parametrize("is_in_background", [False, True])
def test_what_raises_is_reported_on_standard_error(handle, reported, break_it, is_in_background):
    break_it(handle)
    try:
        if is_in_background:
            with in_background():
                get_logger(NAME, may_wait=False).info("%s starts", "job")
        else:
            get_logger(NAME).info("%s starts", "job")
    finally:
        logging.getLogger(NAME).removeFilter(fail)
    text = reported()
    assert "a line of the log was lost ('%s starts')" in text
    assert text.endswith("\nLookupError: the mail server is away\n")


def test_a_record_that_cannot_be_made_is_reported(records, reported):
    factory = logging.getLogRecordFactory()
    logging.setLogRecordFactory(lambda *args, **kwargs: fail(None))
    try:
        get_logger(NAME).info("x")
    finally:
        logging.setLogRecordFactory(factory)
    assert "LookupError" in reported()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), MemoryError()], ids=repr)
def test_no_error_of_a_handler_ends_the_thread(handle, reported, error):
    def do(record):
        raise error

    handle(do)
    went_on = []
    thread = threading.Thread(target=lambda: [get_logger(NAME).info("x"), went_on.append(True)])
    thread.start()
    thread.join(20)
    assert went_on
    assert type(error).__name__ in reported()


@pytest.mark.parametrize("is_ours", [False, True])
def test_ctrl_c_of_a_person_is_no_error_of_a_handler(handle, reported, is_ours):
    """Unless signals are handled otherwise, as while the runner runs."""

    def do(record):
        raise KeyboardInterrupt

    handle(do)
    before = signal.signal(signal.SIGINT, print if is_ours else signal.default_int_handler)
    try:
        if is_ours:
            get_logger(NAME).info("x")
        else:
            with pytest.raises(KeyboardInterrupt):
                get_logger(NAME).info("x")
    finally:
        signal.signal(signal.SIGINT, before)


def test_failures_are_reported_once_a_minute_and_counted(handle, reported, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(logs.time, "monotonic", lambda: now)
    handle(fail)
    for now in (1000.0, 1001.0, 1059.9, 1060.1, 1061.0):  # noqa: B007
        get_logger(NAME).info("x")
    text = reported()
    assert text.count("LookupError: ") == 2
    assert text.count(", and 2 lines before") == 1


class Closed(io.StringIO):
    def write(self, text):
        raise BrokenPipeError


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, closed(), Closed()], ids=["None", "closed", "broken"])
def test_without_a_standard_error_nothing_is_reported(handle, stream, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream)
    handle(fail)
    monkeypatch.setattr(sys, "stderr", stream)
    get_logger(NAME).info("x")


# In the background.


def test_only_threads_that_may_not_wait_leave_their_lines_to_another(handle):
    seen = {}
    handle(lambda record: seen.update({record.msg: threading.current_thread()}))
    with in_background():
        get_logger(NAME).info("worker")
        get_logger(NAME, may_wait=False).info("loop")
    get_logger(NAME, may_wait=False).info("afterwards")
    here = threading.current_thread()
    assert [seen["worker"] is here, seen["loop"] is here, seen["afterwards"] is here] == [
        True,
        False,
        True,
    ]
    assert seen["loop"].name == "quick_jobs log"


def test_lines_are_written_in_order_with_the_thread_that_logged_them(records):
    with in_background():
        for number in range(1000):
            get_logger(NAME, may_wait=False).info(number)
    assert [record.msg for record in records] == list(range(1000))
    assert {record.thread for record in records} == {threading.get_ident()}


def test_a_handler_that_waits_does_not_hold_up_who_may_not(handle, monkeypatch):
    monkeypatch.setattr(logs, "_STUCK_AFTER", 0.2)
    released = threading.Event()
    seen = []
    handle(lambda record: released.wait(60) and seen.append(record.msg))
    try:
        with in_background():
            for number in range(3):
                get_logger(NAME, may_wait=False).info(number)
            say(lambda: seen.append("said"), "something")
            before = time.monotonic()
        assert time.monotonic() - before < 20  # the end does not wait for it either
        assert seen == []
    finally:
        released.set()
    wait_until(lambda: logs._background._thread is None)
    assert seen == [0, 1, 2, "said"]


def test_lines_can_be_waited_for_within_limits(handle):
    released, seen = threading.Event(), []
    handle(lambda record: released.wait(60) and seen.append(record.msg))
    with in_background():
        wait_until_written(60)  # nothing waits
        get_logger(NAME, may_wait=False).info("x")
        wait_until_written(0.01)
        assert seen == []
        released.set()
        wait_until_written(60)
        assert seen == ["x"]


def test_there_is_no_thread_while_there_are_no_lines(records):
    with in_background():
        assert logs._background._thread is None
        get_logger(NAME, may_wait=False).info("x")
        wait_until(lambda: logs._background._thread is None)
        get_logger(NAME, may_wait=False).info("y")
    assert [record.msg for record in records] == ["x", "y"]


def test_lines_beyond_what_may_wait_are_dropped(handle, monkeypatch):
    monkeypatch.setattr(logs, "_CAPACITY", 5)
    released, seen = threading.Event(), []
    handle(lambda record: released.wait(60) and seen.append(record.msg))
    with in_background():
        get_logger(NAME, may_wait=False).info(0)
        wait_until(lambda: not logs._background._waiting)
        for number in range(1, 100):
            get_logger(NAME, may_wait=False).info(number)
        released.set()
    assert seen == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
def test_where_no_thread_can_be_started_lines_are_written_in_place(records, monkeypatch, error):
    def refuse(thread):
        raise error

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with in_background():
        get_logger(NAME, may_wait=False).info("x")
        assert [record.msg for record in records] == ["x"]


def test_what_cannot_be_said_is_reported(reported):
    say(lambda: fail(None), "the list")
    assert "('the list')" in reported()


def test_all_that_a_runner_logs_goes_through_here():
    """The admin logs in the web process; the console and the capture look at a logger."""
    own = {"logs.py", "console.py", "admin/static_files.py", "capture/log_records.py"}
    package = ROOT / "quick_jobs"
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if "logging.getLogger(" in path.read_text(encoding="utf-8")
    }
    assert found == own
