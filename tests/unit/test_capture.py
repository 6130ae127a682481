from __future__ import annotations

import asyncio
import contextvars
import io
import logging
import os
import re
import sys
import threading
import time
import tracemalloc

import pytest

from quick_jobs import capture
from quick_jobs.capture import Capturing, installed, new_capture
from quick_jobs.capture.bounded import left_out
from quick_jobs.capture.captured import Capture
from quick_jobs.logs import get_logger

LIMIT = 16 * 1024

# A time of day, as each line has it.
TIME = re.compile(r"^\d\d:\d\d:\d\d\.\d{3} ", re.M)


def lines_of(captured):
    """Return the lines without their time."""
    return TIME.sub("", captured.text()).split("\n")


def logged(captured, *texts, level="INFO"):
    for text in texts:
        captured.add(time.time(), level, "shop.mail", text)


def printed(captured, *pieces, stream="stdout"):
    for piece in pieces:
        captured.add(time.time(), stream, None, piece)


# What is kept.


def test_each_line_has_its_time_and_level(monkeypatch):
    monkeypatch.setattr(time, "localtime", time.gmtime)
    captured = Capture(LIMIT)
    captured.add(11_525.123, "INFO", "shop.mail", "sent 14")
    captured.add(11_526.0, "stderr", None, "no stock\n")
    assert captured.text() == (
        "03:12:05.123 INFO     shop.mail  sent 14\n03:12:06.000 stderr   no stock"
    )


def test_a_message_of_several_lines_keeps_them():
    captured = Capture(LIMIT)
    logged(captured, "a\n  b\n\nc", "d")
    assert lines_of(captured) == ["INFO     shop.mail  a", "  b", "", "c", "INFO     shop.mail  d"]


def test_printed_pieces_are_lines_of_their_streams():
    captured = Capture(LIMIT)
    printed(captured, "one", " ")
    printed(captured, "to stderr\n", stream="stderr")
    logged(captured, "logged")
    printed(captured, "line\ntwo\n\nno end")
    assert lines_of(captured) == [
        "stderr   to stderr",
        "INFO     shop.mail  logged",
        "stdout   one line",
        "stdout   two",
        "stdout   ",
        "stdout   no end",
    ]


def test_a_progress_bar_shows_as_a_terminal_shows_it():
    captured = Capture(LIMIT)
    printed(captured, *(f"\r{percent:3} %" for percent in range(101)), "\n", "end\r\n")
    assert lines_of(captured) == ["stdout   100 %", "stdout   end"]


def test_the_version_grows_with_each_line():
    captured = Capture(LIMIT)
    versions = [captured.version]
    for number in range(300):
        logged(captured, "x")
        if number % 7 == 0:
            captured.text()
        versions.append(captured.version)
    assert versions == sorted(set(versions))


def test_nothing_is_an_empty_text():
    assert Capture(LIMIT).text() == ""


# Bounds.


def numbers_in(lines):
    return [int(line.rpartition(" ")[2]) for line in lines]


@pytest.mark.parametrize("limit", [1024, 3000, LIMIT])
@pytest.mark.parametrize("kind", ["logged", "printed", "printed in pieces"])
@pytest.mark.parametrize("count", [10, 100, 1000, 10_000])
def test_both_ends_stay_by_whole_lines_and_the_middle_is_counted(limit, kind, count):
    captured = Capture(limit)
    for number in range(count):
        if kind == "logged":
            logged(captured, f"line {number}")
        elif kind == "printed":
            printed(captured, f"line {number}\n")
        else:
            printed(captured, "line", " ", str(number), "\n")
    text = captured.text()
    assert len(text.encode()) <= limit
    lines = lines_of(captured)
    gaps = [line for line in lines if line.startswith("… ")]
    if not gaps:
        assert numbers_in(lines) == list(range(count))
        return
    [gap] = gaps
    assert len(text.encode()) > limit * 0.8
    first, last = lines[: lines.index(gap)], lines[lines.index(gap) + 1 :]
    assert numbers_in(first) == list(range(len(first)))
    assert numbers_in(last) == list(range(count - len(last), count))
    assert len(" ".join(first)) > limit * 0.2
    assert len(" ".join(last)) > limit * 0.2
    missing = count - len(first) - len(last)
    assert re.fullmatch(rf"… {missing:,} lines? \(\d[\d.]* (bytes|kB|MB)\) left out …", gap)


def test_what_is_left_out_is_told_in_lines_and_bytes():
    assert left_out(1203, 84_200) == "… 1,203 lines (84 kB) left out …"
    assert left_out(1, 999) == "… 1 line (999 bytes) left out …"
    assert left_out(2_000_000, 5_240_000) == "… 2,000,000 lines (5.2 MB) left out …"
    assert left_out(0, 1_500) == "… 1.5 kB left out …"


def test_reading_between_changes_nothing():
    often, once = Capture(2000), Capture(2000)
    for number in range(500):
        for each in (often, once):
            each.add(0.0, "INFO", "shop", f"line {number}")
        often.text()
    assert often.text() == once.text()


@pytest.mark.sweeps
@pytest.mark.parametrize("add", [logged, printed])
@pytest.mark.parametrize("letter", ["x", "é", "\0", "\udc80"])
def test_five_megabytes_in_one_line_keep_both_ends(add, letter):
    captured = Capture(LIMIT)
    logged(captured, "before")
    add(captured, "begin " + letter * 5_000_000 + " end")
    logged(captured, "after")
    text = captured.text()
    text.encode()
    assert "\0" not in text
    assert len(text.encode()) <= LIMIT
    lines = lines_of(captured)
    assert lines[0].endswith("before")
    assert "begin " in lines[1]
    assert any(line.endswith(" end") for line in lines)
    assert "left out" in text
    assert lines[-1].endswith("after") or add is printed  # then that line has no end yet


def test_nul_and_surrogates_are_escapes():
    captured = Capture(LIMIT)
    logged(captured, "a\0b\udc80c")
    assert lines_of(captured) == [r"INFO     shop.mail  a\x00b\udc80c"]


@pytest.mark.sweeps
def test_memory_does_not_depend_on_the_number_of_lines():
    def peak(count):
        captured = Capture(LIMIT)
        tracemalloc.start()
        for number in range(count):
            printed(captured, f"line {number} of the output", "\n")
            logged(captured, f"line {number} of the log")
        for _ in range(count):
            printed(captured, ".")
        captured.text()
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(20_000) < 20 * LIMIT  # of more than a megabyte of text


def test_many_threads_write_into_one_capture():
    captured = Capture(1024 * 1024)
    threads = [
        threading.Thread(
            target=lambda name=name: [logged(captured, f"{name} {n}") for n in range(2000)]
        )
        for name in "abcd"
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        captured.text()
    lines = lines_of(captured)
    assert sorted(lines) == sorted(
        f"INFO     shop.mail  {n} {i}" for n in "abcd" for i in range(2000)
    )
    assert captured.version == 8000


# The filter.


def mask(text):
    return text.replace("s3cr3t", "***")


def shout(text):
    print("filtering", "x" * 20_000)
    return text


@pytest.fixture
def use_filter(settings):
    return lambda function: setattr(settings, "QUICK_JOBS_LOG_FILTER", f"{__name__}.{function}")


def test_the_filter_sees_all_that_is_kept(use_filter):
    use_filter("mask")
    captured = Capture(LIMIT)
    printed(captured, "token=s3", "cr3t\n")
    logged(captured, "a s3cr3t")
    assert lines_of(captured) == ["stdout   token=***", "INFO     shop.mail  a ***"]


@pytest.mark.parametrize("add", [logged, printed])
def test_the_filter_sees_a_long_line_before_it_is_cut(use_filter, add):
    use_filter("mask")
    captured = Capture(1024)
    for shift in range(12):
        add(captured, "x" * (150 + shift) + "s3cr3t" * 1000 + "x" * 150 + "\n")
    assert "r3" not in captured.text()
    assert "***" in captured.text()


def test_a_filter_that_prints_does_not_go_on_without_end(use_filter, capsys):
    use_filter("shout")
    with installed():
        captured = new_capture()
        with Capturing(captured):
            print("y" * 20_000)
        assert captured.text()


# Attribution.


@pytest.fixture
def logger():
    return logging.getLogger("tests.capture")


def captured_while(do):
    """Return the lines of what ``do()`` logs and prints."""
    with installed():
        captured = new_capture()
        with Capturing(captured):
            do()
    return lines_of(captured)


def test_fifty_at_once_have_their_own_lines_and_no_others(logger, capsys):
    barrier = threading.Barrier(50)
    captures = {}

    def job(name):
        captures[name] = captured = new_capture()
        with Capturing(captured):
            barrier.wait(60)
            for number in range(40):
                print(name, "prints", number)
                logger.info("%s logs %d", name, number)
                print(name, "errs", number, file=sys.stderr)

    with installed():
        threads = [
            threading.Thread(target=contextvars.Context().run, args=(job, f"job{n}"))
            for n in range(50)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    for name, captured in captures.items():
        expected = []
        for number in range(40):
            expected += [
                f"stdout   {name} prints {number}",
                f"INFO     tests.capture  {name} logs {number}",
                f"stderr   {name} errs {number}",
            ]
        assert lines_of(captured) == expected
    assert len(captures) == 50


def test_tasks_and_threads_with_a_copied_context_count_and_others_do_not(capsys):
    async def work():
        async def speak(what):
            await asyncio.sleep(0)
            print(what)

        await asyncio.gather(speak("task 1"), speak("task 2"))
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, contextvars.copy_context().run, print, "copied")
        await loop.run_in_executor(None, print, "not copied")

    def do():
        asyncio.run(work())
        thread = threading.Thread(target=contextvars.Context().run, args=(print, "by hand"))
        thread.start()
        thread.join()

    assert captured_while(do) == ["stdout   task 1", "stdout   task 2", "stdout   copied"]
    assert capsys.readouterr().out == "task 1\ntask 2\ncopied\nnot copied\nby hand\n"


def test_outside_of_a_job_nothing_is_kept(logger, capsys):
    with installed():
        captured = new_capture()
        print("before")
        with Capturing(captured), Capturing(None):
            print("within")
            logger.error("within")
    assert captured.text() == ""


# Streams.


def test_what_is_printed_reaches_the_terminal_unchanged(capsys):
    def do():
        sys.stdout.write("a\n")
        sys.stdout.writelines(["b\n", "c"])
        print("d", file=sys.stderr)
        print()

    assert captured_while(do) == ["stdout   a", "stdout   b", "stderr   d", "stdout   c"]
    assert capsys.readouterr() == ("a\nb\nc\n", "d\n")


def test_bytes_are_kept_as_text(monkeypatch):
    terminal = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(terminal, "utf-8"))

    def do():
        sys.stdout.buffer.write("naïve\n".encode())
        sys.stdout.buffer.write(bytearray(b"\xff\0\n"))

    assert captured_while(do) == ["stdout   naïve", r"stdout   \xff\x00"]
    sys.stdout.flush()
    assert terminal.getvalue() == b"na\xc3\xafve\n\xff\0\n"


def test_what_the_terminal_cannot_encode_raises_as_ever(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))

    def do():
        print("a")
        with pytest.raises(UnicodeEncodeError):
            print("é")
        with pytest.raises(TypeError):
            sys.stdout.write(b"bytes")

    assert captured_while(do) == ["stdout   a"]


def test_in_all_else_a_stream_is_as_before(monkeypatch):
    before = io.TextIOWrapper(io.BytesIO(), "utf-8")
    monkeypatch.setattr(sys, "stdout", before)
    with installed():
        assert sys.stdout is not before
        assert (sys.stdout.encoding, sys.stdout.isatty()) == ("utf-8", False)
        sys.stdout.reconfigure(line_buffering=True)
        with pytest.raises(AttributeError):
            sys.stdout.nothing  # noqa: B018
        kept = sys.stdout
    assert sys.stdout is before
    assert before.line_buffering
    print("still works", file=kept)
    assert before.buffer.getvalue() == b"still works\n"


def test_a_stream_that_is_not_there_or_is_replaced_stays_so(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    other = io.StringIO()

    def do():
        print("nowhere")
        sys.stderr = other
        print("elsewhere", file=sys.stderr)

    assert captured_while(do) == [""]
    assert sys.stdout is None
    assert sys.stderr is other


# Log records.


class Records(logging.Handler):
    """A site's handler, which keeps the messages that reach it."""

    def __init__(self, target):
        super().__init__()
        self.messages = []
        target.addHandler(self)

    def emit(self, record):
        self.messages.append(record.getMessage())


@pytest.fixture
def root():
    """A handler of the root logger, whose level is as Django's default LOGGING leaves it."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.WARNING)
    handler = Records(root)
    yield handler
    root.removeHandler(handler)
    root.setLevel(before)


def test_the_sites_handlers_get_what_they_got_before(root, logger):
    def do():
        logger.debug("debug")
        logger.info("info")
        logger.warning("warning")

    do()
    before = list(root.messages)
    assert captured_while(do) == [
        "INFO     tests.capture  info",
        "WARNING  tests.capture  warning",
    ]
    with installed():
        do()
    assert root.messages == 3 * before == 3 * ["warning"]
    assert logging.getLogger().level == logging.WARNING


def test_the_level_of_a_named_logger_is_respected(root):
    quiet, loud = logging.getLogger("tests.quiet"), logging.getLogger("tests.loud")
    quiet.setLevel(logging.ERROR)
    loud.setLevel(logging.DEBUG)

    def do():
        logging.getLogger("tests.quiet.below").warning("not this")
        logging.getLogger("tests.loud.below").info("this")
        loud.debug("for the site alone")

    try:
        assert captured_while(do) == ["INFO     tests.loud.below  this"]
    finally:
        quiet.setLevel(logging.NOTSET)
        loud.setLevel(logging.NOTSET)
    assert root.messages == ["this", "for the site alone"]


def test_a_logger_that_does_not_propagate_is_kept_too(root, logger):
    logger.propagate = False
    try:
        assert captured_while(lambda: logger.info("x")) == ["INFO     tests.capture  x"]
    finally:
        logger.propagate = True


def test_the_level_from_which_records_are_kept_is_a_setting(root, logger, settings):
    settings.QUICK_JOBS_LOG_LEVEL = "DEBUG"
    assert captured_while(lambda: logger.debug("x")) == ["DEBUG    tests.capture  x"]
    settings.QUICK_JOBS_LOG_LEVEL = 40
    assert captured_while(lambda: logger.warning("x")) == [""]
    assert root.messages == ["x"]


def test_a_level_that_a_job_gives_the_root_counts_and_stays(root, logger):
    def do():
        logging.getLogger().setLevel(logging.INFO)
        logger.info("x")

    assert captured_while(do) == ["INFO     tests.capture  x"]
    assert root.messages == ["x"]
    assert logging.getLogger().level == logging.INFO


def test_a_line_that_is_logged_and_printed_by_a_handler_is_kept_once(root, logger, capsys):
    def do():
        handler = logging.StreamHandler(sys.stderr)  # the tee
        logger.addHandler(handler)
        try:
            logger.warning("once")
        finally:
            logger.removeHandler(handler)

    assert captured_while(do) == ["WARNING  tests.capture  once"]
    assert capsys.readouterr().err == "once\n"


def test_the_runners_own_lines_are_not_kept(root):
    def do():
        for name in ("quick_jobs", "quick_jobs.execution", "quick_jobs_of_ours"):
            logging.getLogger(name).warning("x")

    assert captured_while(do) == ["WARNING  quick_jobs_of_ours  x"]
    assert len(root.messages) == 3


def test_the_runners_own_lines_are_not_even_made_for_nobody(root, monkeypatch):
    made = []
    make = logging.Logger.makeRecord
    monkeypatch.setattr(
        logging.Logger, "makeRecord", lambda *args: made.append(args[5]) or make(*args)
    )
    own = get_logger("quick_jobs.tests")

    def do():
        own.info("below the site's level")
        own.warning("for the site")
        logging.getLogger().setLevel(logging.INFO)
        own.info("for the site by now")

    captured_while(do)
    assert made == root.messages == ["for the site", "for the site by now"]


def test_a_traceback_is_kept_with_its_line(root, logger):
    def do():
        try:
            raise LookupError("no stock")
        except LookupError:
            logger.exception("failed")

    lines = captured_while(do)
    assert lines[:2] == ["ERROR    tests.capture  failed", "Traceback (most recent call last):"]
    assert lines[-1] == "LookupError: no stock"


def test_a_message_that_cannot_be_formatted_is_the_sites_matter(root, logger):
    assert captured_while(lambda: logger.info("%d", "x")) == [
        "INFO     tests.capture  (a message that cannot be formatted: TypeError)"
    ]


# What is installed.


def test_off_installs_nothing(settings):
    settings.QUICK_JOBS_LOG = "off"
    before = sys.stdout, sys.stderr, logging.Logger.callHandlers, logging.getLogger().level
    with installed():
        assert new_capture() is None
        now = sys.stdout, sys.stderr, logging.Logger.callHandlers, logging.getLogger().level
        assert now == before


def test_what_was_there_comes_back_with_the_last_who_leaves():
    before = sys.stdout, sys.stderr, logging.Logger.callHandlers, logging.getLogger().level
    with installed():
        with pytest.raises(LookupError), installed():
            raise LookupError
        assert new_capture() is not None
        assert sys.stdout is not before[0]
    assert new_capture() is None
    now = sys.stdout, sys.stderr, logging.Logger.callHandlers, logging.getLogger().level
    assert now == before


@pytest.mark.parametrize(("log", "kept"), [("all", "x"), ("failures", "")])
def test_a_success_keeps_its_log_unless_only_failures_do(settings, log, kept, capsys):
    settings.QUICK_JOBS_LOG = log
    with installed():
        captured = new_capture()
        with Capturing(captured):
            print("x")
    assert TIME.sub("", captured.final_text(succeeded=True))[9:] == kept
    assert captured.final_text(succeeded=False).endswith("x")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_while_the_lock_is_held_hangs_nobody(capfd, monkeypatch):
    monkeypatch.setattr("quick_jobs.capture.captured._PATIENCE", 0.1)
    with installed():
        captured = new_capture()
        with Capturing(captured), captured._lock:
            pid = os.fork()
            if not pid:
                for _ in range(1000):
                    print("in the child")
                os._exit(0 if captured.text() == "" else 1)
        assert os.waitpid(pid, 0)[1] == 0
    assert capture.new_capture() is None
